"""Scoring

Two million flights on two threads, twenty million too with `--full`. The **raw loop** reads part after part of 250,000
rows, key and 17 float32 columns, with pyarrow, fills a matrix, calls `inplace_predict` and writes key and score as
parquet. It is handed what only an encoder can make: its categories are codes already. The **bundle** reads the same
parts with their categories as words, and encodes, predicts and writes. The **full path** is `score_date` on one night's
raw export, one file, with its two lookups: keep the bytes by digest, join, build features, validate with Great
Expectations on DuckDB, score, profile, stage, commit to Delta, read it back for its digest, and enter it all in the
ledger; a few of the rows break a rule of the suite and are set aside.

A ratio is the raw loop's seconds over the path's: 1 is as fast as the raw loop. Raw loop and bundle take turns on
parts, since a neighbour can slow whole minutes threefold; the ratio is the median over pairs, shown with the quartiles.
The full path's ratio is against the mean of a raw loop before and one after it. Every path runs in a fresh process
that a small batch has warmed up; the first such run of a process pays for its imports, which are not counted.

**Profiling** is the profile of the features and the sketch of the scores. It runs in a thread beside the prediction of
the next chunk. Its share is of processor seconds, its thread's of those of the whole process, since by the clock a
thread also waits for a core.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.children import environment, in_child, peak_rss_mib, seconds_of
from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.flights import MODEL, open_bundle
from benchmarks.scoring_place import NIGHT, PART_ROWS, WARM_NIGHT, bundle_folder, prepare, write_night
from plimsoll.assembly import KEY

ROWS, FULL_ROWS = 2_000_000, 20_000_000
STAGES = {  # what score_date calls, by the name it knows it under, and what a reader calls it
    "tasks.night.keep_snapshot": "keep the export by digest",
    "tasks.assemble.assemble_rows": "read, join lookups, build features",
    "tasks.assemble.judge_rows": "validate",
    "tasks.score_date.score_chunks": "encode, predict, profile, write part files",
    "plimsoll.scoring.profile_batch": "profile of the features (within the line above)",
    "plimsoll.scoring.sketch_scores": "sketch of the scores (within it too)",
    "tasks.score_date.commit_batch": "commit to Delta",
    "tasks.score_date.rows_digest": "digest of the scores as they lie there",
}
SCORED, PROFILED = "tasks.score_date.score_chunks", ("plimsoll.scoring.profile_batch", "plimsoll.scoring.sketch_scores")
Scorer = Callable[[int], None]  # runs over the part of that number
Measured = dict[str, Any]  # seconds, peak_rss_mib, and stages where there are some


def measure(full: bool) -> Iterator[Figure]:
    """Yield ratios to the raw loop, rows per second and peak memory, and the stages of the full path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare, folder, FULL_ROWS if full else ROWS)
        yield from told_pairs(in_child(take_turns, folder, 4))
        for rows, times in [(ROWS, 5), (FULL_ROWS, 1)] if full else [(ROWS, 5)]:
            in_child(write_night, folder, rows)
            yield from told_rounds(rows, [run_round(folder, rows) for _ in range(times)])


def told_rounds(rows: int, rounds: list[dict[str, list[Measured]]]) -> Iterator[Figure]:
    """Yield the figures of one size."""
    size = f"{rows // 10**6} M rows"
    ratios = [
        statistics.fmean(r["seconds"] for r in one["raw loop"]) / one["full path"][0]["seconds"] for one in rounds
    ]
    yield at_least(f"{size}: full path against the raw loop", statistics.median(ratios), "×", 0.6)
    night = statistics.median(one["full path"][0]["seconds"] for one in rounds)
    yield plain(f"{size}, full path: rows", rows / night, "per s")
    for path in rounds[0]:
        peak = max(run["peak_rss_mib"] for one in rounds for run in one[path])
        told = at_most(f"{size}, {path}: peak memory", peak, "MiB", 1024) if path == "full path" else None
        yield told or plain(f"{size}, {path}: peak memory", peak, "MiB")
    yield from told_profiling(size, [one["full path"][0] for one in rounds])
    for stage in STAGES.values():
        seconds = statistics.median(one["full path"][0]["stages"][stage] for one in rounds)
        yield plain(f"{size}, full path, of it: {stage}", seconds, "s")


def told_profiling(size: str, runs: list[Measured]) -> Iterator[Figure]:
    """Yield the share of the processor's seconds that profiling takes, of the whole path and of its scoring alone."""
    for what, whole in (("the full path", "all"), ("encode, predict, profile and write", SCORED)):
        shares = [sum(run["processor"][name] for name in PROFILED) / run["processor"][whole] for run in runs]
        yield at_most(f"{size}: profiling, of {what}", 100 * statistics.median(shares), "%", 15)


def told_pairs(pairs: list[tuple[float, float]]) -> Iterator[Figure]:
    """Yield the ratio of the bundle to the raw loop, and how far pairs lie apart."""
    low, middle, high = statistics.quantiles((raw / bundle for raw, bundle in pairs), n=4)
    yield at_least(f"bundle against the raw loop, {len(pairs)} pairs", middle, "×", 0.85)
    yield plain("bundle against the raw loop, lower quartile", low, "×")
    yield plain("bundle against the raw loop, upper quartile", high, "×")
    for path, seconds in zip(("raw loop", "bundle"), zip(*pairs, strict=True), strict=True):
        yield plain(f"{path}: rows", PART_ROWS / statistics.median(seconds), "per s")


def run_round(folder: Path, rows: int) -> dict[str, list[Measured]]:
    """Run every path over all rows, each in its own process, the raw loop first and last; the bundle over few alone."""
    parts = rows // PART_ROWS
    before = in_child(raw_loop, folder, parts)
    whole = run_full_path(folder)
    after = in_child(raw_loop, folder, parts)
    through = {"bundle": [in_child(through_bundle, folder, parts)]} if rows == ROWS else {}
    return {"raw loop": [before, after], "full path": [whole], **through}


def run_full_path(folder: Path) -> Measured:
    """Score the night in a process and a home folder of its own."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    places = {"HOME": home, "DATA": folder / "landing", "ROOT": folder / "project"}
    with environment({f"PLIMSOLL_{place}": str(path) for place, path in places.items()}):
        return in_child(full_path, folder)


def take_turns(folder: Path, times: int) -> list[tuple[float, float]]:
    """Return (raw loop, bundle) seconds of part after part, each going first in turn."""
    raw, bundle = open_raw(folder), open_words(folder)
    pairs = []
    parts = ROWS // PART_ROWS
    for n in range(-2, parts * times):  # two to warm up
        part, pair = n % parts, dict.fromkeys((raw, bundle), 0.0)
        for path in (raw, bundle) if n % 2 else (bundle, raw):
            pair[path] = seconds_of(partial(path, part))
        pairs.append((pair[raw], pair[bundle]))
    return pairs[2:]


def raw_loop(folder: Path, parts: int) -> Measured:
    """Score all parts with nothing around it."""
    return timed(open_raw(folder), range(parts))


def through_bundle(folder: Path, parts: int) -> Measured:
    """Score all parts through a bundle."""
    return timed(open_words(folder), range(parts))


def open_raw(folder: Path) -> Scorer:
    """Return the raw loop over a file of numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import xgboost as xgb

    booster = xgb.Booster({"nthread": 2})
    booster.load_model(bundle_folder(folder) / "model.ubj")

    def run(which: int) -> None:
        table = pq.read_table(folder / f"numbers-{which}.parquet")
        names = [name for name in table.column_names if name != KEY]
        matrix = np.empty((len(table), len(names)), dtype=np.float32)
        for j, name in enumerate(names):
            matrix[:, j] = table[name].to_numpy()
        scores = pa.table({"key": table[KEY], "score": booster.inplace_predict(matrix)})
        pq.write_table(scores, folder / "scores.parquet")

    return run


def open_words(folder: Path) -> Scorer:
    """Return the way through the bundle over a file with words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    bundle = open_bundle(bundle_folder(folder))

    def run(which: int) -> None:
        frame = pq.read_table(folder / f"words-{which}.parquet").to_pandas()
        scores = pa.table({"key": pa.array(frame[KEY]), "score": bundle.score(frame)})
        pq.write_table(scores, folder / "scores.parquet")

    return run


def full_path(folder: Path) -> Measured:
    """Score one night as the flow's task does, without the server around it."""
    import datetime as dt

    from plimsoll.predictions import Served
    from tasks.records import recording
    from tasks.score_date import score_date

    served = [Served(1, "champion", open_bundle(bundle_folder(folder)))]
    stages, processor = dict.fromkeys(STAGES.values(), 0.0), dict.fromkeys([*PROFILED, SCORED], 0.0)

    def run(which: int) -> None:
        night = WARM_NIGHT if which < 0 else NIGHT
        with recording("score_batch", MODEL, dt.date.fromisoformat(night), {}) as opened:
            stages.update(dict.fromkeys(stages, 0.0))
            processor.update(dict.fromkeys(processor, 0.0))
            result = score_date(opened, served, night)
        assert result.state == "committed", result.sentence

    for name, stage in STAGES.items():
        watch(name, time.perf_counter, stages, stage)
    for name in processor:
        watch(name, time.process_time if name == SCORED else time.thread_time, processor, name)
    measured = timed(run, range(1))
    return {**measured, "stages": stages, "processor": {**processor, "all": measured["processor_seconds"]}}


def watch(name: str, clock: Callable[[], float], seconds: dict[str, float], what: str) -> None:
    """Add what a clock says of every call of a function."""
    import pkgutil

    holder, _, attribute = name.rpartition(".")
    owner = pkgutil.resolve_name(holder)
    inner: Callable[..., Any] = getattr(owner, attribute)

    def outer(*args: Any, **kwargs: Any) -> Any:
        begun = clock()
        try:
            return inner(*args, **kwargs)
        finally:
            seconds[what] += clock() - begun

    setattr(owner, attribute, outer)


def timed(run: Scorer, parts: Iterable[int]) -> Measured:
    """Run a path on a small part, then on all, and return the latter's seconds and the process's peak memory."""

    def run_all() -> None:
        for part in parts:
            run(part)

    run(-1)
    begun = time.process_time()
    seconds = seconds_of(run_all)
    return {"seconds": seconds, "processor_seconds": time.process_time() - begun, "peak_rss_mib": peak_rss_mib()}
