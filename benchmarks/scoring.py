"""Scoring

Two million flights on two threads. The **raw loop** reads key and 17 float32 columns with pyarrow, fills one matrix,
calls `inplace_predict` and writes key and score as parquet. It is handed what only an encoder can make: its
categories are codes already. The **bundle** reads the same rows with their categories as words, and encodes, predicts
and writes. The **full path** is `score_date` on one night's raw export with its two lookups: keep the bytes by
digest, join, build features, validate with Great Expectations, score, commit to Delta, profile, and enter it all in
the ledger; six of the rows break a rule of the suite and are set aside.

A ratio is the raw loop's seconds over the path's: 1 is as fast as the raw loop. Raw loop and bundle take turns on
parts of 250,000 rows, since a neighbour can slow whole minutes threefold; the ratio is the median over pairs, shown
with the quartiles. The full path's ratio is against the mean of a raw loop before and one after it: one pair, so its
second digit is not to be trusted. Rows per second are of the median part, for the full path of the whole; memory is
of all two million at once. Every path runs in a fresh process that a small batch has warmed up.
"""

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.children import ROOT, environment, in_child, peak_rss_mib, seconds_of
from benchmarks.figures import Figure, plain
from benchmarks.flights import MODEL, Flights, lay_out, open_bundle, train_on_winter
from plimsoll.assembly import KEY

ROWS = 2_000_000
PARTS = 8
PART_ROWS = ROWS // PARTS
WARM_ROWS = 2_000
NIGHT, WARM_NIGHT = "2013-06-03", "2013-06-05"
STAGES = {  # what score_date calls, by the name it knows it under, and what a reader calls it
    "tasks.batches.keep_snapshot": "keep the export by digest",
    "tasks.assemble.reassemble": "read, join lookups, build features",
    "tasks.assemble.judge_frame": "validate",
    "tasks.batches.score_rows": "encode, predict, build the table",
    "tasks.batches.commit_batch": "commit to Delta",
    "tasks.batches.profile_batch": "profile",
    "tasks.batches.scores_digest": "digest of the scores",
    "plimsoll.encoder.Encoder.unseen": "count unseen words",
}
Scorer = Callable[[str], None]  # runs over the file of that name
Measured = dict[str, Any]  # seconds, peak_rss_mib, and stages where there are some


def measure(full: bool) -> Iterator[Figure]:
    """Yield ratios to the raw loop, rows per second and peak memory, and the stages of the full path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare, folder)
        yield from told_pairs(in_child(take_turns, folder, 12 if full else 4))
        rounds = [run_round(folder) for _ in range(3 if full else 1)]
    ratios = [
        statistics.fmean(r["seconds"] for r in one["raw loop"]) / one["full path"][0]["seconds"] for one in rounds
    ]
    yield plain("full path against the raw loop", statistics.median(ratios), "×")
    night = statistics.median(one["full path"][0]["seconds"] for one in rounds)
    yield plain("full path: rows", ROWS / night, "per s")
    for path in rounds[0]:
        peak = max(run["peak_rss_mib"] for one in rounds for run in one[path])
        yield plain(f"{path}: peak memory", peak, "MiB")
    for stage in STAGES.values():
        seconds = statistics.median(one["full path"][0]["stages"][stage] for one in rounds)
        yield plain(f"full path, of it: {stage}", seconds, "s")


def told_pairs(pairs: list[tuple[float, float]]) -> Iterator[Figure]:
    """Yield the ratio of the bundle to the raw loop, and how far pairs lie apart."""
    low, middle, high = statistics.quantiles((raw / bundle for raw, bundle in pairs), n=4)
    yield plain(f"bundle against the raw loop, {len(pairs)} pairs", middle, "×")
    yield plain("bundle against the raw loop, lower quartile", low, "×")
    yield plain("bundle against the raw loop, upper quartile", high, "×")
    for path, seconds in zip(("raw loop", "bundle"), zip(*pairs, strict=True), strict=True):
        yield plain(f"{path}: rows", PART_ROWS / statistics.median(seconds), "per s")


def run_round(folder: Path) -> dict[str, list[Measured]]:
    """Run every path over all rows, each in its own process, the raw loop first and last."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    places = {"HOME": home, "DATA": folder / "landing", "ROOT": folder / "project"}
    with environment({f"PLIMSOLL_{place}": str(path) for place, path in places.items()}):
        before = in_child(raw_loop, folder)
        whole = in_child(full_path, folder)
        after = in_child(raw_loop, folder)
        return {"raw loop": [before, after], "bundle": [in_child(through_bundle, folder)], "full path": [whole]}


def prepare(folder: Path) -> None:
    """Make the bundle, the rows as numbers and as words, and a night's export of as many flights."""
    flights = lay_out(folder / "landing")
    bundle = open_bundle(train_on_winter(flights, folder))
    (folder / "bundle").write_text(bundle.digest)
    rows = repeated(flights.rows[[KEY, *flights.config.feature_names]])
    rows[KEY] = rows[KEY] + "#" + rows.index.astype("str")
    coded = pd.DataFrame(bundle.encoder.encode(rows), columns=bundle.encoder.columns)
    coded[KEY] = rows[KEY]
    parts = {f"{n}": slice(n * PART_ROWS, (n + 1) * PART_ROWS) for n in range(PARTS)}
    for name, part in {"warm": slice(WARM_ROWS), "all": slice(ROWS), **parts}.items():
        rows[part].to_parquet(folder / f"words-{name}.parquet", index=False)
        coded[part].to_parquet(folder / f"numbers-{name}.parquet", index=False)
    write_night(flights, folder)


def repeated(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ROWS rows, the given ones again and again."""
    return rows.iloc[np.arange(ROWS) % len(rows)].reset_index(drop=True)


def write_night(flights: Flights, folder: Path) -> None:
    """Write one night's export with two million flights at their times of day, and a suite that allows so many."""
    columns = pd.read_parquet(folder / f"landing/flights/{NIGHT}.parquet").columns
    rows = repeated(flights.rows[list(columns)])
    of_day = rows["scheduled_departure_local"] - rows["scheduled_departure_local"].dt.normalize()
    local = (pd.Timestamp(NIGHT) + of_day).dt.as_unit("us")
    rows["scheduled_departure_local"] = local
    rows["scheduled_departure"] = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    rows["flight_id"] = rows["flight_id"] + "#" + rows.index.astype("str")
    rows["flight_date"] = NIGHT
    rows.to_parquet(folder / f"landing/flights/{NIGHT}.parquet", index=False)
    for part in ("configs", "great_expectations"):
        shutil.copytree(ROOT / part, folder / "project" / part, ignore=shutil.ignore_patterns("uncommitted", "__py*"))
    shutil.copy(ROOT / "requirements.lock", folder / "project")
    allow_rows(folder / f"project/great_expectations/expectations/{MODEL}.json")


def allow_rows(suite: Path) -> None:
    """Let a suite pass a batch of ROWS rows; all its other expectations stay."""
    body = json.loads(suite.read_text())
    for one in body["expectations"]:
        if one["type"] == "expect_table_row_count_to_be_between":
            one["kwargs"]["max_value"] = ROWS
    suite.write_text(json.dumps(body, indent=2))


def take_turns(folder: Path, times: int) -> list[tuple[float, float]]:
    """Return (raw loop, bundle) seconds of part after part, each going first in turn."""
    raw, bundle = open_raw(folder), open_words(folder)
    pairs = []
    for n in range(-2, PARTS * times):  # two to warm up
        part, pair = str(n % PARTS), dict.fromkeys((raw, bundle), 0.0)
        for path in (raw, bundle) if n % 2 else (bundle, raw):
            pair[path] = seconds_of(partial(path, part))
        pairs.append((pair[raw], pair[bundle]))
    return pairs[2:]


def raw_loop(folder: Path) -> Measured:
    """Score all rows with nothing around it."""
    return timed(open_raw(folder))


def through_bundle(folder: Path) -> Measured:
    """Score all rows through a bundle."""
    return timed(open_words(folder))


def open_raw(folder: Path) -> Scorer:
    """Return the raw loop over a file of numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import xgboost as xgb

    booster = xgb.Booster({"nthread": 2})
    booster.load_model(bundle_folder(folder) / "model.ubj")

    def run(which: str) -> None:
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

    def run(which: str) -> None:
        frame = pq.read_table(folder / f"words-{which}.parquet").to_pandas()
        scores = pa.table({"key": pa.array(frame[KEY]), "score": bundle.score(frame)})
        pq.write_table(scores, folder / "scores.parquet")

    return run


def full_path(folder: Path) -> Measured:
    """Score one night as the flow's task does, without the server around it."""
    import datetime as dt

    from plimsoll.predictions import Served
    from tasks.batches import score_date
    from tasks.records import open_run

    served = [Served(1, "champion", open_bundle(bundle_folder(folder)))]
    stages = dict.fromkeys(STAGES.values(), 0.0)

    def run(which: str) -> None:
        night = WARM_NIGHT if which == "warm" else NIGHT
        opened = open_run("score_batch", MODEL, dt.date.fromisoformat(night), {})
        stages.update(dict.fromkeys(stages, 0.0))
        result = score_date(opened, served, night)
        assert result.state == "committed", result.sentence

    for name, stage in STAGES.items():
        watch(name, stage, stages)
    return {**timed(run), "stages": stages}


def watch(name: str, stage: str, stages: dict[str, float]) -> None:
    """Add the seconds of every call of a function to its stage."""
    import pkgutil

    holder, _, attribute = name.rpartition(".")
    owner = pkgutil.resolve_name(holder)
    inner: Callable[..., Any] = getattr(owner, attribute)

    def outer(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            stages[stage] += time.perf_counter() - begun

    setattr(owner, attribute, outer)


def timed(run: Scorer) -> Measured:
    """Run a path on a small batch, then on all rows, and return the latter's seconds and the process's peak memory."""
    run("warm")
    return {"seconds": seconds_of(lambda: run("all")), "peak_rss_mib": peak_rss_mib()}


def bundle_folder(folder: Path) -> Path:
    """Return the folder of the one bundle that prepare made."""
    return folder / (folder / "bundle").read_text()
