"""Scoring, against others

The same model over the same parquet files, two million flights in parts of 250,000, on two threads: read a part,
bring its words to codes, predict, write key and score as parquet. The **bundle** is Plimsoll's own way.
**MLflow** is `mlflow.pyfunc.load_model(…).predict` on a pandas frame whose words are categories. **One-hot** is a
scikit-learn pipeline, `OneHotEncoder` for words and numbers as they are, before an `XGBClassifier` of the bundle's
settings; it is a model of its own, trained on the same flights. **Spark** is `mapInPandas` in `local[2]`, with its own
defaults: one Python worker on each core, with one XGBoost thread. MLflow and Spark have to give the bundle's scores,
bit for bit, or the benchmark breaks.

Bundle, MLflow and one-hot take turns on parts; bundle and Spark take turns on all parts together, since each of Spark's
jobs has a price of its own. A ratio is the other's seconds over the bundle's, as the median over turns: 2 is twice as
slow as the bundle. Most of everybody's seconds are XGBoost's prediction, the same code for all. **Prediction alone**,
from matrices in memory, takes its turn too, and one figure takes it off both sides. A small part goes first and is not
counted, so that imports, the Java machine and Spark's workers are there.

Spark is no dependency of this project. Without pyspark or Java the figures say so and leave it out. To have it
measured: `pip install --target FOLDER pyspark`, then `PYTHONPATH=FOLDER python -m benchmarks rivals`.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.children import environment, in_child, seconds_of
from benchmarks.figures import Figure, at_least, plain
from benchmarks.rival_spark import missing_spark, open_spark
from benchmarks.rival_ways import open_mlflow, open_one_hot, open_prediction
from benchmarks.scoring import open_words
from benchmarks.scoring_place import PART_ROWS, prepare

ROWS = 2_000_000
BUNDLE, PREDICTION = "bundle", "prediction alone"
MLFLOW, ONE_HOT, SPARK = "MLflow pyfunc", "one-hot pipeline", "Spark mapInPandas"
WARM = -1  # the small part
Turn = dict[str, float]  # seconds by way


def measure(full: bool) -> Iterator[Figure]:
    """Yield how many times as long as the bundle each of the others takes, and everyone's rows per second."""
    parts = range(ROWS // PART_ROWS)
    with tempfile.TemporaryDirectory() as name, environment({}):
        folder = Path(name)
        in_child(prepare, folder, ROWS)
        yield from told(in_child(turns_on_parts, folder, [*parts] * (5 if full else 2)))
        if missing := missing_spark():
            yield plain(f"{SPARK}: not measured, there is no {missing}", 0, "turns")
        else:
            yield from told_spark(in_child(turns_on_all, folder, parts, 5 if full else 3))


def told(turns: Sequence[Turn]) -> Iterator[Figure]:
    """Yield the ratios of the ways that take turns on parts, and the rows per second of all."""
    for way in (MLFLOW, ONE_HOT):
        yield plain(f"{way} against the bundle, {len(turns)} turns", ratio(turns, way), "×")
    yield plain(f"{PREDICTION} against the bundle", ratio(turns, PREDICTION), "×")
    for way in turns[0]:
        yield speed(turns, way, PART_ROWS)


def told_spark(turns: Sequence[Turn]) -> Iterator[Figure]:
    """Yield Spark's ratio, with and without the prediction, and its rows per second."""
    yield at_least(f"{SPARK} against the bundle, {len(turns)} turns", ratio(turns, SPARK), "×", 5)
    apart = [{way: turn[way] - turn[PREDICTION] for way in (BUNDLE, SPARK)} for turn in turns]
    yield plain(f"{SPARK} against the bundle, prediction taken off both", ratio(apart, SPARK), "×")
    yield speed(turns, SPARK, ROWS)


def ratio(turns: Sequence[Turn], way: str) -> float:
    """Return how many times as long as the bundle a way takes."""
    return statistics.median(turn[way] / turn[BUNDLE] for turn in turns)


def speed(turns: Sequence[Turn], way: str, rows: int) -> Figure:
    """Return a way's rows per second."""
    return plain(f"{way}: rows", rows / statistics.median(turn[way] for turn in turns), "per s")


def turns_on_parts(folder: Path, parts: Sequence[int]) -> list[Turn]:
    """Return the seconds of every way but Spark on each of the parts, each going first in turn."""
    ways = {
        BUNDLE: open_words(folder),
        MLFLOW: open_mlflow(folder),
        ONE_HOT: open_one_hot(folder),
        PREDICTION: open_prediction(folder, {WARM, *parts}),
    }
    for run in ways.values():
        run(WARM)
    check_same(folder / "scores.parquet", folder / "mlflow-scores.parquet")
    return [one_turn({way: partial(run, part) for way, run in ways.items()}, n) for n, part in enumerate(parts)]


def turns_on_all(folder: Path, parts: Sequence[int], times: int) -> list[Turn]:
    """Return the seconds of bundle, prediction and Spark on all parts together, each going first in turn."""
    alone = {BUNDLE: open_words(folder), PREDICTION: open_prediction(folder, {WARM, *parts})}
    spark = open_spark(folder)
    ways = {way: partial(on_each, run) for way, run in alone.items()} | {SPARK: spark}
    for run in ways.values():
        run([WARM])
    check_same(folder / "scores.parquet", folder / "spark-scores")
    return [one_turn({way: partial(run, parts) for way, run in ways.items()}, n) for n in range(times)]


def on_each(run: Callable[[int], None], parts: Sequence[int]) -> None:
    """Run a way over parts, one after the other."""
    for part in parts:
        run(part)


def one_turn(ways: Mapping[str, Callable[[], object]], first: int) -> Turn:
    """Run every way once, the one of that number first, and return the seconds of each."""
    names = [*ways]
    at = first % len(names)
    seconds = {name: seconds_of(ways[name]) for name in [*names[at:], *names[:at]]}
    return {name: seconds[name] for name in names}


def check_same(ours: Path, others: Path) -> None:
    """Raise AssertionError unless both hold the same score for every key."""
    bundle, other = (pd.read_parquet(path).set_index("key")["score"].sort_index() for path in (ours, others))
    assert len(bundle), "nothing was scored"
    assert bundle.equals(other), f"{others.name} differs from the bundle's scores"
