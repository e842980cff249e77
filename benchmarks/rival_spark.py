"""Spark's way over the same parts: `mapInPandas` on two local cores, where pyspark and Java are there."""

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.children import ROOT
from benchmarks.flights import open_bundle
from benchmarks.rival_ways import Words, as_categories, regressor_of
from benchmarks.scoring_place import bundle_folder
from plimsoll.assembly import KEY


def missing_spark() -> str:
    """Return what of Spark is not there, nothing when it is."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark"
    return "" if shutil.which("java") else "Java"


def open_spark(folder: Path) -> Callable[[Sequence[int]], None]:
    """Return the way through Spark over some parts; it writes keys and scores to a folder `spark-scores`."""
    encoder, model = open_bundle(bundle_folder(folder)).encoder, (bundle_folder(folder) / "model.ubj").read_bytes()
    spark = start_spark(folder / "spark")
    score = scorer(model, encoder.columns, {name: list(known) for name, known in encoder.words.items()})

    def run(parts: Sequence[int]) -> None:
        rows = spark.read.parquet(*(str(folder / f"words-{part}.parquet") for part in parts))
        scores = rows.select(KEY, *encoder.columns).mapInPandas(score, "key string, score double")
        scores.write.mode("overwrite").parquet(str(folder / "spark-scores"))

    return run


def start_spark(folder: Path) -> Any:
    """Return a Spark on two cores of this machine, without its web page; its files lie in a folder."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    builder = importlib.import_module("pyspark.sql").SparkSession.builder.master("local[2]").appName("a benchmark")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def scorer(model: bytes, columns: Sequence[str], words: Words) -> Callable[[Iterator[pd.DataFrame]], Any]:
    """Return what mapInPandas runs in each of its workers, on one thread."""

    def score(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        regressor = regressor_of(model, 1)
        for frame in frames:
            scores = regressor.predict(as_categories(frame, columns, words))
            yield pd.DataFrame({"key": frame[KEY], "score": scores.astype("float64")})

    return score
