"""A real Dask cluster for a test: a scheduler and workers as processes of their own, gone after it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tasks.processes import free_port

ROOT = Path(__file__).parents[1]
START_SECONDS = 200
HERE = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """Yield the address of a scheduler."""
    port = free_port()
    with _running(folder / "scheduler.log", "scheduler", "--port", str(port), until="Scheduler at:"):
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def workers(folder: Path, address: str, count: int, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield the process that keeps so many workers, once the first one is registered."""
    words = ("worker", address, "--nworkers", str(count), "--nthreads", "1", "--preload", "tasks.dask_worker")
    where = ("--local-directory", str(folder / "dask"))
    log = folder / f"workers-{len(list(folder.glob('workers-*')))}.log"
    with _running(log, *words, *where, until="Registered to:", **variables) as process:
        yield process


def workers_of(keeper: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Return the processes that score, of those that a process keeps; the tracker of semaphores is none."""
    family = psutil.Process(keeper.pid).children(recursive=True)
    return [one for one in family if "spawn_main" in " ".join(one.cmdline())]


@contextmanager
def _running(log: Path, *words: str, until: str, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "dask", *words, *HERE]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stdout=stream, stderr=stream)
    end = time.monotonic() + START_SECONDS
    try:
        while until not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < end, log.read_text(errors="replace")
            time.sleep(0.1)
        yield process
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        for one in family:
            one.kill()
        process.wait()
