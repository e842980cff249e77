"""The local servers: Prefect, its worker, MLflow and the reports, and what keeps all of them from calling home."""

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tasks import TELEMETRY_OFF
from tasks.processes import Server
from tasks.workspace import Workspace

LOOPBACK = "127.0.0.1"
DRAIN_SECONDS = 20.0
PROMOTER = {  # the account of the promoters' worker, and what MLflow reads
    "MLFLOW_PROMOTER_USERNAME": "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_PROMOTER_PASSWORD": "MLFLOW_TRACKING_PASSWORD",
}
QUIET_SECONDS = 1.5  # without a new row the recorder is done


def telemetry_off() -> dict[str, str]:
    """Return the environment that switches off every telemetry of Prefect, MLflow and Great Expectations."""
    return dict(TELEMETRY_OFF)


def quiet_console() -> dict[str, str]:
    """Return the environment that keeps Prefect's log lines out of the console; the API still gets them."""
    return {
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_CLI_WRAP_LINES": "false",
    }


def local_servers(workspace: Workspace) -> list[Server]:
    """Return the servers that this machine has to run; one that the platform config places elsewhere is left out."""
    servers = [] if workspace.platform.prefect.api_url else [prefect_server(workspace)]
    if not workspace.platform.mlflow.tracking_uri.startswith("http"):
        servers.append(mlflow_server(workspace))
    return [*servers, reports_server(workspace)]


def prefect_server(workspace: Workspace) -> Server:
    """Return the Prefect server on the configured host, port and database."""
    config = workspace.platform.prefect
    _make_folder_of(config.database_url)
    env = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": config.database_url,
        "PREFECT_SERVER_UI_API_URL": "/api",  # else the page calls port 4200 whatever the port is
        # leases in memory are forgotten with the server, and a killed run would hold its slot for ever
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_API_HOST": config.host,
        "PREFECT_SERVER_API_PORT": str(config.port),
    }
    return Server(
        name="prefect",
        title="The Prefect server",
        command=_python("prefect", "server", "start", "--host", config.host, "--port", str(config.port)),
        cwd=workspace.root,
        env={**_prefect_env(workspace), **env},
        host=config.host,
        port=config.port,
        port_variable="PLIMSOLL_PREFECT__PORT",
        health="/api/health",
    )


def prefect_workers(workspace: Workspace) -> list[Server]:
    """Return the worker that runs deployments, and one for those that promote where they have a pool of their own.

    That one alone has the promoters' account of MLflow: MLFLOW_PROMOTER_USERNAME and MLFLOW_PROMOTER_PASSWORD.
    """
    pool, *of_promoters = workspace.platform.prefect.pools
    mine = {read: os.environ[own] for own, read in PROMOTER.items() if os.environ.get(own)}
    hidden = dict.fromkeys(PROMOTER, "")  # a run has the environment of its worker
    first = _worker(workspace, "worker", "The Prefect worker", pool, hidden)
    theirs = [_worker(workspace, "promoter", "The promoters' worker", one, hidden | mine) for one in of_promoters]
    return [first, *theirs]


def _worker(workspace: Workspace, name: str, title: str, pool: str, env: Mapping[str, str]) -> Server:
    """Return a worker that runs the deployments of a pool as processes in the project folder."""
    return Server(
        name=name,
        title=title,
        # no --limit: with one the worker dies when a resume comes before the suspended process has gone
        command=_python("prefect", "worker", "start", "--pool", pool, "--type", "process"),
        cwd=workspace.root,
        env={**_prefect_env(workspace), "PREFECT_WORKER_QUERY_SECONDS": "2", **env},
        says="started!",
    )


def mlflow_server(workspace: Workspace) -> Server:
    """Return the MLflow server over the configured tracking store, for people to look at."""
    config = workspace.platform.mlflow
    _make_folder_of(config.tracking_uri)
    env = {
        "MLFLOW_BACKEND_STORE_URI": config.tracking_uri,  # not on the command line, where `ps` shows passwords
        "MLFLOW_ARTIFACTS_DESTINATION": config.artifacts,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes that nothing here uses
    }
    return Server(
        name="mlflow",
        title="The MLflow server",
        command=_python("mlflow", "server", "--host", LOOPBACK, "--port", str(config.port), "--workers", "1"),
        cwd=workspace.home,
        env={**telemetry_off(), **env},
        port=config.port,
        port_variable="PLIMSOLL_MLFLOW__PORT",
        health="/health",
    )


def reports_server(workspace: Workspace) -> Server:
    """Return the file server of the reports folder."""
    workspace.reports.mkdir(parents=True, exist_ok=True)
    port = workspace.platform.reports_port
    return Server(
        name="reports",
        title="The reports server",
        command=_python("http.server", str(port), "--bind", LOOPBACK, "--directory", str(workspace.reports)),
        cwd=workspace.reports,
        port=port,
        port_variable="PLIMSOLL_REPORTS_PORT",
        health="/",
    )


def drain(api_url: str, seconds: float = DRAIN_SECONDS) -> None:
    """Return once a Prefect server on SQLite has written what it was told: killed earlier, it would forget it."""
    end, seen, still_since = time.monotonic() + seconds, -1, time.monotonic()
    while time.monotonic() < end and time.monotonic() - still_since < QUIET_SECONDS:
        if (count := _task_runs_recorded(api_url)) != seen:
            seen, still_since = count, time.monotonic()
        time.sleep(0.25)


def _task_runs_recorded(api_url: str) -> int:
    import httpx

    with contextlib.suppress(httpx.HTTPError, ValueError):
        return int(httpx.post(f"{api_url}/task_runs/count", json={}, timeout=5, trust_env=False).json())
    return -1


def _prefect_env(workspace: Workspace) -> Mapping[str, str]:
    return {
        **telemetry_off(),
        "PREFECT_HOME": str(workspace.home / "prefect"),
        "PREFECT_API_URL": workspace.platform.api_url,
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_CLI_WRAP_LINES": "false",
    }


def _make_folder_of(database_url: str) -> None:
    scheme, _, path = database_url.partition(":///")
    if scheme.startswith("sqlite"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *words)
