"""Memory of scoring

The full path of the page on scoring, `score_date` with everything it does, over nights of two million and of twenty
million rows; of two million and a hundred million with `--full`. Each in a process of its own. Peak memory is of the
whole process, of which what is imported takes about half.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.children import in_child
from benchmarks.figures import Figure, at_most, plain
from benchmarks.scoring import FULL_ROWS, ROWS, run_full_path
from benchmarks.scoring_place import MOST_ROWS, prepare, write_night


def measure(full: bool) -> Iterator[Figure]:
    """Yield peak memory and rows per second of a small and a large night."""
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare, folder, ROWS)
        for rows in (ROWS, MOST_ROWS if full else FULL_ROWS):
            in_child(write_night, folder, rows)
            measured = run_full_path(folder)
            peaks.append(measured["peak_rss_mib"])
            yield at_most(f"{rows // 10**6} M rows: peak memory", peaks[-1], "MiB", 1024)
            yield plain(f"{rows // 10**6} M rows", rows / measured["seconds"], "per s")
    yield at_most("the larger night's peak memory", peaks[1] / peaks[0], "× the smaller one's", 1.15)
