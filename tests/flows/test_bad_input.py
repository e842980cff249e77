"""Bad input: one clear sentence, exit code 2 or a recorded rejected batch, and nothing half-written."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.demo_data import cut_at_noon
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, REQUESTER, Answer, Place, change

Cli = Callable[..., Answer]
Edit = Callable[[pd.DataFrame], pd.DataFrame]


def refused(answer: Answer, *words: str, code: int = 2, shown: bool = False) -> None:
    """Assert that a command ended in one sentence for a person, with these words in it, and showed nothing before."""
    assert answer.code == code, answer.said
    assert "Traceback" not in answer.said
    assert "Error: " in answer.err or "Usage: " in answer.err, answer.said
    for word in words:
        assert word in answer.said
    assert bool(answer.out) is shown


def nothing_half_written(place: Place) -> None:
    """Assert that nothing was scored and that no temporary file lies about."""
    assert place.predictions().empty
    assert not place.ledger("batch_committed")
    assert not place.unfinished()


def one_column(name: str, to: Any) -> Edit:
    return lambda frame: frame.assign(**{name: to})


BROKEN: dict[str, tuple[Edit, str]] = {
    "missing column": (lambda f: f.drop(columns="distance"), "feature distance is missing from the batch"),
    "missing key": (lambda f: f.drop(columns="flight_id"), "column flight_id is missing"),
    "renamed key": (lambda f: f.rename(columns={"flight_id": "flight_di"}), "Did you mean flight_di?"),
    "missing time": (lambda f: f.drop(columns="scheduled_departure"), "column scheduled_departure is missing"),
    "number as text": (lambda f: f.assign(distance=f["distance"].astype(str)), "feature distance must be a number"),
    "category as number": (one_column("carrier", 7), "feature carrier must be a category"),
    "time as text": (lambda f: f.assign(scheduled_departure="noon"), "it must be a UTC time"),
    "local time as text": (one_column("scheduled_departure_local", "noon"), "flights:build failed on this batch"),
    "no rows": (lambda f: f.head(0), "the file has no rows"),
    "all-null feature": (one_column("distance", None), "distance has no value in any of"),
    "all-null key": (one_column("flight_id", None), "flight_id has no value in any of"),
    "duplicate keys": (lambda f: pd.concat([f.head(750), f.head(1)]), "A flight is in the export once"),
    "two dates in one file": (
        lambda f: f.assign(flight_date=["a", "b"] * (len(f) // 2) + ["b"] * (len(f) % 2)),
        "one local date",
    ),
    "half the rows twice": (lambda f: pd.concat([f, f]), "A night's export holds"),
    "too many bad rows": (lambda f: f.assign(dest=["XXXX"] * 100 + list(f["dest"][100:])), "rows are bad"),
    "column for the function": (
        lambda f: f.drop(columns="scheduled_arrival_minute"),
        "needs column scheduled_arrival_minute",
    ),
    "column for a lookup": (lambda f: f.drop(columns="tailnum"), "the batch has no column tailnum"),
    "lookup key as number": (one_column("origin", 7), "origin is a number in the batch"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_batch_is_rejected_with_its_reason(serving: Place, plimsoll: Cli, what: str) -> None:
    edit, words = BROKEN[what]
    change(serving.flights(), edit)
    refused(plimsoll("score", MODEL, "--date", DAY), words, str(DAY))
    nothing_half_written(serving)
    rejected = serving.ledger("batch_rejected")
    assert len(rejected) == 1
    assert words in rejected[0]["facts"]["reason"]
    assert serving.records()[-1]["end"]["result"] == "refused"


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "expected a parquet file, found 0 bytes"), (b"PAR1 is all it has", "expected a parquet file, found 18")],
    ids=["0 bytes", "not parquet"],
)
def test_a_file_that_is_no_parquet_is_rejected(serving: Place, plimsoll: Cli, data: bytes, words: str) -> None:
    serving.flights().write_bytes(data)
    refused(plimsoll("score", MODEL, "--date", DAY), words)
    nothing_half_written(serving)
    assert len(serving.ledger("batch_rejected")) == 1


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_parquet_file_that_was_cut_or_changed_is_rejected(serving: Place, plimsoll: Cli, share: float) -> None:
    data = serving.flights().read_bytes()
    serving.flights().write_bytes(data[: int(len(data) * share)])
    refused(plimsoll("score", MODEL, "--date", DAY), "expected a parquet file")
    garbled = bytearray(data)
    garbled[100 : len(data) // 2] = bytes(len(data) // 2 - 100)
    serving.flights().write_bytes(garbled)
    refused(plimsoll("score", MODEL, "--date", DAY), str(DAY))
    nothing_half_written(serving)
    assert len(serving.ledger("batch_rejected")) == 2


def test_a_cut_feed_is_stopped_and_is_not_drift(serving: Place, plimsoll: Cli) -> None:
    serving.configure("max_age_days: 60", "max_age_days: 1")
    cut_at_noon(serving.data, str(NEXT))
    refused(plimsoll("score", MODEL, "--date", NEXT), "the export was cut")
    nothing_half_written(serving)
    assert plimsoll("check", MODEL, "--date", NEXT).code == 0
    facts = serving.ledger("drift_decided")[0]["facts"]
    assert (facts["decision"]["retrain"], facts["decision"]["rule"]) == (False, "batch_rejected")
    assert "although the model is 1 day old" in facts["decision"]["sentence"], "what asks for one is said all the same"
    assert facts["quality"]["judged"] is False, "and losses are looked at"


def test_a_few_bad_rows_are_set_aside_with_their_reasons(serving: Place, plimsoll: Cli) -> None:
    change(serving.flights(), lambda f: f.assign(dest=["XXXX"] * 5 + list(f["dest"][5:])))
    scored = plimsoll("score", MODEL, "--date", DAY)
    assert scored.code == 0
    keys = pq.ParquetFile(serving.flights()).read(["flight_id"])["flight_id"].to_pylist()
    assert sorted(serving.predictions()["key"]) == sorted(keys[5:])
    aside = serving.ledger("batch_committed")[0]["facts"]["quarantined"]
    assert sorted(row["key"] for row in aside) == sorted(keys[:5])
    assert {row["value"] for row in aside} == {"XXXX"}
    assert all("three letters" in row["says"] for row in aside)


def test_a_date_without_data_is_rejected(serving: Place, plimsoll: Cli) -> None:
    (serving.data / "flights/01.08.2013.parquet").write_bytes(serving.flights().read_bytes())
    looked_for = f"{serving.data}/flights/2013-08-01.parquet is not there. Was it exported? "
    stray = "There also is 01.08.2013.parquet, which no date has: name files like 2026-11-03.parquet."
    said = f"No batch of flight_delay for 2013-08-01: {looked_for}{stray}"
    refused(plimsoll("score", MODEL, "--date", "2013-08-01"), said)
    nothing_half_written(serving)
    assert serving.ledger("batch_rejected")[0]["facts"]["date"] == "2013-08-01"


def test_a_lookup_that_is_not_there_is_rejected(serving: Place, plimsoll: Cli) -> None:
    for path in (serving.data / "weather").glob("2013-03-0[123].parquet"):
        path.unlink()
    refused(plimsoll("score", MODEL, "--date", DAY), "Lookup weather has no rows for 2013-03-02")
    (serving.data / "planes.parquet").unlink()
    refused(plimsoll("score", MODEL, "--date", "2013-03-10"), "Lookup planes has no rows")
    nothing_half_written(serving)


def test_an_outcome_for_an_unknown_key_is_counted_and_not_used(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY, "--to", NEXT).code == 0
    late = serving.data / f"outcomes/{DAY}.parquet"
    expected = mean_loss(serving, late)
    change(late, lambda f: pd.concat([f, f.head(3).assign(flight_id=["x", "y", "z"], arrival_delay_minutes=999.0)]))
    assert plimsoll("check", MODEL, "--date", NEXT).code == 0
    night = serving.ledger("drift_decided")[-1]["facts"]["late"]
    assert (night["date"], night["unknown_keys"]) == (str(DAY), 3)
    assert night["loss"] == pytest.approx(expected, abs=1e-12)


def mean_loss(place: Place, outcomes: Path) -> float:
    """Return a date's mean log loss, worked out here."""
    import numpy as np

    late = pq.ParquetFile(outcomes).read().to_pandas().set_index("flight_id")["arrival_delay_minutes"].dropna()
    rows = place.predictions(DAY).set_index("key")["score"]
    score, truth = rows.loc[late.index], (late > 15).astype(float)
    return float(-(truth * np.log(score) + (1 - truth) * np.log(1 - score)).mean())


CONFIG: list[tuple[str, str, str]] = [
    ("max_quarantined_share", "max_quarantine_share", "unknown key scoring.max_quarantine_share. Did you mean"),
    ("seed: 7", "seed: seven", "estimator.seed: should be a valid integer"),
    ("kind: dates", "kind: [", "expected YAML"),
    ("function: flights:build", "function: flights:biuld", "expected a function biuld(batch)"),
    ("function: flights:build", "function: planes:build", "which does not exist"),
]


@pytest.mark.parametrize(("old", "new", "words"), CONFIG, ids=[words for _, _, words in CONFIG])
def test_a_mistake_in_a_model_config_is_named(serving: Place, plimsoll: Cli, old: str, new: str, words: str) -> None:
    serving.configure(old, new)
    asked = ("train", MODEL, "--as-of", AS_OF) if "function" in old else ("score", MODEL, "--date", DAY)
    refused(plimsoll(*asked), words)  # the champion scores on with the function that it was trained with
    nothing_half_written(serving)


@pytest.fixture
def as_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the feature function of now be the one that every version was trained with."""
    monkeypatch.setattr("tasks.batches.changed_features", lambda *_: "")


@pytest.mark.usefixtures("as_trained")
def test_a_feature_function_that_raises_is_the_teams_mistake(serving: Place, plimsoll: Cli) -> None:
    path = serving.root / "configs/features/flights.py"
    good = path.read_text()
    path.write_text(good.replace("    return batch.assign(", "    1 / 0\n    return batch.assign("))
    refused(plimsoll("score", MODEL, "--date", DAY), "flights:build failed on this batch", "division by zero")
    path.write_text(good.replace("return batch", "return = batch"))
    refused(plimsoll("score", MODEL, "--date", DAY), "flights.py cannot be imported", "invalid syntax")
    nothing_half_written(serving)


@pytest.mark.usefixtures("as_trained")
def test_a_feature_function_that_drops_rows_is_refused(serving: Place, plimsoll: Cli) -> None:
    path = serving.root / "configs/features/flights.py"
    path.write_text(path.read_text().replace("    return batch.assign(", "    return batch.head(600).assign("))
    refused(plimsoll("score", MODEL, "--date", DAY), "flights:build", "600 rows")
    nothing_half_written(serving)


def test_a_missing_suite_is_said(serving: Place, plimsoll: Cli) -> None:
    (serving.root / f"great_expectations/expectations/{MODEL}.json").unlink()
    refused(plimsoll("score", MODEL, "--date", DAY), "Expected a suite at", f"{MODEL}.json")
    nothing_half_written(serving)


def test_no_such_model(serving: Place, plimsoll: Cli) -> None:
    for command in ("train", "score", "check", "history", "runs"):
        refused(plimsoll(command, "flight_dely"), "No model named 'flight_dely'", "Did you mean flight_delay")
    refused(plimsoll("trace", "k", "--model", "nothing"), "No model named 'nothing'")
    refused(plimsoll("approve", "nothing", 1, "--as", APPROVER), "No model named 'nothing'")
    refused(plimsoll("config", "show", "nothing"), "No model named 'nothing'")


def test_as_json_an_error_is_json(serving: Place, plimsoll: Cli) -> None:
    answer = plimsoll("score", MODEL, "--date", "2013-08-01", "--json")
    assert answer.code == 2
    assert "2013-08-01" in json.loads(answer.out)["error"]


def test_dates_that_make_no_sense(serving: Place, plimsoll: Cli) -> None:
    backwards = ("--date", NEXT, "--to", DAY)
    refused(plimsoll("score", MODEL, *backwards), "Expected an end on or after the start 2013-03-03, found 2013-03-02")
    refused(plimsoll("check", MODEL, *backwards), "Expected an end on or after the start 2013-03-03, found 2013-03-02")
    turned = ("--from", "2013-03-01", "--to", "2013-02-20", "--as-of", AS_OF)
    refused(plimsoll("train", MODEL, *turned), "2013-03-01", "2013-02-20")
    refused(plimsoll("train", MODEL, "--as-of", "2012-01-01"), "no batch between", "nothing after 2011-12-31 can train")
    assert plimsoll("score", MODEL, "--date", "yesterday").code == 2
    nothing_half_written(serving)


def test_too_few_days_to_train_on(serving: Place, plimsoll: Cli) -> None:
    refused(
        plimsoll("train", MODEL, "--from", "2013-02-27", "--as-of", AS_OF), "Ask for more days than split.test_days"
    )
    assert len(serving.ledger("trained")) == 1


def test_a_check_of_what_was_never_scored(serving: Place, plimsoll: Cli) -> None:
    refused(plimsoll("check", MODEL, "--date", DAY), "no batch of 2013-03-02 was scored or rejected", "plimsoll score")
    assert not serving.ledger("drift_decided")


def test_a_check_before_anything_was_scored_says_so(empty: Place, plimsoll: Cli) -> None:
    answer = plimsoll("check", MODEL, "--as-of", AS_OF)
    assert answer.code == 0, "the schedule may run before the first approval"
    assert f"{MODEL} has no champion, so nothing was scored" in answer.out
    assert "has a decision" not in answer.out


def test_a_trace_of_an_unknown_key(serving: Place, plimsoll: Cli) -> None:
    refused(plimsoll("trace", "nobody"), "No model ever scored a row named 'nobody'", "Nothing was scored yet")
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    refused(plimsoll("trace", "nobody"), "Keys look like '2013-03-02/")
    refused(plimsoll("trace", "nobody", "--date", NEXT, "--model", MODEL), f"{MODEL} never scored", "on 2013-03-03")


def test_who_may_decide(waiting: Place, plimsoll: Cli) -> None:
    before = len(waiting.ledger())
    refused(
        plimsoll("approve", MODEL, 1, "--as", "mallory"), "'mallory' may not approve", "ada, grace, you", shown=True
    )
    refused(plimsoll("approve", MODEL, 1, "--as", REQUESTER), "may not approve it alone", "Ask grace", shown=True)
    refused(plimsoll("approve", MODEL, 9, "--as", APPROVER), "v9 has no promotion request")
    refused(plimsoll("rollback", MODEL, "--as", "mallory"), "'mallory' may not roll back")
    assert [e["kind"] for e in waiting.ledger()[before:]] == ["approval_refused"] * 2
    assert plimsoll("approve", MODEL, 1, "--as", "Grace").code == 0
    refused(plimsoll("approve", MODEL, 1, "--as", APPROVER), "Already decided", "approved by grace")
    refused(plimsoll("reject", MODEL, 1, "--as", APPROVER), "Already decided")
    assert len(waiting.ledger("promoted")) == 1


def test_rejected_is_rejected(waiting: Place, plimsoll: Cli) -> None:
    assert plimsoll("reject", MODEL, 1, "--as", APPROVER, "--comment", "not yet").code == 0
    refused(plimsoll("approve", MODEL, 1, "--as", APPROVER), "Already decided", "rejected by grace")
    refused(plimsoll("score", MODEL, "--date", DAY), "no champion yet")
    assert not waiting.ledger("promoted")


def test_a_rollback_to_nowhere(serving: Place, plimsoll: Cli) -> None:
    refused(plimsoll("rollback", MODEL, "--as", APPROVER), "It has no earlier champion")
    refused(plimsoll("rollback", MODEL, "--as", APPROVER, "--to", 7), "cannot be rolled back to v7")
    refused(plimsoll("rollback", MODEL, "--as", APPROVER, "--to", 1), "cannot be rolled back to v1")
    assert not serving.ledger("rolled_back")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PLIMSOLL_PREFECT__PROT", "1", "unknown key prefect.prot. Did you mean port?"),
        ("PLIMSOLL_HOMME", "x", "unknown key homme. Did you mean home?"),
        ("PLIMSOLL_HOME__URL", "x", "PLIMSOLL_HOME__URL"),
        ("PLIMSOLL_REPORTS_PORT", "many", "reports_port: should be a valid integer"),
        ("PLIMSOLL_REPORTS_PORT", "[1", "PLIMSOLL_REPORTS_PORT: expected a YAML value"),
        ("PLIMSOLL_ROOT", "/nowhere", "Expected configs/platform.yaml in /nowhere"),
        ("PLIMSOLL_STORE__URL", "ftp://x", "expected a folder or s3://bucket/prefix"),
    ],
)
def test_a_misspelt_variable_is_named(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    refused(plimsoll("score", MODEL, "--date", DAY), words)


@pytest.mark.parametrize("name", ["PLIMSOLL_HOME", "PLIMSOLL_STORE__URL"])
def test_a_home_that_cannot_be_written(empty: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (empty.data.parent / "file").write_text("a file, not a folder")
    monkeypatch.setenv(name, str(empty.data.parent / "file/home"))
    refused(plimsoll("train", MODEL, "--as-of", AS_OF), "Cannot write", "file/home")
    refused(plimsoll("score", MODEL, "--date", DAY), "Cannot write", "file/home")


@pytest.mark.parametrize("name", ["PLIMSOLL_PREDICTIONS__URL", "PLIMSOLL_MLFLOW__TRACKING_URI"])
def test_a_part_that_cannot_be_written(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (serving.data.parent / "file").write_text("a file, not a folder")
    url = f"{serving.data.parent}/file/part"
    monkeypatch.setenv(name, f"sqlite:///{url}/mlflow.db" if "MLFLOW" in name else url)
    refused(plimsoll("score", MODEL, "--date", DAY), "file/part")
    assert not serving.ledger("batch_committed")


def test_no_server_answers(serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIMSOLL_PREFECT__API_URL", "http://127.0.0.1:9/api")
    for command in ("train", "score", "check"):
        answer = plimsoll(command, MODEL, *(["--date", DAY] if command != "train" else []))
        refused(answer, "Expected a Prefect server at http://127.0.0.1:9/api, found none", "make up", code=4)
    nothing_half_written(serving)


def test_a_locked_environment_that_is_gone(serving: Place, plimsoll: Cli) -> None:
    (serving.root / "requirements.lock").unlink()
    refused(plimsoll("score", MODEL, "--date", DAY), "no run can prove its environment")
    nothing_half_written(serving)


def test_an_unknown_column_changes_nothing(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    change(serving.flights(NEXT), lambda frame: frame.assign(surprise=1))
    assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    assert len(serving.predictions(NEXT)) == pq.ParquetFile(serving.flights(NEXT)).metadata.num_rows


def test_training_leaves_out_broken_days_and_says_so(waiting: Place, plimsoll: Cli) -> None:
    cut_at_noon(waiting.data, "2013-02-20")
    (waiting.data / "flights/2013-02-21.parquet").write_bytes(b"")
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    excluded = waiting.ledger("promotion_requested")[-1]["facts"]["summary"]["excluded_dates"]
    assert "the export was cut" in excluded["2013-02-20"]
    assert "0 bytes" in excluded["2013-02-21"]
    assert dt.date.fromisoformat(waiting.ledger("trained")[-1]["facts"]["trained_through"]) < AS_OF


def test_nothing_but_broken_days_trains_nothing(waiting: Place, plimsoll: Cli) -> None:
    for path in (waiting.data / "flights").iterdir():
        path.write_bytes(b"")
    refused(plimsoll("train", MODEL, "--as-of", AS_OF), "no batch passed validation", "0 bytes")
    assert len(waiting.ledger("trained")) == 1


def test_outcomes_that_cannot_be_read_train_nothing(waiting: Place, plimsoll: Cli) -> None:
    (waiting.data / "outcomes/2013-02-20.parquet").write_bytes(b"no parquet")
    refused(plimsoll("train", MODEL, "--as-of", AS_OF), "outcomes of 2013-02-20", "expected a parquet file")
    pq.write_table(pa.table({"flight_id": ["a"]}), waiting.data / "outcomes/2013-02-20.parquet")
    refused(plimsoll("train", MODEL, "--as-of", AS_OF), "column arrival_delay_minutes is missing")
    assert len(waiting.ledger("trained")) == 1
