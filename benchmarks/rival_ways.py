"""Other ways over the same parts: MLflow's pyfunc, and a scikit-learn pipeline with a column for every word."""

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.flights import TRAINED_BEFORE, open_bundle
from benchmarks.scoring_place import bundle_folder
from plimsoll.assembly import KEY, OUTCOME
from plimsoll.row_parts import DATE

Words = Mapping[str, Sequence[str]]
Scorer = Callable[[int], None]  # runs over the part of that number


def as_categories(frame: pd.DataFrame, columns: Sequence[str], words: Words) -> pd.DataFrame:
    """Return a frame's features as XGBoost takes them from pandas; a word that is not among the known is null."""
    typed = frame[list(columns)].copy()
    for name, known in words.items():
        typed[name] = typed[name].astype("category").cat.set_categories(list(known))
    return typed


def regressor_of(model: Path | bytes, threads: int) -> Any:
    """Return a bundle's booster as scikit-learn's interface has it; a regressor's predict gives the probability."""
    import xgboost as xgb

    regressor = xgb.XGBRegressor(n_jobs=threads)
    regressor.load_model(bytearray(model) if isinstance(model, bytes) else model)
    return regressor


def open_mlflow(folder: Path) -> Scorer:
    """Return the way through MLflow over a file with words; no server, the model lies in a folder."""
    flavour, pyfunc = importlib.import_module("mlflow.xgboost"), importlib.import_module("mlflow.pyfunc")
    encoder = open_bundle(bundle_folder(folder)).encoder
    flavour.save_model(regressor_of(bundle_folder(folder) / "model.ubj", 2), str(folder / "mlflow-model"))
    model = pyfunc.load_model(str(folder / "mlflow-model"))

    def score(frame: pd.DataFrame) -> Any:
        return model.predict(as_categories(frame, encoder.columns, encoder.words))

    return over_parts(folder, score, folder / "mlflow-scores.parquet")


def open_one_hot(folder: Path) -> Scorer:
    """Return the way through a scikit-learn pipeline over a file with words."""
    encoder = open_bundle(bundle_folder(folder)).encoder
    columns = list(encoder.columns)
    model = train_one_hot(folder, columns, list(encoder.words))

    def score(frame: pd.DataFrame) -> Any:
        return model.predict_proba(frame[columns])[:, 1]

    return over_parts(folder, score, folder / "one-hot-scores.parquet")


def train_one_hot(folder: Path, columns: list[str], words: list[str]) -> Any:
    """Return the pipeline, trained on the flights that the bundle was trained on, with its settings."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from xgboost import XGBClassifier

    from tasks.workspace import open_workspace

    estimator = open_workspace().model("flight_delay").estimator
    rows = pd.read_parquet(folder / "flights.parquet")
    rows = rows[(rows[DATE] < TRAINED_BEFORE) & rows[OUTCOME].notna()]
    one_hot = ColumnTransformer([("words", OneHotEncoder(handle_unknown="ignore"), words)], remainder="passthrough")
    learner = XGBClassifier(n_estimators=estimator.rounds, n_jobs=2, **estimator.params)
    return make_pipeline(one_hot, learner).fit(rows[columns], rows[OUTCOME])


def open_prediction(folder: Path, parts: Collection[int]) -> Scorer:
    """Return XGBoost's prediction alone, from matrices that are made here and stay in memory."""
    bundle = open_bundle(bundle_folder(folder))
    matrices = {part: bundle.encoder.encode(pd.read_parquet(folder / f"words-{part}.parquet")) for part in parts}

    def run(which: int) -> None:
        bundle.fitted.predict(matrices[which])

    return run


def over_parts(folder: Path, score: Callable[[pd.DataFrame], Any], target: Path) -> Scorer:
    """Return a loop body that reads a part, scores it and writes keys and scores, all with pandas."""

    def run(which: int) -> None:
        frame = pd.read_parquet(folder / f"words-{which}.parquet")
        scores = np.asarray(score(frame), dtype=np.float64)
        pd.DataFrame({"key": frame[KEY], "score": scores}).to_parquet(target, index=False)

    return run
