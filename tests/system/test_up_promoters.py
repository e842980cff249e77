"""`plimsoll up` with a pool for promotions, for real: the run that promotes is the promoters' worker's, no other's."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[2]
MODEL, PROMOTERS, READY = "breast_cancer", "promoters", "deployments are up"
SECONDS, STOP_SECONDS = 180, 90
pytestmark = pytest.mark.timeout(600)
LAID_OUT = """
import sys, pathlib
from flows.demo_data import lay_out_breast_cancer
from tests.flows.places import ROOT, copy_project
folder = pathlib.Path(sys.argv[1])
lay_out_breast_cancer(folder / "landing")
copy_project(ROOT, folder / "project")
"""


def plimsoll(environ: dict[str, str], *words: str) -> str:
    command = [Path(sys.executable).with_name("plimsoll"), *words]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pools(environ: dict[str, str]) -> dict[str, set[str]]:
    """Return the pools in which the runs of each flow were."""
    api = f"http://127.0.0.1:{environ['PLIMSOLL_PREFECT__PORT']}/api"
    found: dict[str, set[str]] = {}
    for run in httpx.post(f"{api}/flow_runs/filter", json={}).raise_for_status().json():
        if run["state_type"] != "SCHEDULED":
            flow = httpx.get(f"{api}/flows/{run['flow_id']}").raise_for_status().json()["name"]
            found.setdefault(flow, set()).add(run["work_pool_name"])
    return found


def workers(up: Any, pool: str) -> list[psutil.Process]:
    """Return the worker of a pool."""
    return [one for one in psutil.Process(up.pid).children() if ["--pool", pool] == one.cmdline()[-4:-2]]


def test_the_promoters_worker_alone_promotes(
    start: Callable[..., Any], environ: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", LAID_OUT, tmp_path], cwd=ROOT, env=environ, check=True, capture_output=True)
    config = tmp_path / f"project/configs/models/{MODEL}.yaml"
    config.write_text(config.read_text().replace("policy: person", "policy: automatic\n  first_by_policy: true"))
    environ |= {
        "PLIMSOLL_DATA": str(tmp_path / "landing"),
        "PLIMSOLL_ROOT": str(tmp_path / "project"),
        "PLIMSOLL_PREFECT__PROMOTE_POOL": PROMOTERS,
        "PLIMSOLL_DISPATCH": "deployment",
        "MLFLOW_PROMOTER_USERNAME": "grace",
    }
    up = start(environ, "up", until=READY)
    plimsoll(environ, "train", MODEL)
    end = time.monotonic() + SECONDS
    while not (champion := json.loads(plimsoll(environ, "models", "--json"))[0].get("champion")):
        assert time.monotonic() < end, "nobody promoted it"
        time.sleep(2)
    assert champion == 1
    assert pools(environ) == {"train-model": {"plimsoll"}, "promote-model": {PROMOTERS}}
    logs = Path(environ["PLIMSOLL_HOME"]) / "logs"
    assert "promote-model" in (logs / "promoter.log").read_text()
    assert "promote-model" not in (logs / "worker.log").read_text()
    accounts = {one.environ().get("MLFLOW_TRACKING_USERNAME", "") for one in workers(up, PROMOTERS)}
    others = {one.environ().get("MLFLOW_TRACKING_USERNAME", "") for one in workers(up, "plimsoll")}
    assert (accounts, others) == ({"grace"}, {""}), "whoever trains has not the promoters' account"
    up.send_signal(signal.SIGINT)
    assert up.wait(STOP_SECONDS) == 0
