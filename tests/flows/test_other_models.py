"""The same flows on a regression and on a table without a time axis; every model twice gives the same bytes."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from plimsoll.assembly import KEY, assemble
from plimsoll.bundle import SIGNATURE, Bundle, load_bundle, sign_bundle
from tasks.bundles import fetch_bundle
from tasks.features import load_feature_function
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place

Cli = Callable[..., Answer]
FIRST = dt.date(2013, 2, 19)  # of the regression: its suite has judged no day yet


def train(plimsoll: Cli, model: str, *words: object) -> None:
    assert plimsoll("train", model, "--as-of", AS_OF, *words).code == 0


def champion(place: Place, plimsoll: Cli, model: str) -> Bundle:
    """Approve v1 and return its bundle as it comes back from MLflow."""
    assert plimsoll("approve", model, 1, "--as", APPROVER).code == 0
    return fetch_bundle(place.workspace, model, 1, place.ledger("trained", model=model)[0]["facts"]["bundle"])


def raw_rows(place: Place, model: str, day: dt.date) -> pd.DataFrame:
    """Return a batch assembled straight from the landing folder."""
    config = place.workspace.model(model)
    if config.source.kind == "table":
        return assemble(read(place.data / config.source.path), {}, config, None)
    near = [read(place.data / f"weather/{day + dt.timedelta(days=n)}.parquet") for n in (-1, 0, 1)]
    tables = {"weather": pd.concat(near, ignore_index=True), "planes": read(place.data / "planes.parquet")}
    return assemble(read(place.flights(day)), tables, config, load_feature_function(place.root, config))


def read(path: Path) -> pd.DataFrame:
    return pq.ParquetFile(path).read().to_pandas()


def same_bits(place: Place, bundle: Bundle, rows: pd.DataFrame, day: dt.date) -> None:
    """Assert that what lies in Delta is what the bundle says of the same rows, bit for bit."""
    found = place.predictions(day)
    for version in ("1", "2"):  # the second of the same bytes, in the shadow of the first
        scored = found[(found["model"] == bundle.model) & (found["version"] == version)].set_index("key")["score"]
        assert scored.loc[rows[KEY]].to_numpy().tobytes() == bundle.score(rows).tobytes()


def trained_twice(place: Place, model: str) -> None:
    first, second = (entry["facts"] for entry in place.ledger("trained", model=model))
    assert first["bundle"] == second["bundle"]
    assert first["snapshot"] == second["snapshot"]
    assert first["run"] != second["run"]


def test_a_yes_or_no_twice_gives_the_same_bytes(waiting: Place, plimsoll: Cli) -> None:
    train(plimsoll, MODEL)
    trained_twice(waiting, MODEL)
    bundle = champion(waiting, plimsoll, MODEL)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    same_bits(waiting, bundle, raw_rows(waiting, MODEL, DAY), DAY)


def test_a_number_goes_the_whole_way(waiting: Place, plimsoll: Cli) -> None:
    model = "flight_delay_minutes"
    train(plimsoll, model, "--from", FIRST)
    train(plimsoll, model, "--from", FIRST)
    trained_twice(waiting, model)
    bundle = champion(waiting, plimsoll, model)
    assert plimsoll("score", model, "--date", DAY, "--to", NEXT).code == 0
    rows = raw_rows(waiting, model, DAY)
    same_bits(waiting, bundle, rows, DAY)
    assert plimsoll("check", model, "--as-of", NEXT).code == 0
    late = waiting.ledger("drift_decided", model=model)[-1]["facts"]["late"]
    minutes = read(waiting.data / f"outcomes/{DAY}.parquet").set_index("flight_id")["arrival_delay_minutes"]
    error = np.abs(minutes.loc[rows[KEY]].to_numpy() - bundle.score(rows))
    assert late["loss"] == pytest.approx(np.nanmean(error))
    assert late["outcomes"] == np.isfinite(error).sum()
    assert not waiting.ledger("batch_committed"), "the other model on the same data has its own ledger"
    compared = plimsoll("compare", model)
    assert (compared.code, "Mean absolute error" in compared.out) == (0, True), compared.said


def test_a_table_without_dates_goes_the_whole_way(waiting: Place, plimsoll: Cli) -> None:
    model = "breast_cancer"
    train(plimsoll, model)
    train(plimsoll, model)
    trained_twice(waiting, model)
    bundle = champion(waiting, plimsoll, model)
    assert plimsoll("score", model, "--as-of", DAY).code == 0
    rows = raw_rows(waiting, model, DAY)
    assert len(rows) == 569
    same_bits(waiting, bundle, rows, DAY)
    assert plimsoll("score", model, "--as-of", DAY).out.count("1 committed before")
    assert plimsoll("check", model, "--as-of", DAY).code == 0
    facts = waiting.ledger("drift_decided", model=model)[0]["facts"]
    assert facts["late"]["outcomes"] == 569
    assert not facts["decision"]["retrain"]
    traced = plimsoll("trace", "sample-001", "--model", model, "--date", DAY)
    assert traced.code == 0
    assert "what happened" in traced.out
    compared = plimsoll("compare", model)
    assert (compared.code, "Not surely different over 139 rows" in " ".join(compared.out.split())) == (0, True), (
        compared.said
    )


def test_a_linear_model_that_is_too_old_asks_for_another(waiting: Place, plimsoll: Cli) -> None:
    model = "breast_cancer"
    waiting.configure("schedule:", "retrain: {max_age_days: 2}\ndrift: {report: never}\nschedule:", model)
    train(plimsoll, model)
    champion(waiting, plimsoll, model)
    for day in ("2013-03-03", "2013-03-04"):
        assert plimsoll("score", model, "--as-of", day).code == 0
        assert plimsoll("check", model, "--as-of", day).code == 0
    decisions = [entry["facts"]["decision"]["rule"] for entry in waiting.ledger("drift_decided", model=model)]
    assert decisions == ["nothing", "maximum_age"]
    assert len(waiting.ledger("trained", model=model)) == 2


def test_a_linear_model_comes_back_through_skops_bit_for_bit(waiting: Place) -> None:
    from plimsoll.assembly import attach_outcome
    from plimsoll.training import give_pseudo_days, train_bundle

    config = waiting.workspace.model("breast_cancer")
    rows = raw_rows(waiting, "breast_cancer", DAY)
    rows = attach_outcome(rows, read(waiting.data / config.outcome.path), config)
    made = train_bundle(give_pseudo_days(rows), config)
    seal = waiting.workspace.archive.seal
    files = {**made.files, SIGNATURE: sign_bundle(seal, made.model, made.digest)}
    back = load_bundle(files, made.model, made.digest, seal, "memory")
    assert back.score(rows).tobytes() == made.score(rows).tobytes()
    assert back.digest == made.digest, "written again it is the same bytes"
