"""How runs and the sweep of orphans keep out of each other's way, without a lock that can be left behind.

A run may use an object that is there already without writing it again, so its age proves nothing. Therefore: the
sweep leaves a mark and then looks for runs under way; a run writes the start of its record and then looks for marks.
Whoever comes second sees the other. The sweep gives way to a run; a run waits for a sweep, two minutes at most, since
a mark that was never ended runs out.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from plimsoll.archive import Archive, get_sealed, put_sealed

MARKS = "sweeps/"
LEASE_SECONDS = 120.0
MARGIN_SECONDS = 20.0  # by which two machines' clocks may differ
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Sweep:
    """One mark: while it lasts no run gets past its start."""

    number: int
    until: float  # seconds since 1970

    @property
    def lasts(self) -> bool:
        """Whether something may still be removed under this mark."""
        return time.time() < self.until - MARGIN_SECONDS


def await_sweep(archive: Archive) -> int:
    """Return the number of the last sweep, 0 before the first, once it has ended or its mark has run out."""
    while True:
        numbers = _numbers(archive)
        last = max(numbers, default=0)
        if not last or numbers[last] or _has_run_out(archive, last):
            return last
        time.sleep(POLL_SECONDS)


@contextmanager
def sweeping(archive: Archive, run_id: str) -> Iterator[Sweep | None]:
    """Hold every new run at its start while the block runs; None when another sweep was faster."""
    number = await_sweep(archive) + 1
    until = time.time() + LEASE_SECONDS
    if not put_sealed(archive, _key(number), {"run": run_id, "until": until}):
        yield None
        return
    try:
        yield Sweep(number, until)
    finally:
        put_sealed(archive, _end(number), {"run": run_id})
        _forget(archive, number)


def _numbers(archive: Archive) -> dict[int, bool]:
    """Return the sweeps that have a mark, and whether each has ended."""
    keys = list(archive.store.keys(MARKS))
    marks = {int(key.removeprefix(MARKS)[:8]) for key in keys if not key.endswith(".end.json")}
    return {number: _end(number) in keys for number in marks}


def _has_run_out(archive: Archive, number: int) -> bool:
    body = get_sealed(archive, _key(number))
    return body is None or time.time() > float(body["until"]) + MARGIN_SECONDS


def _forget(archive: Archive, last: int) -> None:
    """Remove the marks before the last one, which alone is asked for; the end after its beginning."""
    for number in sorted(_numbers(archive)):
        if number < last:
            archive.store.delete(_key(number))
            archive.store.delete(_end(number))


def _key(number: int) -> str:
    return f"{MARKS}{number:08d}.json"


def _end(number: int) -> str:
    return f"{MARKS}{number:08d}.end.json"
