"""`plimsoll up --dask 2` for real: a run of the Prefect worker scores on the cluster, and a signal leaves nothing."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tasks.processes import free_port
from tests.scoring_faults import DATES
from tests.scoring_kills import MODEL

ROOT = Path(__file__).parents[2]
READY = "deployments are up"
STOP_SECONDS = 90
pytestmark = pytest.mark.timeout(900)


def place(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """Return the variables of a home with a champion and three dates that landed."""
    made = "import sys, pathlib; from tests.scoring_faults import prepare; prepare(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", made, folder], cwd=ROOT, env=environ, check=True, capture_output=True)
    places = {"HOME": "home", "DATA": "landing", "ROOT": "project"}
    here = {f"PLIMSOLL_{name}": str(folder / part) for name, part in places.items()}
    return {**environ, **here, "PLIMSOLL_DASK__PORT": str(free_port())}


def test_a_deployment_scores_on_the_cluster_and_ctrl_c_leaves_nothing(
    start: Callable[..., Any], environ: dict[str, str], tmp_path: Path
) -> None:
    environ = place(tmp_path, environ)
    up = start(environ, "up", "--dask", "2", until=READY)
    score = ("score", MODEL, "--date", DATES[0], "--to", DATES[2], "--as-of", DATES[2])
    scored = subprocess.run(
        [Path(sys.executable).with_name("plimsoll"), *score],
        env={**environ, "PLIMSOLL_DISPATCH": "deployment"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert "3 batches" in scored.stdout
    log = Path(environ["PLIMSOLL_HOME"]) / "logs/dask-workers.log"
    assert "Run out-of-band function 'objection'" in log.read_text(errors="replace"), "the cluster was asked to score"
    listening = {c.laddr.ip for p in family_of(up) for c in p.net_connections("tcp") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}

    family = family_of(up)
    up.send_signal(signal.SIGINT)
    assert up.wait(STOP_SECONDS) == 0
    assert not [process for process in family if process.is_running()]


def test_workers_that_outlived_a_killed_up_are_stopped_by_the_next(
    start: Callable[..., Any], environ: dict[str, str], tmp_path: Path
) -> None:
    environ = place(tmp_path, environ)
    up = start(environ, "up", "--dask", "1", until=READY)
    orphans = family_of(up)
    up.kill()
    up.wait()
    again = start(environ, "up", until=READY)
    assert not [process for process in orphans if process.is_running()]
    api = f"http://127.0.0.1:{environ['PLIMSOLL_PREFECT__PORT']}/api/deployments/name/score-batch/{MODEL}"
    assert "PLIMSOLL_ENGINE" not in httpx.get(api).json()["job_variables"]["env"], "it scores here again"
    again.send_signal(signal.SIGTERM)
    assert again.wait(STOP_SECONDS) == 0


def family_of(up: Any) -> list[psutil.Process]:
    """Return all processes that a command has started."""
    return psutil.Process(up.pid).children(recursive=True)
