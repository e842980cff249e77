"""One model's life: trained, asked for, approved, scored, checked, retrained once, traced."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from plimsoll.digest import sha256_file
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, REQUESTER, Answer, Place

THIRD = dt.date(2013, 3, 4)
Cli = Callable[..., Answer]


def test_a_trained_version_waits_for_a_person_and_scores_nothing_before(waiting: Place, plimsoll: Cli) -> None:
    assert [e["kind"] for e in waiting.ledger()] == [
        "challenger_tried",
        "trained",
        "gates_passed",
        "promotion_requested",
    ]
    asked = waiting.ledger("promotion_requested")[0]
    assert asked["by"] == REQUESTER
    assert set(asked["facts"]["evidence"]) == {"bundle", "snapshot", "code", "config", "gate_report"}
    assert "flight_delay" in plimsoll("pending").out
    refused = plimsoll("score", MODEL, "--date", DAY)
    assert refused.code == 2
    assert "has no champion yet" in refused.err
    assert waiting.predictions().empty


def test_the_whole_life(waiting: Place, plimsoll: Cli) -> None:
    approved = plimsoll("approve", MODEL, 1, "--as", APPROVER, "--comment", "read it")
    assert (approved.code, "is champion now" in approved.out) == (0, True)

    scored = plimsoll("score", MODEL, "--date", DAY, "--to", THIRD, "--as-of", THIRD)
    assert scored.code == 0
    assert "3 batches" in scored.out
    rows = waiting.predictions()
    assert sorted(rows["batch_date"].unique()) == [str(DAY), str(NEXT), str(THIRD)]
    assert not rows.duplicated(["batch_date", "version", "key"]).any()
    assert rows["score"].between(0, 1).all()

    assert plimsoll("check", MODEL, "--as-of", THIRD).code == 0
    decided = waiting.ledger("drift_decided")
    assert [e["facts"]["date"] for e in decided] == [str(DAY), str(NEXT), str(THIRD)]
    assert all(e["facts"]["decision"]["sentence"] for e in decided)
    assert decided[-1]["facts"]["late"]["outcomes"] > 500, "yesterday's outcomes have come"

    entries = len(waiting.ledger())
    again = plimsoll("check", MODEL, "--date", DAY, "--to", THIRD, "--as-of", THIRD)
    assert again.code == 0
    assert len(waiting.ledger()) == entries, "a night is decided once"
    assert "every batch has a decision already" in plimsoll("check", MODEL, "--as-of", THIRD).out

    every_record_is_complete(waiting)
    one_key_answers_with_everything(waiting, plimsoll)
    assert "v1 was champion" in plimsoll("history", MODEL, "--at", DAY).out


def every_record_is_complete(place: Place) -> None:
    records = place.records()
    assert [r["flow"] for r in records] == ["train_model", "score_batch", "check_drift", "check_drift", "check_drift"]
    lock = sha256_file(place.root / "requirements.lock")
    for record in records:
        assert record["end"]["result"] == "done"
        assert record["end"]["sentence"]
        assert record["code"]["commit"] or record["code"]["tree"]
        assert record["environment"]["lock"] == lock
        assert (place.home / f"store/objects/sha256/{record['config'][:2]}/{record['config']}").is_file()
        assert record["prefect_run_id"]
    for record in records[:2]:
        for snapshot in record["end"]["snapshots"]:
            assert (place.home / f"store/objects/sha256/{snapshot[:2]}/{snapshot}").is_file()
    assert [len(r["end"]["snapshots"]) for r in records[:2]] == [1, 3]


def one_key_answers_with_everything(place: Place, plimsoll: Cli) -> None:
    row = place.predictions(DAY).iloc[10]
    answer = plimsoll("trace", row["key"], "--date", DAY, "--model", MODEL, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert found["prediction"]["score"] == row["score"]
    assert found["version"]["version"] == 1
    assert found["approval"]["by"] == APPROVER
    assert found["approval"]["comment"] == "read it"
    assert found["approval"]["evidence"]["bundle"] == found["version"]["bundle"]
    assert found["training_run"]["snapshots"] == [found["version"]["snapshot"]]
    assert found["training_run"]["source_tree"]
    assert found["scoring_run"]["lock"]
    assert found["batch"]["passed_validation"]
    assert found["outcome"]["outcome"] in (0.0, 1.0)
    assert len(found["reasons"]) == len(place.workspace.model(MODEL).feature_names)
    in_words = plimsoll("trace", row["key"], "--date", DAY)
    assert all(word in in_words.out for word in ("Why this score", "Approval", "Trained by", "Batch", "what happened"))


def test_a_retrain_is_started_once_however_often_the_night_is_checked(serving: Place, plimsoll: Cli) -> None:
    serving.configure("max_age_days: 60", "max_age_days: 1")
    assert plimsoll("score", MODEL, "--date", DAY, "--to", THIRD, "--as-of", THIRD).code == 0
    checked = plimsoll("check", MODEL, "--as-of", THIRD)
    assert checked.code == 0
    assert "maximum age" in checked.out
    assert [e["facts"]["version"] for e in serving.ledger("trained")] == [1, 2]
    report = serving.ledger("drift_decided")[-1]["facts"]["report"]
    assert (serving.home / "reports" / report).stat().st_size > 100_000, "a retrain comes with a report to look at"
    assert [e["facts"]["date"] for e in serving.ledger("drift_decided")] == [str(DAY), str(NEXT)], "later nights wait"
    for _ in range(2):
        assert plimsoll("check", MODEL, "--date", NEXT, "--as-of", THIRD).code == 0
    started = serving.ledger("retrain_started")
    assert len(started) == 1
    records = {record["run_id"]: record for record in serving.records()}
    retrained = records[serving.ledger("trained")[-1]["facts"]["run"]]
    assert started[0]["facts"]["run"] in retrained["end"]["parents"], "the retrain knows which night asked for it"
    assert len(serving.ledger("trained")) == 2
    assert plimsoll("check", MODEL, "--as-of", THIRD).code == 0
    assert "still waits for approval" in serving.ledger("drift_decided")[-1]["facts"]["decision"]["sentence"]
    assert len(serving.ledger("trained")) == 2
    every_decision_follows_from_its_entry(serving)


def every_decision_follows_from_its_entry(place: Place) -> None:
    from plimsoll.retrain import RetrainFacts, decide

    for entry in place.ledger("drift_decided"):
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in entry["facts"]["controller"].items()}
        again = decide(RetrainFacts(**known), place.workspace.model(MODEL).retrain)
        assert vars(again) == entry["facts"]["decision"]


def test_a_training_that_runs_is_not_begun_again_and_one_that_was_killed_is(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.configure("max_age_days: 60", "max_age_days: 1")
    assert plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT).code == 0
    beside: list[Answer] = []

    def trains(given: dict[str, Any]) -> dict[str, Any]:
        beside.append(plimsoll("check", MODEL, "--date", NEXT, "--as-of", NEXT, "--json"))
        return {"sentence": "as if it were killed here"}

    with monkeypatch.context() as slow:
        slow.setattr("flows.retraining._in_process", trains)
        assert plimsoll("check", MODEL, "--as-of", NEXT).code == 0
    assert len(beside) == 1, "the second check trains nothing"
    assert "has left no version yet, so no other is started" in json.loads(beside[0].out)["retrain"]["sentence"]
    [started] = serving.ledger("retrain_started")
    (serving.home / f"store/records/{started['facts']['run']}/end.json").unlink()
    with monkeypatch.context() as gone:
        gone.setattr("tasks.retrain_starts.is_dead", lambda name: name == started["facts"]["process"])
        assert plimsoll("check", MODEL, "--as-of", NEXT).code == 0
    assert [e["facts"]["version"] for e in serving.ledger("trained")] == [1, 2]
    assert serving.ledger("trained")[-1]["facts"]["cause_key"] == started["key"]
    taken_over = serving.ledger("retrain_started")[1:]
    assert [e["facts"]["decision"] for e in taken_over] == [started["facts"]["decision"]], "by a process of its own"


def test_a_report_that_cannot_be_drawn_stops_no_decision(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.configure("drift:\n", "drift:\n  report: always\n")
    assert plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT).code == 0
    monkeypatch.setattr("tasks.decisions.draw_report", lambda *_: 1 / 0)
    assert plimsoll("check", MODEL, "--as-of", NEXT).code == 0
    assert len(serving.ledger("drift_decided")) == 1
    [said] = serving.records()[-1]["end"]["outputs"]["not_drawn"]
    assert said == "Evidently's report about 2013-03-03 was not drawn: ZeroDivisionError: division by zero"


def test_a_retrain_that_was_decided_on_and_never_started_is_started_by_the_next_check(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.configure("max_age_days: 60", "max_age_days: 1")
    assert plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT).code == 0
    with monkeypatch.context() as killed:
        killed.setattr("flows.check_drift.start_retrain", dies)
        assert plimsoll("check", MODEL, "--as-of", NEXT).code != 0
    assert serving.ledger("drift_decided")[-1]["facts"]["decision"]["retrain"]
    assert serving.ledger("retrain_started") == []
    assert plimsoll("check", MODEL, "--as-of", THIRD).code == 0
    assert [e["facts"]["date"] for e in serving.ledger("retrain_started")] == [str(NEXT)]
    assert [e["facts"]["version"] for e in serving.ledger("trained")] == [1, 2]
    again = plimsoll("check", MODEL, "--as-of", THIRD)
    assert "No batch of 2013-03-04 was scored: plimsoll score flight_delay --date 2013-03-04" in again.said
    assert len(serving.ledger("trained")) == 2


def dies(*_: object) -> None:
    """End as a process does that is stopped between a decision and what follows from it."""
    raise KeyboardInterrupt


def test_gates_that_fail_ask_nobody(waiting: Place, plimsoll: Cli) -> None:
    waiting.configure("metric: auc, at_least: 0.5", "metric: auc, at_least: 0.99")
    trained = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert trained.code == 0
    assert "Gates refused flight_delay v2" in trained.out
    assert "0.9900" in trained.out
    assert [e["kind"] for e in waiting.ledger()][4:] == ["challenger_tried", "trained", "gates_failed"]
    refused = plimsoll("approve", MODEL, 2, "--as", APPROVER)
    assert refused.code == 2
    assert "has no promotion request" in refused.err
