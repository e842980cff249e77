"""Fresh processes: what is measured in one shares no imports, caches, threads or memory with anything before it."""

import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from tasks import TELEMETRY_OFF

P = ParamSpec("P")
T = TypeVar("T")
ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("plimsoll")


def in_child(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a module-level function returns in a new interpreter; its exceptions come back too."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def run_command(*words: str) -> tuple[float, str]:
    """Run `plimsoll …` as a person would; return its seconds and what it printed. Raises when it fails."""
    begun = time.perf_counter()
    done = subprocess.run([str(COMMAND), *words], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"plimsoll {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return seconds, done.stdout


def peak_rss_mib() -> float:
    """Return the most memory this process has held (MiB); getrusage would count its parent's, from before exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, telemetry off among them, for children started inside the block."""
    before = dict(os.environ)
    os.environ.update({**TELEMETRY_OFF, **variables})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long one call takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def median_ms(action: Callable[[], object], times: int) -> float:
    """Return the median milliseconds of a call, after one that is not counted."""
    action()
    return statistics.median(seconds_of(action) for _ in range(times)) * 1000
