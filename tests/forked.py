"""Work in a forked child, which may be killed: what it imports, its parent has imported once."""

import os
import signal
import time
from collections.abc import Callable


def in_child(work: Callable[[], object], kill_after: float = 0) -> int:
    """Do some work in a forked child and return 0, or the signal that killed it, or 99 after an error."""
    return ended(start(work), kill_after)


def start(work: Callable[[], object]) -> int:
    """Begin some work in a forked child and return its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(99)
        os._exit(0)
    return pid


def ended(pid: int, kill_after: float = 0) -> int:
    """Wait for a child, kill it after some seconds when asked, and return 0, its signal or its exit code."""
    began = time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else os.WTERMSIG(status)
        if time.monotonic() - began > (kill_after or 120):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
