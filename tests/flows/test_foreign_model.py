"""A model from elsewhere goes the whole way, adopted, judged, approved, scored; another than was named does not."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xgboost as xgb
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from plimsoll.adopted import adopt
from plimsoll.digest import sha256_hex
from plimsoll.errors import DataError
from tasks.foreign_model import convert_pickle
from tests.flows.places import APPROVER, AS_OF, DAY, Answer, Place

Cli = Callable[..., Answer]
MODEL = "breast_cancer"


def elsewhere(place: Place) -> tuple[Any, pd.DataFrame]:
    """Train a model on the table as somebody else would, on the same inputs."""
    config = place.workspace.model(MODEL)
    rows = pq.ParquetFile(place.data / str(config.source.path)).read().to_pandas()
    late = pq.ParquetFile(place.data / str(config.outcome.path)).read().to_pandas()
    outcome = rows.merge(late, on=config.source.key)[config.outcome.column]
    inputs = rows[list(config.feature_names)].astype("float32")
    model = xgb.XGBClassifier(n_estimators=10, n_jobs=1)
    return model.fit(inputs.to_numpy(), (outcome > (config.outcome.above or 0.5)).to_numpy()), inputs


def deliver(place: Place, name: str, data: bytes, more: str = "", digest: str = "") -> Path:
    path = place.root / name
    path.write_bytes(data)
    external = f"external: {{path: {name}, sha256: {digest or sha256_hex(data)}{more}}}"
    place.configure("kind: logistic", f"kind: external\n  {external}", MODEL)
    place.configure("params: {C: 0.5}", "params: {}", MODEL)
    return path


def test_a_model_from_elsewhere_goes_the_whole_way(empty: Place, plimsoll: Cli) -> None:
    model, inputs = elsewhere(empty)
    path = deliver(empty, "model.ubj", bytes(model.get_booster().save_raw("ubj")))
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    path.unlink()
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0, "it is kept like any other input"
    first, second = empty.ledger("trained", model=MODEL)
    assert first["facts"]["bundle"] == second["facts"]["bundle"]
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    assert plimsoll("score", MODEL, "--as-of", DAY).code == 0
    scored = empty.predictions()
    mine = scored[scored["version"] == "1"]["score"].to_numpy()
    theirs = model.get_booster().inplace_predict(inputs.to_numpy()).astype("float64")
    assert np.array_equal(np.sort(mine), np.sort(theirs))


def save_by_mlflow(kind: str, model: Any, folder: Path) -> Path:
    """Save a model as MLflow does and return its own file."""
    import mlflow.sklearn
    import mlflow.xgboost

    if kind == "xgboost":
        mlflow.xgboost.save_model(model, folder)
        return folder / "model.ubj"
    mlflow.sklearn.save_model(model, folder, serialization_format="skops")
    return folder / "model.skops"


@pytest.mark.filterwarnings("ignore")  # of MLflow, while it writes
@pytest.mark.parametrize("kind", ["xgboost", "sklearn"])
def test_a_model_that_mlflow_saved_scores_as_its_pyfunc_does(
    empty: Place, plimsoll: Cli, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.pyfunc

    model, inputs = elsewhere(empty)
    if kind == "sklearn":
        inputs = inputs.fillna(0)
        outcome = model.predict(inputs.to_numpy())
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(inputs.to_numpy(), outcome)
    found = save_by_mlflow(kind, model, empty.root / "risk")
    external = f"external: {{path: risk, sha256: {sha256_hex(found.read_bytes())}}}"
    empty.configure("kind: logistic", f"kind: external\n  {external}", MODEL)
    empty.configure("params: {C: 0.5}", "params: {}", MODEL)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    assert plimsoll("score", MODEL, "--as-of", DAY).code == 0
    mine = empty.predictions().sort_values("score")["score"].to_numpy()
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")  # MLflow wants it for skops too
    loaded = mlflow.pyfunc.load_model(str(empty.root / "risk"))
    assert np.array_equal(loaded.predict(inputs.to_numpy()), model.predict(inputs.to_numpy())), "pyfunc says the class"
    theirs = np.sort(model.predict_proba(inputs.to_numpy())[:, 1])
    assert mine == pytest.approx(theirs, abs=1e-6)


def test_a_pyfunc_of_python_code_is_refused_with_what_to_do(empty: Place, plimsoll: Cli) -> None:
    (empty.root / "risk").mkdir()
    (empty.root / "risk/MLmodel").write_text("flavors: {python_function: {loader_module: mlflow.pyfunc.model}}")
    empty.configure("kind: logistic", f"kind: external\n  external: {{path: risk, sha256: {'ab' * 32}}}", MODEL)
    empty.configure("params: {C: 0.5}", "params: {}", MODEL)
    refused = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert refused.code == 2
    assert "found python_function" in refused.err
    assert "serialization_format='skops'" in refused.err


def test_a_pickle_needs_a_word_and_a_digest(empty: Place, plimsoll: Cli) -> None:
    model, _ = elsewhere(empty)
    data = pickle.dumps(model)
    deliver(empty, "model.pkl", data)
    refused = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert refused.code == 2
    assert "model.pkl is a pickle" in refused.err
    assert not empty.ledger("trained", model=MODEL)
    empty.configure(f"sha256: {sha256_hex(data)}", f"sha256: {sha256_hex(data)}, allow_pickle: true", MODEL)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert {p.name for p in (empty.home / "mlflow/artifacts").rglob("model.*")} == {"model.ubj"}


@pytest.mark.parametrize("more", ["", ", allow_pickle: true"])
def test_a_file_that_is_not_the_one_named_is_not_read(empty: Place, plimsoll: Cli, more: str) -> None:
    deliver(empty, "model.pkl", b"\x80 something else", more, digest="ab" * 32)
    refused = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert refused.code == 3
    assert "is not the model that the config names" in refused.err
    assert empty.records()[-1]["end"]["result"] == "refused"


def test_a_pickle_is_converted_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(7).normal(size=(200, 3)).astype("float32")
    yes = (rows[:, 0] > 0).astype(float)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, yes)
    monkeypatch.setenv("A_SECRET", "hush")
    name, data = convert_pickle("m.pkl", pickle.dumps(linear))
    assert name == "model.skops"
    mine = adopt(name, data, "classification", 1, ("a", "b", "c")).predict(rows)
    assert mine == pytest.approx(linear.predict_proba(rows)[:, 1], abs=1e-6)
    wrapped = xgb.XGBClassifier(n_estimators=3).fit(rows, yes)
    name, data = convert_pickle("m.pkl", pickle.dumps(wrapped))
    assert name == "model.ubj"
    assert adopt(name, data, "classification", 1, ("a", "b", "c")).predict(rows) == pytest.approx(
        wrapped.predict_proba(rows)[:, 1]
    )


class Nosy:
    """A pickle that looks at the variables of the process that reads it, and says so."""

    def __reduce__(self) -> Any:
        return exec, ("import os, sys; sys.exit(f'saw {sorted(os.environ)}')",)


def test_a_pickle_sees_no_variable_and_its_failure_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hush")
    with pytest.raises(DataError, match=r"m.pkl could not be converted from a pickle: saw") as found:
        convert_pickle("m.pkl", pickle.dumps(Nosy()))
    assert "A_SECRET" not in str(found.value)
