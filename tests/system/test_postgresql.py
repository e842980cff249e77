"""The same commands on PostgreSQL: Prefect and MLflow keep their state in a real server."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.processes import free_port

BINARIES = Path("/usr/lib/postgresql/15/bin")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not BINARIES.is_dir(), reason="needs Debian's postgresql-15"),
]


def as_postgres(*words: str | Path) -> list[str]:
    """Return a command that runs as the user postgres when this is root, whom PostgreSQL refuses."""
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return [*drop, *map(str, words)]


@pytest.fixture
def database(postgres_folder: Path) -> Iterator[str]:
    """A PostgreSQL server with the databases prefect and mlflow; its address."""
    folder, port = postgres_folder, free_port()
    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.check_call(as_postgres(BINARIES / "initdb", "-D", data, "-A", "trust", "-U", "postgres"), **quiet)
    subprocess.check_call(
        as_postgres(BINARIES / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"), **quiet
    )
    address = f"postgres@127.0.0.1:{port}"
    for name in ("prefect", "mlflow"):
        subprocess.check_call(
            as_postgres(BINARIES / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", name), **quiet
        )
    yield address
    subprocess.check_call(as_postgres(BINARIES / "pg_ctl", "-D", data, "-m", "immediate", "stop"), **quiet)


def test_up_runs_on_postgresql(start: Callable[..., Any], environ: dict[str, str], database: str) -> None:
    environ |= {
        "PLIMSOLL_PREFECT__DATABASE_URL": f"postgresql+asyncpg://{database}/prefect",
        "PLIMSOLL_MLFLOW__TRACKING_URI": f"postgresql+psycopg2://{database}/mlflow",
    }
    up = start(environ, "up", until="deployments are up")
    api = f"http://127.0.0.1:{environ['PLIMSOLL_PREFECT__PORT']}/api"
    found = httpx.get(f"{api}/deployments/name/score-batch/flight_delay", timeout=20).raise_for_status().json()
    assert found["schedules"]
    assert httpx.get(f"http://127.0.0.1:{environ['PLIMSOLL_MLFLOW__PORT']}/health", timeout=20).status_code == 200
    assert not list((Path(environ["PLIMSOLL_HOME"])).rglob("*.db")), "something still writes to SQLite"
    up.send_signal(signal.SIGINT)
    assert up.wait(90) == 0
