"""Trace

`plimsoll trace KEY` on a table of generated predictions, 100,000 a day by one version, sorted and compacted by
`compact_predictions`; `--full` makes it 100 million over 1,000 days. The traced key is of a real batch of 100,000
flights, and its model was trained on the demo's winter; the ledger has two entries for each day. Everything of a trace
is measured: find the row, read ledger and run records, assemble the row from its snapshot, SHAP, outcome. Warm is the
median of later traces in one process, cold a whole `plimsoll trace` in a new one. With **dated keys** a file's first
and last key say which file holds a key; with **random keys** the key index does.
"""

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.children import environment, in_child, median_ms, run_command, seconds_of
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL, Flights, lay_out, open_bundle, train_on_winter
from benchmarks.predictions import DAY_ROWS, SHAPES, add_days
from benchmarks.trace_place import NIGHT, copy_project, write_night

GOAL_MS = 300
DAYS, FULL_DAYS = 50, 1000


def measure(full: bool) -> Iterator[Figure]:
    """Yield warm and cold milliseconds of a trace for both shapes of keys, and what the layout costs."""
    days = FULL_DAYS if full else DAYS
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as name:
            places = {place: str(Path(name) / place.lower()) for place in ("HOME", "DATA", "ROOT")}
            with environment({f"PLIMSOLL_{place}": path for place, path in places.items()}):
                yield from told(f"{days * DAY_ROWS // 10**6}M, {shape}", in_child(prepare, Path(name), days, shape))


def told(what: str, laid: dict[str, Any]) -> Iterator[Figure]:
    """Yield the figures of one table."""
    key = laid["key"]
    warm = in_child(trace_warm, key)
    yield at_most(f"{what}: warm with --date", warm["dated"], "ms", GOAL_MS)
    yield at_most(f"{what}: warm without --date", warm["undated"], "ms", GOAL_MS)
    yield plain(f"{what}: warm, of it finding the row", warm["lookup"], "ms")
    yield plain(f"{what}: first trace in a process", warm["first"], "ms")
    cold = statistics.median(run_command("trace", key, "--json")[0] for _ in range(3))
    yield plain(f"{what}: cold, the whole command", 1000 * cold, "ms")
    yield plain(f"{what}: compaction", laid["compaction"], "s")
    yield plain(f"{what}: table", laid["table_mib"], "MiB")
    yield plain(f"{what}: key index", laid["index_mib"], "MiB")


def prepare(folder: Path, days: int, shape: str) -> dict[str, Any]:
    """Train, score one real night, add generated days, compact; return a key of the night and what it cost."""
    from benchmarks.trace_place import fill_ledger, score_night
    from tasks.delta_layout import compact_predictions
    from tasks.workspace import open_workspace

    copy_project(folder)
    flights: Flights = lay_out(folder / "data")
    bundle = open_bundle(train_on_winter(flights, folder))
    write_night(flights, folder)
    workspace = open_workspace()
    key = score_night(workspace, bundle)
    fill_ledger(workspace, days)
    add_days(workspace, MODEL, days, shape)
    seconds = seconds_of(partial(compact_predictions, workspace, retention_hours=0))
    table = Path(workspace.platform.predictions.url)
    sizes = {path: path.stat().st_size / 2**20 for path in table.rglob("*.parquet")}
    index = sum(size for path, size in sizes.items() if path.parent.name == "_key_index")
    return {"key": key, "compaction": seconds, "table_mib": sum(sizes.values()) - index, "index_mib": index}


def trace_warm(key: str) -> dict[str, float]:
    """Return milliseconds of traces in this process: the first, and medians of later ones."""
    from tasks.key_lookup import find_key
    from tasks.trace import trace_prediction
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    first = seconds_of(partial(trace_prediction, workspace, key))
    return {
        "first": 1000 * first,
        "dated": median_ms(partial(trace_prediction, workspace, key, NIGHT), 15),
        "undated": median_ms(partial(trace_prediction, workspace, key), 15),
        "lookup": median_ms(partial(find_key, workspace, key), 15),
    }
