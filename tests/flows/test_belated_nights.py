"""Nights that come late: scored after the fact, by a later champion, or when their file came; retrains that died."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from prefect.states import Crashed
from prefect.states import Running as StateRunning

from flows.deploy import deploy
from plimsoll.errors import ServerError
from tasks.keyed_runs import runs_by_key
from tasks.prefect_api import connected
from tests.flows.places import APPROVER, DAY, MODEL, NEXT, Answer, Place, change

Cli = Callable[..., Answer]
BEFORE = DAY - dt.timedelta(days=1)  # v1 was trained on it
THIRD, FOURTH = DAY + dt.timedelta(days=2), DAY + dt.timedelta(days=3)


def rules(place: Place) -> list[tuple[str, int, str]]:
    """Return date, version and rule of every decision, in the ledger's order."""
    facts = [entry["facts"] for entry in place.ledger("drift_decided")]
    return [(f["date"], f.get("version"), f["decision"]["rule"]) for f in facts]


def controller(place: Place) -> dict[str, Any]:
    """Return what the last decision was decided from."""
    found: dict[str, Any] = place.ledger("drift_decided")[-1]["facts"]["controller"]
    return found


def test_the_past_and_a_former_champion_start_nothing(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY, "--to", NEXT, "--as-of", NEXT).code == 0
    assert plimsoll("check", MODEL, "--date", DAY, "--as-of", NEXT).code == 0
    assert plimsoll("train", MODEL, "--as-of", THIRD).code == 0
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    serving.configure("max_age_days: 60", "max_age_days: 1")

    former = plimsoll("check", MODEL, "--as-of", NEXT)
    assert former.code == 0
    assert rules(serving) == [(str(DAY), 1, "nothing"), (str(NEXT), 1, "no_longer_champion")]
    assert "no longer serves, v2 is champion, although the model is 1 day old" in " ".join(former.out.split())
    assert controller(serving)["days_since_last_retrain"] is None, "v2 was trained after that night"

    entries = len(serving.ledger("drift_decided"))
    assert plimsoll("score", MODEL, "--date", BEFORE, "--to", DAY, "--as-of", THIRD).code == 0
    assert serving.predictions(DAY)["version"].unique().tolist() == ["1", "2"]
    past = plimsoll("check", MODEL, "--as-of", THIRD)
    assert past.code == 0
    assert rules(serving)[entries:] == [(str(BEFORE), 2, "backfill")], "the other date is decided already"
    assert f"v2 was not champion then (since {THIRD})" in past.out
    assert controller(serving)["model_age_days"] == 0
    assert plimsoll("check", MODEL, "--date", DAY, "--as-of", THIRD).code == 0
    assert "every batch has a decision already, the newest that of 2013-03-03" in plimsoll(
        "check", MODEL, "--as-of", THIRD
    ).out.replace("\n", " ")
    assert len(serving.ledger("drift_decided")) == entries + 1

    assert plimsoll("score", MODEL, "--date", FOURTH, "--as-of", FOURTH).code == 0
    assert plimsoll("check", MODEL, "--as-of", FOURTH).code == 0
    assert rules(serving)[-1] == (str(FOURTH), 2, "cooldown"), "a champion that was trained by hand has its time too"
    assert controller(serving)["retrains_last_30_days"] == 0, "and spends nothing of the policy's"
    assert [e["facts"]["version"] for e in serving.ledger("trained")] == [1, 2]


def test_nothing_owed_is_started_while_the_newest_batch_is_rejected(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    serving.configure("max_age_days: 60", "max_age_days: 1")
    assert plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT).code == 0
    with monkeypatch.context() as killed:
        killed.setattr("flows.check_drift.start_retrain", dies)
        assert plimsoll("check", MODEL, "--as-of", NEXT).code != 0
    change(serving.flights(THIRD), lambda flights: flights.drop(columns="distance"))
    assert plimsoll("score", MODEL, "--date", THIRD, "--as-of", THIRD).code == 2
    for words in ([], [], ["--date", NEXT]):
        checked = plimsoll("check", MODEL, "--as-of", THIRD, *words)
        assert checked.code == 0
        said = " ".join(checked.out.split())
        assert f"The retrain of {NEXT} was not started: the newest night stops it. No retrain on {THIRD}" in said
    assert [e["facts"]["version"] for e in serving.ledger("trained")] == [1]
    assert not serving.ledger("retrain_started")


def test_a_date_that_lands_late_is_named_scored_and_decided_on_without_a_retrain(serving: Place, plimsoll: Cli) -> None:
    serving.configure("max_age_days: 60", "max_age_days: 3")
    late = serving.flights(NEXT).read_bytes()
    serving.flights(NEXT).unlink()
    for day in (DAY, THIRD):
        assert plimsoll("score", MODEL, "--date", day, "--as-of", day).code == 0
    serving.flights(NEXT).write_bytes(late)
    checked = plimsoll("check", MODEL, "--as-of", THIRD)
    assert f"Landed and not scored yet: {NEXT}. Score them in order: plimsoll score {MODEL}" in " ".join(
        checked.out.split()
    )
    scored = plimsoll("score", MODEL, "--as-of", THIRD)
    assert (scored.code, "1 batch" in scored.out) == (0, True), scored.said
    assert serving.predictions(NEXT)["role"].unique().tolist() == ["champion"]
    again = plimsoll("check", MODEL, "--as-of", THIRD)
    assert rules(serving)[-1] == (str(NEXT), 1, "backfill")
    assert f"the later night of {THIRD} was decided already" in " ".join(again.out.split())
    assert "Landed and not scored" not in again.out
    assert "committed before" not in plimsoll("score", MODEL, "--as-of", THIRD).out


def test_a_retrain_that_died_on_a_worker_is_begun_again_and_one_that_lives_is_not_doubled(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.check_drift import check_drift

    serving.configure("max_age_days: 60", "max_age_days: 1")
    assert plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT).code == 0
    deploy(serving.workspace, [("flows.train_model.train_model", "train")])
    monkeypatch.setenv("PLIMSOLL_DISPATCH", "deployment")

    def check(**dates: dt.date) -> dict[str, Any]:
        found: dict[str, Any] = check_drift(MODEL, as_of=NEXT, **dates)["retrain"]
        return found

    def becomes(run: str, state: Any) -> None:
        with connected() as client:
            client.set_flow_run_state(UUID(run), state, force=True)

    first = check()["flow_run"]
    assert check() is None, "nothing is owed while it waits"
    alive = check(start=NEXT)
    assert (alive["flow_run"], "Prefect shows as Scheduled, so no other" in alive["sentence"]) == (first, True)
    becomes(first, Crashed())
    second = check()
    assert second["flow_run"] != first
    assert second["sentence"] == f"Training run {second['flow_run']} was started."
    becomes(second["flow_run"], StateRunning())
    assert check(start=NEXT)["flow_run"] == second["flow_run"]
    becomes(second["flow_run"], Crashed())
    third = check(start=NEXT)["flow_run"]
    assert len({first, second["flow_run"], third}) == 3
    starts = serving.ledger("retrain_started")
    assert [entry["facts"]["date"] for entry in starts] == [str(NEXT)] * 3
    known = runs_by_key("train-model", [f"{MODEL}:{entry['key']}" for entry in starts])
    assert [known[f"{MODEL}:{entry['key']}"].id for entry in starts] == [first, second["flow_run"], third]

    becomes(third, Crashed())
    monkeypatch.delenv("PLIMSOLL_DISPATCH")
    assert plimsoll("score", MODEL, "--date", THIRD, "--as-of", THIRD).code == 0
    monkeypatch.setattr("tasks.retrain_starts.runs_by_key", silent)
    with pytest.raises(ServerError):
        check_drift(MODEL, as_of=THIRD)
    assert len(serving.ledger("retrain_started")) == 3


def silent(*_: object) -> None:
    """Fail as a Prefect does that no longer answers."""
    raise ServerError("Prefect does not answer")
