"""Command line

`plimsoll --help` in a new process, the median of seven; one run before them is not counted.
"""

import statistics
from collections.abc import Iterator

from benchmarks.children import run_command
from benchmarks.figures import Figure, at_most

GOAL_SECONDS = 0.5


def measure(full: bool) -> Iterator[Figure]:
    """Yield the seconds until `plimsoll --help` has answered."""
    run_command("--help")
    times = [run_command("--help")[0] for _ in range(21 if full else 7)]
    yield at_most("plimsoll --help", statistics.median(times), "s", GOAL_SECONDS)
