"""Parity: every kind of learner scores as scikit-learn's own pipeline does that a person would write by hand.

Both see the same frames, with nulls, words that training never saw, ties and columns of one value. A word that was
never seen counts as a null, so the pipeline by hand is told so first.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.encoder import Encoder, encoder_from_json
from plimsoll.estimators import Fitted, fit, load
from plimsoll.matrices import EncodedRows
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import DATE, rows_of

NUMBERS, WORDS = ["size", "weight"], ["colour", "place"]
WITHIN = 1e-6
BOOST = {"max_depth": 3, "learning_rate": 0.3, "min_child_weight": 1.0, "subsample": 0.8}
PARAMS: dict[str, dict[str, Any]] = {"xgboost": BOOST, "logistic": {"C": 0.5}, "ridge": {"alpha": 2.0}}
ROUNDS, SEED, THREADS = 6, 11, 1
Scores = npt.NDArray[np.float64]


def config_of(kind: str, task: str) -> ModelConfig:
    """A config of two numbers and two words."""
    kinds = dict.fromkeys(NUMBERS, "number") | dict.fromkeys(WORDS, "category")
    features = [{"name": n, "kind": of, "because": "known at the time", "sparse": True} for n, of in kinds.items()]
    yes_or_no = task == "classification"
    body = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"},
        "outcome": {"path": "outcomes", "column": "late", "above": 0 if yes_or_no else None, "no_outcome": "none"},
        "features": {"columns": features},
        "estimator": {"kind": kind, "rounds": ROUNDS, "seed": SEED, "threads": THREADS, "params": PARAMS[kind]},
        "gates": {"limits": [{"metric": "log_loss" if yes_or_no else "rmse", "at_most": 99}]},
    }
    return ModelConfig.model_validate(body)


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame, Scores]:
    """Rows to train on, rows to score, and a number as the outcome; nulls anywhere, new words in the latter."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, later = draw(st.integers(30, 120)), draw(st.integers(1, 40))
    nulls, known = draw(st.sampled_from([0.0, 0.1, 0.5])), draw(st.integers(1, 5))
    rows = pd.DataFrame({"size": chance.normal(50, 20, n + later), "weight": chance.integers(0, 4, n + later) / 4})
    for column in WORDS:
        words = np.array([f"{column} {k}" for k in range(known)] + ["new", ""], dtype=object)
        codes = np.where(np.arange(n + later) < n, chance.integers(0, known, n + later), chance.integers(0, known + 2))
        rows[column] = pd.Series(words[codes], dtype="str")
    outcome = rows["size"].to_numpy() / 20 + (rows["colour"] == "colour 1").to_numpy() + chance.normal(size=n + later)
    rows = rows.mask(chance.random(rows.shape) < nulls)
    outcome[:2] = [outcome.min() - 1, outcome.max() + 1]
    return rows[:n], rows[n:].reset_index(drop=True), outcome[:n]


def ours(train: pd.DataFrame, outcome: Scores, config: ModelConfig) -> tuple[Encoder, Fitted]:
    """Return encoder and learner as training makes them."""
    table = EncodedRows(
        rows_of(train.assign(**{OUTCOME: outcome, DATE: "2026-01-01", KEY: [str(n) for n in range(len(train))]})),
        config,
    )
    every = np.ones(len(train), dtype=bool)
    encoder = table.encoder_of(every)
    return encoder, fit(table.pages(every, encoder), encoder, config.estimator, config.task)


def by_hand(kind: str, task: str, train: pd.DataFrame, outcome: Scores, rows: pd.DataFrame) -> Scores:
    """Return what scikit-learn says, or XGBoost through its wrapper for scikit-learn."""
    known = {column: sorted(train[column].dropna().unique()) for column in WORDS}
    rows = rows.assign(**{c: rows[c].where(rows[c].isin(known[c])) for c in WORDS})
    if kind == "xgboost":
        model = boosted(task)
        train, rows = (one.assign(**{c: pd.Categorical(one[c], known[c]) for c in WORDS}) for one in (train, rows))
    else:
        model = linear(task)
        train, rows = (one.astype(dict.fromkeys(WORDS, object)) for one in (train, rows))
        train, rows = (one.assign(**{c: one[c].where(one[c].notna(), None) for c in WORDS}) for one in (train, rows))
    model.fit(train, outcome)
    return np.asarray(model.predict_proba(rows)[:, 1] if task == "classification" else model.predict(rows), np.float64)


def boosted(task: str) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    learner = XGBClassifier if task == "classification" else XGBRegressor
    how = {"n_estimators": ROUNDS, "random_state": SEED, "n_jobs": THREADS, "tree_method": "hist"}
    return learner(enable_categorical=True, **how, **BOOST)


def linear(task: str) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    words = make_pipeline(
        SimpleImputer(missing_values=None, strategy="constant", fill_value=""), OneHotEncoder(handle_unknown="ignore")
    )
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("words", words, WORDS)])
    learner = (
        LogisticRegression(max_iter=1000, **PARAMS["logistic"])
        if task == "classification"
        else Ridge(**PARAMS["ridge"])
    )
    return make_pipeline(columns, learner)


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("xgboost", "classification"),
        ("xgboost", "regression"),
        ("logistic", "classification"),
        ("ridge", "regression"),
    ],
)
@settings(max_examples=5, derandomize=True, phases=[Phase.generate])
@given(drawn=frames())
def test_scores_are_those_of_a_pipeline_by_hand(
    kind: str, task: str, drawn: tuple[pd.DataFrame, pd.DataFrame, Scores]
) -> None:
    train, rows, outcome = drawn
    if task == "classification":
        outcome = (outcome > np.median(outcome)).astype(np.float64)
    encoder, fitted = ours(train, outcome, config_of(kind, task))
    scores = fitted.predict(encoder.encode(rows))
    assert np.abs(scores - by_hand(kind, task, train, outcome, rows)).max() <= WITHIN
    back = load(fitted.file_name, fitted.to_bytes(), task, THREADS)  # type: ignore[arg-type]
    again = encoder_from_json(encoder.to_json())
    assert back.predict(again.encode(rows)).tobytes() == scores.tobytes()
    alone = [back.predict(again.encode(rows.iloc[[n]])) for n in range(len(rows))]
    assert np.concatenate(alone).tobytes() == scores.tobytes()
