"""The worker processes of a backtest, which end with the process that started them."""

import os
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any

from plimsoll.errors import PlimsollError
from tasks.process_engine import SPAWN, sit_down


def result_of(future: Future[Any]) -> Any:
    """Return what a worker returned; PlimsollError when its process was killed."""
    try:
        return future.result()
    except BrokenProcessPool:
        raise PlimsollError(
            "A process of the backtest was killed. Most often memory ran out: see the system's log. What was made is "
            "kept: run the same command again, and it goes on from there."
        ) from None


class Crew:
    """Processes that end with this one, however it ends; each uses its share of the cores."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        end, self._line = SPAWN.Pipe(duplex=False)
        threads = max(1, (os.cpu_count() or 1) // processes)
        self.pool = ProcessPoolExecutor(processes, SPAWN, sit_down, (end, threads))

    def __enter__(self) -> "Crew":
        """Return itself; no process has started yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the processes; after an error without waiting for what they do."""
        if kind:
            self._line.close()
        self.pool.shutdown(wait=not kind, cancel_futures=True)
        self._line.close()
