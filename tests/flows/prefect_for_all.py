"""One short-lived Prefect server on a database of its own, for all processes of a test run.

Like Prefect's own `prefect_test_harness`, which starts one per process and imports the whole server into each.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.processes import free_port
from tests.flows.made_once import Common

STARTUP_SECONDS = 240
APP = ("--factory", "prefect.server.api.server:create_app", "--lifespan", "on", "--log-level", "error")
QUIET = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


@contextmanager
def prefect_for_all(common: Common) -> Iterator[str]:
    """Hand over the address of the server's API; the first to come starts it, and stops it when all have left."""
    address, mine = common.folder / "prefect.address", None
    try:
        with common.locked("prefect users", fcntl.LOCK_SH):
            with common.locked("prefect"):
                if not address.exists():
                    port = free_port()
                    mine = start(common, port)
                    address.write_text(f"http://127.0.0.1:{port}/api")
            wait_for(api_url := address.read_text())
            with used_here(api_url):
                yield api_url
    finally:
        if mine:
            with common.locked("prefect users"):
                address.unlink()
                mine.terminate()
                mine.wait(30)


def start(common: Common, port: int) -> "subprocess.Popen[bytes]":
    """Start the server, with its database in the common folder."""
    words = [sys.executable, "-m", "uvicorn", *APP, "--host", "127.0.0.1", "--port", str(port)]
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{common.folder}/prefect.db"}
    return subprocess.Popen(words, env={**os.environ, **QUIET, **database})


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
