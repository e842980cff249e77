"""Process groups: noted by pid and start time, found again after a crash, ended with all that they started."""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from plimsoll.errors import ServerError
from tasks.this_process import identify, lives

GRACE_SECONDS = 15.0


class Terminated(SystemExit):
    """The end of this process, which a signal asked for; its code is 128 and the signal's number."""

    def __str__(self) -> str:
        return f"ended by {signal.Signals(int(str(self.code)) - 128).name}"


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM and a hang-up end the block as Ctrl-C does: by an exception, so that what was put up is put away.

    A second signal is not heard. In another thread than the main one, which alone may listen, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        raise Terminated(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_process(pid: int, grace_seconds: float = GRACE_SECONDS) -> None:
    """End a leader's runs, then its group: SIGTERM, and SIGKILL for what is left after the grace.

    Runs (descendants in groups of their own) go first, while their worker lives: a run that hears of its
    end tells the server that it crashed; one that is merely killed is shown as running for ever.
    """
    runs = [child for child in _descendants(pid) if _group(child.pid) != pid]
    _end(runs, grace_seconds)
    _end([p for p in psutil.process_iter() if _group(p.pid) == pid], grace_seconds)


def _end(processes: list[psutil.Process], grace_seconds: float) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for survivor in psutil.wait_procs(processes, timeout=grace_seconds)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()


def _descendants(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def stop_orphans(home: Path) -> list[str]:
    """Stop servers whose parent is gone and return their names; a reused pid is nobody's orphan."""
    stopped = []
    for note in sorted((home / "run").glob("*.json"), reverse=True):  # the worker's runs before the server they tell
        body = _read(note)
        if lives(body):
            stop_process(int(body["pid"]))
            stopped.append(note.stem)
        note.unlink(missing_ok=True)
    return stopped


def refuse_second(home: Path) -> None:
    """Raise ServerError when another process keeps this home's servers up."""
    for note in sorted((home / "run").glob("*.json")):
        body = _read(note)
        parent = body.get("parent") or {}
        if lives(body) and lives(parent):
            raise ServerError(
                f"Plimsoll is up already in {home} (process {parent['pid']}). Stop it with Ctrl-C in its terminal, "
                f"or: kill {parent['pid']}"
            )


def write_note(note: Path, pid: int) -> None:
    """Note a started process and its parent, this one."""
    note.write_text(json.dumps({**identify(pid), "parent": identify(os.getpid())}))


def _read(note: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(note.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
