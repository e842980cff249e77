"""Training

One training is what `train_bundle` does: six fits (five folds by blocks of days, then all), the reference, and the
losses. **In memory** and **external** take turns on the same days of made-up rows, half numbers and a few words with
nulls, each in a fresh process that reads the days from parquet; the seconds are of reading and training together. The
ratio is the median over pairs. Both have to give the same bundle, byte for byte, or the benchmark breaks.

**Beyond memory** trains in a process whose own memory is limited (`RLIMIT_DATA`; `RLIMIT_AS` would count the pages
that XGBoost maps from its files, which take no memory of their own, as the peak shown does): its rows, as the float32
that XGBoost sees, are four times the limit. The same rows in memory have to fail there, so that the limit is known to
hold. The five folds are left out: they are the same fit again, on fewer rows, and take no memory beside it. Its 400
columns are cut into 32 bins and its trees have 4 levels, since histograms, and the sketches that find the bins, take
memory by the column, whatever the rows.
"""

import importlib
import resource
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.children import environment, in_child, peak_rss_mib, seconds_of
from benchmarks.figures import Figure, at_least, at_most, plain
from plimsoll import training
from plimsoll.assembly import KEY, OUTCOME
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import DATE, Rows

DAYS = 20
WORDS = 3  # columns of words
GROUP_CELLS = 2**21  # of a parquet row group, which is read at once
SMALL = {"max_depth": 4, "max_bin": 32}  # histograms take memory by the column, whatever the rows
LIMIT_MIB = 704  # some 280 of them are libraries and buffers, others 80 bytes for each row
FRUGAL = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
Measured = dict[str, Any]  # seconds, peak_rss_mib and digest


def measure(full: bool) -> Iterator[Figure]:
    """Yield the ratio of external to in memory, peaks of both, and a training of four times the memory limit."""
    with tempfile.TemporaryDirectory() as name:
        yield from told_pairs(Path(name), 4_000_000 if full else 400_000, 5 if full else 3)
    with tempfile.TemporaryDirectory() as name:
        yield from beyond_memory(Path(name), LIMIT_MIB)


def told_pairs(folder: Path, rows: int, pairs: int) -> Iterator[Figure]:
    """Yield how both ways compare where both fit."""
    in_child(write_days, folder, rows, 20)
    told: dict[str, list[Measured]] = {"in memory": [], "external": []}
    for n in range(pairs):
        for way in sorted(told, reverse=bool(n % 2)):
            told[way].append(in_child(train, folder, way == "external", 30))
    digests = {one["digest"] for runs in told.values() for one in runs}
    assert len(digests) == 1, f"the ways differ: {digests}"
    both = zip(told["external"], told["in memory"], strict=True)
    ratio = statistics.median(external["seconds"] / inside["seconds"] for external, inside in both)
    yield at_most(f"external against in memory, {rows:,} rows, {pairs} pairs", ratio, "×", 1.3)
    for way, runs in told.items():
        yield plain(f"{way}: training", statistics.median(run["seconds"] for run in runs), "s")
        yield plain(f"{way}: peak memory", max(run["peak_rss_mib"] for run in runs), "MiB")


def beyond_memory(folder: Path, limit_mib: int, columns: int = 400) -> Iterator[Figure]:
    """Yield the size of a training in a process that may not hold it, and how long it took."""
    rows = 4 * limit_mib * 2**20 // 4 // columns + DAYS
    in_child(write_days, folder, rows, columns)
    with environment(FRUGAL):
        try:
            in_child(train, folder, False, 2, limit_mib)
        except MemoryError:
            done = in_child(train, folder, True, 2, limit_mib)
        else:
            raise AssertionError("the limit does not limit: the same training in memory went through")
    size = rows * columns * 4 / 2**20
    yield at_least("beyond memory: data, of the memory limit", size / limit_mib, "×", 4)
    yield plain("beyond memory: limit", limit_mib, "MiB")
    yield plain("beyond memory: peak memory", done["peak_rss_mib"], "MiB")
    yield plain("beyond memory: training", done["seconds"], "s")


def write_days(folder: Path, rows: int, columns: int) -> None:
    """Write DAYS files of as many rows and columns in all, with nulls, words and a yes or no to learn."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = columns - WORDS
    others = np.random.default_rng(DAYS).normal(size=(-(-rows // DAYS), numbers)).astype(np.float32)
    others[others > 2] = np.nan
    for day, part in enumerate(np.array_split(np.arange(rows), DAYS)):
        chance, table = np.random.default_rng(day), {}
        table = {f"number_{j:03d}": np.roll(others[:, j], 7 * day)[: len(part)] for j in range(numbers)}
        odds = np.nan_to_num(table["number_000"]) + np.sin(2 * np.nan_to_num(table["number_001"]))
        for j in range(WORDS):
            codes = chance.integers(0, 10 * (j + 1), len(part))
            odds += (codes % 3 / 2 - 0.5).astype(np.float32)
            table[f"word_{j}"] = np.array([f"w{n}" for n in range(10 * (j + 1))], dtype=object)[codes]
        table[OUTCOME] = (chance.random(len(part)) < 1 / (1 + np.exp(-odds))).astype(np.float64)
        table[KEY] = part.astype(str).astype(object)
        path, group = folder / f"2026-01-{day + 1:02d}.parquet", max(1, GROUP_CELLS // columns)
        pq.write_table(pa.table(table), path, row_group_size=group, use_dictionary=False, compression="none")


def train(folder: Path, external: bool, rounds: int, limit_mib: int = 0) -> Measured:
    """Train on the files of a folder and return seconds, peak memory and the bundle's digest."""
    for name in ("xgboost", "sklearn.metrics", "pyarrow.feather", "pyarrow.parquet"):
        importlib.import_module(name)  # their seconds are no part of a training
    if limit_mib:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_mib * 2**20,) * 2)
        training.FOLDS = 1
    made: Measured = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:

        def run() -> None:
            rows = Rows(Path(scratch) if external else None)
            for chunk in chunks(folder):
                rows.add(chunk)
            config = config_of(
                [c for c in chunk.columns if c not in (KEY, OUTCOME, DATE)], rounds, SMALL if limit_mib else {}
            )
            made["digest"] = training.train_bundle(rows, config).digest

        seconds = seconds_of(run)
    return {**made, "seconds": seconds, "peak_rss_mib": peak_rss_mib()}


def chunks(folder: Path) -> Iterator[pd.DataFrame]:
    """Yield a folder's files, row group by row group."""
    import pyarrow.parquet as pq

    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, use_threads=False).to_pandas().assign(**{DATE: path.stem})


def config_of(columns: list[str], rounds: int, params: dict[str, int]) -> ModelConfig:
    """Return a model config with these features; those named word are categories."""
    told = "made up for a benchmark"
    features = [{"name": c, "kind": "category" if c.startswith("word") else "number", "because": told} for c in columns]
    body = {
        "model": "made_up",
        "owner": told,
        "purpose": told,
        "source": {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"},
        "outcome": {"path": "outcomes", "column": "outcome", "above": 0, "no_outcome": "none"},
        "features": {"columns": features},
        "estimator": {"kind": "xgboost", "rounds": rounds, "params": params, "threads": 2},
        "split": {"test_days": 3},
        "gates": {"limits": [{"metric": "auc", "at_least": 0.5}]},
    }
    return ModelConfig.model_validate(body)
