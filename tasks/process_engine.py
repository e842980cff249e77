"""Dates scored by processes of this machine: a process that is killed is replaced, and its own date alone is redone."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue

from plimsoll.errors import PlimsollError
from tasks.partition import Job, Part, refused, score_partition

TRIES = 3  # of one date, each in a process that was not there before
SPAWN = multiprocessing.get_context("spawn")  # a fork would take along the threads' locks, but not the threads


def on_processes(jobs: Sequence[Job], processes: int) -> Iterator[Part]:
    """Score jobs in so many processes at once, and yield what became of each as it comes.

    When the block that takes them ends early, or this process does, the others end with it.
    """
    count, over = min(processes, len(jobs)), threading.Event()
    end, line = SPAWN.Pipe(duplex=False)
    seats = [Seat(end, max(1, (os.cpu_count() or 1) // count), over) for _ in range(count)]
    free: SimpleQueue[Seat] = SimpleQueue()
    for seat in seats:
        free.put(seat)
    with ThreadPoolExecutor(count) as threads:
        coming = [threads.submit(_score_on, free, job) for job in jobs]
        try:
            for future in as_completed(coming):
                yield future.result()
        finally:
            over.set()
            for future in coming:
                future.cancel()
            if not all(future.done() for future in coming):
                line.close()  # whoever still works, ends
            for seat in seats:
                seat.leave()
            line.close()


def _score_on(free: "SimpleQueue[Seat]", job: Job) -> Part:
    seat = free.get()
    try:
        return seat.score(job)
    finally:
        free.put(seat)


class Seat:
    """A place for one process. A pool of one: where several share a pool, the end of one is the end of all."""

    def __init__(self, end: Connection, threads: int, over: threading.Event) -> None:
        self._given, self._over, self._one = (end, threads), over, threading.Lock()
        self._pool = ProcessPoolExecutor(1, SPAWN, sit_down, self._given)

    def score(self, job: Job) -> Part:
        """Score a date, each time in a new process when the one before was killed; a refusal after the last time."""
        for _ in range(TRIES):
            try:
                return self._pool.submit(score_partition, job).result()
            except BrokenProcessPool:
                with self._one:  # a pool that two threads shut down closes its pipes twice
                    if self._over.is_set():
                        raise
                    self._pool.shutdown()
                    self._pool = ProcessPoolExecutor(1, SPAWN, sit_down, self._given)
        return refused(job.date, PlimsollError(killed(job.date, TRIES)))

    def leave(self) -> None:
        """Give the seat up, and return when its process has ended."""
        with self._one:
            self._pool.shutdown(cancel_futures=True)


def killed(date: str, times: int) -> str:
    """Return the sentence about a date that no process has survived."""
    return (
        f"{date} was not scored: the process that scored it was killed {times} times, each time a new one. Most often "
        "memory ran out: see the system's log. Other dates are not held up; when it is mended, score this one again."
    )


def sit_down(end: Connection, threads: int) -> None:
    """Make a new process leave Ctrl-C to its parent, end with it, and use its share of the cores."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(end,), daemon=True).start()
    os.environ.setdefault("OMP_THREAD_LIMIT", str(threads))  # read when XGBoost loads; its bytes do not depend on it


def _end_with_parent(end: Connection) -> None:
    with suppress(EOFError, OSError):
        end.recv()
    os._exit(1)
