"""Validation

The suite of flight_delay, 38 expectations, over assembled flights in one parquet file: two million, twenty million with
`--full`. Great Expectations on DuckDB as a batch is judged, against the same checks written in SQL by hand: one query
for all counts, minima, maxima and means, one for unique keys, one for the keys of the few rows that break a range, on
the same DuckDB with the same memory. Both take turns in one process after a warm-up; the ratio is the median over
pairs. Peak memory is that of a fresh process that judges the file once, imports included.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.children import ROOT, in_child, peak_rss_mib, seconds_of
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL, lay_out
from plimsoll.assembly import KEY

ROWS, FULL_ROWS = 2_000_000, 20_000_000
GROUP = 250_000
SUITE = ROOT / f"great_expectations/expectations/{MODEL}.json"
BETWEEN = "expect_column_values_to_be_between"
COUNTS = {  # an expectation, and what a person would write to count what breaks it
    "expect_column_values_to_not_be_null": "count(*) FILTER ({column} IS NULL)",
    "expect_column_values_to_be_in_set": "count(*) FILTER ({column} NOT IN ({set}))",
    "expect_column_values_to_match_regex": "count(*) FILTER (NOT regexp_matches({column}, '{regex}'))",
    BETWEEN: "count(*) FILTER ({column} < {low} OR {column} > {high})",
    "expect_column_unique_value_count_to_be_between": "count(DISTINCT {column})",
    "expect_column_min_to_be_between": "min({column})",
    "expect_column_max_to_be_between": "max({column})",
    "expect_column_mean_to_be_between": "avg({column})",
    "expect_table_row_count_to_be_between": "count(*)",
    "expect_column_pair_values_a_to_be_greater_than_b": "count(*) FILTER ({a} <= {b})",
    "unexpected_rows_expectation": "count(*) FILTER {filter}",
}


def measure(full: bool) -> Iterator[Figure]:
    """Yield how much longer the suite takes than its checks by hand, and its memory."""
    peaks = []
    for rows in [ROWS, FULL_ROWS] if full else [ROWS]:
        size = f"{rows // 10**6} M rows"
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "rows.parquet"
            in_child(write_rows, path, rows)
            pairs = in_child(take_turns, path, 5)
            suite, hand = (statistics.median(side) for side in zip(*pairs, strict=True))
            yield at_most(f"{size}: the suite against its checks by hand", suite / hand, "×", 1.3)
            yield plain(f"{size}: the suite", suite, "s")
            yield plain(f"{size}: by hand", hand, "s")
            peaks.append(in_child(judge_once, path))
            yield plain(f"{size}: peak memory of a process that judges", peaks[-1], "MiB")
    if full:
        yield at_most("peak memory of 20 M rows", peaks[1] / peaks[0], "× that of 2 M", 1.15)


def write_rows(path: Path, rows: int) -> None:
    """Write so many assembled flights, the year again and again with keys of their own."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as name:
        year = lay_out(Path(name) / "landing").rows
    schema = pa.Schema.from_pandas(year, preserve_index=False).remove_metadata()
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for start in range(0, rows, GROUP):
            numbers = np.arange(start, min(start + GROUP, rows))
            part = year.iloc[numbers % len(year)]
            for key in (KEY, "flight_id"):
                part = part.assign(**{key: part[key].to_numpy() + "#" + numbers.astype(str)})
            writer.write_table(pa.Table.from_pandas(part, schema, preserve_index=False))


def take_turns(path: Path, times: int) -> list[tuple[float, float]]:
    """Return (suite, by hand) seconds, each going first in turn."""
    with tempfile.TemporaryDirectory() as scratch:
        ways = (partial(judge, path, Path(scratch)), partial(check_by_hand, path, Path(scratch)))
        pairs = []
        for n in range(-1, times):
            taken = dict.fromkeys(ways, 0.0)
            for way in ways[:: 1 if n % 2 else -1]:
                taken[way] = seconds_of(way)
            pairs.append((taken[ways[0]], taken[ways[1]]))
        return pairs[1:]


def judge_once(path: Path) -> float:
    """Return the peak memory of a process that judged the file."""
    with tempfile.TemporaryDirectory() as scratch:
        judge(path, Path(scratch))
    return peak_rss_mib()


def judge(path: Path, scratch: Path) -> Any:
    """Judge the file as a batch is judged."""
    from tasks.duck_engine import held_batch
    from tasks.expectations import _suite
    from tasks.suite_run import run_suite

    with held_batch(path, scratch) as batch:
        return run_suite(_suite(str(ROOT), MODEL, "", ("flight_id",)), batch)


def check_by_hand(path: Path, scratch: Path) -> list[Any]:
    """Count the same in two queries, and name the rows that break a range in a third."""
    import duckdb

    from tasks.duck_engine import MEMORY

    asked = [(one["type"], one["kwargs"]) for one in json.loads(SUITE.read_text())["expectations"]]
    counted = [(kind, kwargs) for kind, kwargs in asked if kind in COUNTS]
    [unique] = [kwargs["column"] for kind, kwargs in asked if kind not in COUNTS]
    with duckdb.connect() as database:
        database.execute(f"SET memory_limit = '{MEMORY}'")
        database.execute(f"SET temp_directory = '{scratch}'")
        rows = f"read_parquet('{path}')"
        [found] = database.execute(f"SELECT {', '.join(_count(*one) for one in counted)} FROM {rows}").fetchall()  # noqa: S608
        twice = f"SELECT {unique} FROM {rows} GROUP BY 1 HAVING count(*) > 1"  # noqa: S608
        shared = database.execute(f"SELECT count(*) FROM ({twice})").fetchall()  # noqa: S608
        broken = [kwargs for (kind, kwargs), count in zip(counted, found, strict=True) if kind == BETWEEN and count]
        outside = " OR ".join("{column} < {min_value} OR {column} > {max_value}".format(**one) for one in broken)
        return [found, shared, database.execute(f"SELECT {KEY} FROM {rows} WHERE {outside}").fetchall()]  # noqa: S608


def _count(kind: str, kwargs: dict[str, Any]) -> str:
    words = {
        "column": kwargs.get("column", ""),
        "a": kwargs.get("column_A", ""),
        "b": kwargs.get("column_B", ""),
        "set": ", ".join(f"'{word}'" for word in kwargs.get("value_set", [])),
        "regex": kwargs.get("regex", ""),
        "filter": kwargs.get("unexpected_rows_query", "").partition("FILTER ")[2].partition(" / nullif")[0],
        "low": kwargs.get("min_value", "-1e300"),
        "high": kwargs.get("max_value", "1e300"),
    }
    return COUNTS[kind].format(**words)
