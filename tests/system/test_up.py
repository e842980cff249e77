"""`plimsoll up` for real: servers answer, deployments are planned, a signal leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tasks.processes import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
STOP_SECONDS = 90
FLOWS = ("train-model", "promote-model", "score-batch", "check-drift")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    names = ("PLIMSOLL_PREFECT__PORT", "PLIMSOLL_MLFLOW__PORT", "PLIMSOLL_REPORTS_PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PLIMSOLL_", "PREFECT_"))}
    return {**kept, "PLIMSOLL_HOME": str(tmp_path / "home"), **{name: str(free_port()) for name in names}}


@pytest.fixture
def up(environ: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    process = start_up(environ)
    yield process
    for child in [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []:
        child.kill()
    process.kill()
    process.wait()


def start_up(environ: dict[str, str]) -> "subprocess.Popen[str]":
    """Start `plimsoll up` and return once it says that all is up."""
    out = Path(environ["PLIMSOLL_HOME"]).with_name("up.txt")
    with out.open("w") as stream:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("plimsoll"), "up"],
            cwd=ROOT,
            env=environ,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    end = time.monotonic() + START_SECONDS
    while "deployments are up" not in out.read_text():
        assert process.poll() is None, out.read_text()
        assert time.monotonic() < end, out.read_text()
        time.sleep(0.5)
    return process


def api(environ: dict[str, str]) -> str:
    return f"http://127.0.0.1:{environ['PLIMSOLL_PREFECT__PORT']}/api"


def ask(environ: dict[str, str], path: str, **body: Any) -> Any:
    return httpx.post(f"{api(environ)}/{path}", json=body, timeout=20).raise_for_status().json()


def test_up_serves_plans_and_leaves_nothing_behind(up: "subprocess.Popen[str]", environ: dict[str, str]) -> None:
    assert httpx.get(f"{api(environ)}/health").json() is True
    classic = httpx.get(api(environ).removesuffix("api") + "dashboard", headers={"accept": "text/html"})
    assert "text/html" in classic.headers["content-type"]
    assert httpx.get(f"http://127.0.0.1:{environ['PLIMSOLL_MLFLOW__PORT']}/health").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{environ['PLIMSOLL_REPORTS_PORT']}/").status_code == 200

    found = {d["name"]: [] for d in ask(environ, "deployments/filter")}
    assert "flight_delay" in found
    for flow in FLOWS:
        deployment = httpx.get(f"{api(environ)}/deployments/name/{flow}/flight_delay").raise_for_status().json()
        assert deployment["parameter_openapi_schema"]["properties"]["model"]["description"]
        assert len(deployment["schedules"]) == (flow in {"score-batch", "check-drift"})

    end = time.monotonic() + 60
    scheduled = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    while not (planned := ask(environ, "flow_runs/count", flow_runs=scheduled)) and time.monotonic() < end:
        time.sleep(1)
    assert planned, "the scheduler planned no run: see prefect.log"

    family = psutil.Process(up.pid).children(recursive=True)
    assert len(family) >= 4
    up.send_signal(signal.SIGINT)
    assert up.wait(STOP_SECONDS) == 0
    assert not [process for process in family if process.is_running()]
    said = Path(environ["PLIMSOLL_HOME"]).with_name("up.txt").read_text()
    assert said.rstrip().endswith("Stopped.")
    assert "Traceback" not in said


def test_what_a_killed_up_left_behind_is_stopped_by_the_next(
    up: "subprocess.Popen[str]", environ: dict[str, str]
) -> None:
    orphans = psutil.Process(up.pid).children(recursive=True)
    up.kill()
    up.wait()
    assert httpx.get(f"{api(environ)}/health").json() is True
    again = start_up(environ)
    assert not [process for process in orphans if process.is_running()]
    again.send_signal(signal.SIGTERM)
    assert again.wait(STOP_SECONDS) == 0
