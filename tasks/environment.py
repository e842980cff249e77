"""The interpreter, the lock and the machine that a run has."""

import os
import platform
import sys
from functools import cache
from pathlib import Path

from plimsoll.digest import sha256_file
from plimsoll.errors import ConfigError
from plimsoll.run_record import Environment

LOCK = "requirements.lock"


def read_environment(root: Path) -> Environment:
    """Return lock digest, Python, platform, CPU model and cores; ConfigError when the lock is gone."""
    lock = root / LOCK
    if not lock.is_file():
        raise ConfigError(
            f"Expected {LOCK} in {root}, found none: no run can prove its environment. Restore it from git."
        )
    python = f"{platform.python_implementation()} {sys.version.split()[0]}"
    return Environment(sha256_file(lock), python, platform.platform(), _cpu(), os.cpu_count() or 1)


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
