"""Real servers on free ports in a home of their own; whatever a test leaves running is killed after it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.processes import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 240
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
Start = Callable[..., "subprocess.Popen[str]"]


def clean_environ() -> dict[str, str]:
    """Return this environment without anything that would lead to another installation."""
    names = ("PLIMSOLL_PREFECT__PORT", "PLIMSOLL_MLFLOW__PORT", "PLIMSOLL_REPORTS_PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PLIMSOLL_", "PREFECT_"))}
    return {**kept, **{name: str(free_port()) for name in names}}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a home in the test's own folder."""
    return {**clean_environ(), "PLIMSOLL_HOME": str(tmp_path / "home")}


@pytest.fixture(scope="module")
def demo_environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of one home that the tests of a module share."""
    return {**clean_environ(), "PLIMSOLL_HOME": str(tmp_path_factory.mktemp("demo") / "home")}


@pytest.fixture(scope="module")
def postgres_folder() -> Iterator[Path]:
    """A folder of the user postgres where this is root, not among pytest's: each start of pytest closes those."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-postgresql-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, "postgres", "postgres")
        yield Path(name)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command and return once its output holds some words."""
    started: list[subprocess.Popen[str]] = []

    def run(environ: dict[str, str], *words: str, until: str) -> "subprocess.Popen[str]":
        out = output_of(environ, words[0])
        with out.open("w") as stream:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("plimsoll"), *words],
                cwd=ROOT,
                env=environ,
                stdout=stream,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        started.append(process)
        end = time.monotonic() + START_SECONDS
        while until not in out.read_text():
            assert process.poll() is None, out.read_text()
            assert time.monotonic() < end, out.read_text()
            time.sleep(0.2)
        return process

    yield run
    for process in started:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in family:
            one.kill()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a screen."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


def output_of(environ: dict[str, str], command: str) -> Path:
    """Return the file that a started command writes to."""
    return Path(environ["PLIMSOLL_HOME"]).with_name(f"{command}.txt")
