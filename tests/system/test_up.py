"""`plimsoll up` for real: servers answer, deployments are planned, a signal leaves nothing behind."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

STOP_SECONDS = 90
FLOWS = ("train-model", "promote-model", "score-batch", "check-drift", "backtest-policy")
READY = "deployments are up"
pytestmark = pytest.mark.timeout(600)


def api(environ: dict[str, str]) -> str:
    return f"http://127.0.0.1:{environ['PLIMSOLL_PREFECT__PORT']}/api"


def ask(environ: dict[str, str], path: str, **body: Any) -> Any:
    return httpx.post(f"{api(environ)}/{path}", json=body, timeout=20).raise_for_status().json()


def test_up_serves_plans_and_leaves_nothing_behind(start: Callable[..., Any], environ: dict[str, str]) -> None:
    up = start(environ, "up", until=READY)
    assert httpx.get(f"{api(environ)}/health").json() is True
    classic = httpx.get(api(environ).removesuffix("api") + "dashboard", headers={"accept": "text/html"})
    assert "text/html" in classic.headers["content-type"]
    assert httpx.get(f"http://127.0.0.1:{environ['PLIMSOLL_MLFLOW__PORT']}/health").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{environ['PLIMSOLL_REPORTS_PORT']}/").status_code == 200

    for flow in FLOWS:
        deployment = httpx.get(f"{api(environ)}/deployments/name/{flow}/flight_delay").raise_for_status().json()
        assert deployment["parameter_openapi_schema"]["properties"]["model"]["description"]
        assert len(deployment["schedules"]) == (flow in {"score-batch", "check-drift"})

    end = time.monotonic() + 90
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
    start: Callable[..., Any], environ: dict[str, str]
) -> None:
    up = start(environ, "up", until=READY)
    orphans = psutil.Process(up.pid).children(recursive=True)
    up.kill()
    up.wait()
    assert httpx.get(f"{api(environ)}/health").json() is True
    again = start(environ, "up", until=READY)
    assert not [process for process in orphans if process.is_running()]
    again.send_signal(signal.SIGTERM)
    assert again.wait(STOP_SECONDS) == 0
