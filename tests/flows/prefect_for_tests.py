"""A short-lived Prefect server on a database of its own, one for each process of a test run.

Like Prefect's own `prefect_test_harness`, but beside the process, not imported into it. Not one server for all: in
every place deployments and requests have the names of the same models, so tests would answer each other's forms.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.processes import free_port

STARTUP_SECONDS = 240
APP = ("--factory", "prefect.server.api.server:create_app", "--lifespan", "on", "--log-level", "error")
QUIET = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


@contextmanager
def prefect_for_tests(folder: Path) -> Iterator[str]:
    """Start a server with its database in a folder, hand over the address of its API, and stop it."""
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", *APP, "--host", "127.0.0.1", "--port", str(port)]
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db"}
    server = subprocess.Popen(words, env={**os.environ, **QUIET, **database})
    try:
        wait_for(api_url := f"http://127.0.0.1:{port}/api")
        with used_here(api_url):
            yield api_url
    finally:
        server.terminate()
        server.wait(30)


def wait_for(api_url: str) -> None:
    """Return once the server answers."""
    import httpx

    end = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < end:
        try:
            if httpx.get(f"{api_url}/health", timeout=10).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise TimeoutError(f"Prefect at {api_url} did not answer within {STARTUP_SECONDS} seconds.")


@contextmanager
def used_here(api_url: str) -> Iterator[None]:
    """Point Prefect at the server, in threads too, and let it have all logs and events before it goes."""
    from prefect import context
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: api_url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        context._temporary_global_settings_context(context.get_settings_context()),
    ):
        yield
        APILogWorker.instance().drain()
        EventsWorker.drain_all()
