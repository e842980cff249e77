"""Models from elsewhere: read only in forms that run no code, and only when they fit."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plimsoll.adopted import adopt
from plimsoll.errors import DataError, IntegrityError
from plimsoll.estimators import Fitted, load

COLUMNS = ("a", "b", "c")
RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(200, 3)).astype("float32")
YES = (ROWS[:, 0] > 0).astype(float)


def take(name: str, data: bytes, columns: tuple[str, ...] = COLUMNS) -> Fitted:
    return adopt(name, data, "classification", 1, columns)


@pytest.fixture(scope="module")
def booster() -> Any:
    import xgboost as xgb

    return xgb.train({"objective": "binary:logistic"}, xgb.DMatrix(ROWS, label=YES), 5)


@pytest.fixture(scope="module")
def linear() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, YES)


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_a_model_of_xgboost_scores_as_it_did_elsewhere(booster: Any, form: str) -> None:
    fitted = take(f"m.{form}", bytes(booster.save_raw(form)))
    assert fitted.predict(ROWS).tobytes() == booster.inplace_predict(ROWS).astype("float64").tobytes()
    assert fitted.file_name == "model.ubj"


def test_a_model_of_scikit_learn_comes_through_skops(linear: Any) -> None:
    import skops.io

    fitted = take("m.skops", skops.io.dumps(linear))
    assert fitted.predict(ROWS) == pytest.approx(linear.predict_proba(ROWS)[:, 1], abs=1e-6)


@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.skops", "m.ubj", "bundle.bin"])
def test_a_pickle_is_refused_whatever_it_is_called(linear: Any, name: str) -> None:
    with pytest.raises(DataError, match=r"is a pickle: reading it would run.*allow_pickle"):
        take(name, pickle.dumps(linear))


def test_a_type_outside_the_list_is_refused_by_name() -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(np.abs(ROWS), YES)
    model.steps[0][1].func = Path.exists
    with pytest.raises(IntegrityError, match="types that are not allowed"):
        take("m.skops", skops.io.dumps(model))


@pytest.mark.parametrize("name", ["m.ubj", "m.json", "m.skops"])
def test_a_file_that_is_no_model_is_told_in_one_sentence(name: str) -> None:
    with pytest.raises(DataError, match=f"{name} cannot be read as a model"):
        take(name, b'{"nothing": "here"}')


def test_an_unknown_form_is_refused(booster: Any) -> None:
    with pytest.raises(DataError, match=r"Expected a model as .ubj, .json, .skops, found m.onnx"):
        take("m.onnx", bytes(booster.save_raw("ubj")))
    with pytest.raises(IntegrityError, match=r"found model\.pkl: other forms may run code"):
        load("model.pkl", pickle.dumps(1), "classification", 1)


def test_other_inputs_are_refused(booster: Any, linear: Any) -> None:
    import xgboost as xgb

    with pytest.raises(DataError, match=r"takes 3 inputs; features.columns names a, b"):
        take("m.ubj", bytes(booster.save_raw("ubj")), ("a", "b"))
    named = xgb.train({}, xgb.DMatrix(ROWS, label=YES, feature_names=["c", "b", "a"]), 2)
    with pytest.raises(DataError, match="takes c, b, a"):
        take("m.ubj", bytes(named.save_raw("ubj")))
