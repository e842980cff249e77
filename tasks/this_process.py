"""What tells a process from every other, and whether the one that was noted still runs: its id and when it started.

An id alone may be given anew. A process is noted as JSON, or by a name with its host, for what other hosts may read.
"""

import os
import socket
from collections.abc import Mapping

import psutil

SAME_START_SECONDS = 0.01
NAMED_SECONDS = 1  # a name holds whole seconds


def identify(pid: int) -> dict[str, float]:
    """Return what tells a process of this host from every other: its pid and when it started."""
    return {"pid": pid, "create_time": psutil.Process(pid).create_time()}


def lives(identity: Mapping[str, float], within_seconds: float = SAME_START_SECONDS) -> bool:
    """Return whether the very process that was noted runs still: pid and start time agree, and it is no zombie."""
    try:
        process = psutil.Process(int(identity["pid"]))
        same = abs(process.create_time() - identity["create_time"]) <= within_seconds
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, KeyError, TypeError, ValueError):
        return False


def process_name() -> str:
    """Return the name of this process: host, pid and the second in which it started."""
    mine = identify(os.getpid())
    return f"{socket.gethostname()}-{mine['pid']}-{int(mine['create_time'])}"


def is_dead(name: str) -> bool:
    """Return whether a named process of this host is no more; of other hosts nothing is known."""
    host, *numbers = name.rsplit("-", 2)
    if host != socket.gethostname() or len(numbers) != 2 or not all(part.isdigit() for part in numbers):
        return False
    pid, began = map(int, numbers)
    return not lives({"pid": pid, "create_time": began + NAMED_SECONDS / 2}, 1.5 * NAMED_SECONDS)
