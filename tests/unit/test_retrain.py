"""The retrain controller: which rule decides on which facts, and what it tells a person."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.drift_config import Retrain
from plimsoll.retrain import STOPS, RetrainFacts, decide

LIMITS: dict[str, Any] = {"cooldown_days": 14, "max_age_days": 45, "monthly_budget": 2}
POLICY = Retrain(persistence_nights=2, persistence_of=3, on_estimate="proposes", **LIMITS)
QUIET = RetrainFacts(
    date="2013-05-23",
    batch="committed",
    batch_reason="",
    input_alarm=False,
    quality_alarms=(False, False, False),
    recent_alarm=False,
    estimate_alarms=(False, False, False),
    alarmed_slices=(),
    losses_rose_from=None,
    model_age_days=20,
    days_since_last_retrain=20,
    retrains_last_30_days=1,
    in_flight=False,
    awaiting_approval=None,
)
LOSSES: dict[str, Any] = {"quality_alarms": (True, False, True)}
ESTIMATES: dict[str, Any] = {"estimate_alarms": (True, False, True)}
BLOCKS: list[tuple[str, dict[str, Any], str]] = [
    ("batch_rejected", {"batch": "rejected", "batch_reason": "seats: 40 % null"}, "(seats: 40 % null)"),
    ("batch_missing", {"batch": "missing"}, "batch is missing"),
    ("backfill", {"backfill": "v2 was trained on days through 2013-05-30"}, "and a decision about the past informs"),
    ("no_longer_champion", {"successor": 3}, "no longer serves, v3 is champion"),
    ("in_flight", {"in_flight": True}, "already running"),
    ("awaiting_approval", {"awaiting_approval": 7}, "version 7 still waits for approval"),
    ("cooldown", {"days_since_last_retrain": 13}, "13 days ago and the cooldown is 14 days"),
    ("monthly_budget", {"retrains_last_30_days": 2}, "2 of 2 retrains of the last 30 days"),
]


@pytest.mark.parametrize(
    ("retrain", "rule", "facts", "said"),
    [
        (False, "nothing", {}, "nothing asks for one, late losses alarmed on 0 of the last 3 nights"),
        (False, "input_drift_informs", {"input_alarm": True}, "input drift informs; it does not retrain"),
        (True, "late_losses", LOSSES, "Retrain on 2013-05-23: late losses alarmed on 2 of the last 3 nights"),
        (True, "late_losses", {**LOSSES, "model_age_days": 99, "input_alarm": True}, "late losses"),
        (
            False,
            "nothing",
            {"quality_alarms": (True, True, False, False, True)},
            "alarmed on 1 of the last 3",
        ),
        (False, "nothing", {"quality_alarms": (True,)}, "alarmed on 1 of the last 3"),
        (
            True,
            "maximum_age",
            {"model_age_days": 45},
            "the model is 45 days old and its maximum age is 45 days",
        ),
        (False, "nothing", {"model_age_days": 44}, "44 of at most 45 days old"),
        (True, "maximum_age", {"model_age_days": 45, "days_since_last_retrain": None}, "45 days old"),
        (True, "late_losses", {**LOSSES, "days_since_last_retrain": 14}, "late losses"),
        (True, "late_losses", {**LOSSES, "alarmed_slices": ("origin=JFK",)}, "late losses (of origin=JFK) alarmed"),
        (True, "recent_losses", {"recent_alarm": True}, "the moving average of late losses is high"),
        (True, "late_losses", {**LOSSES, "recent_alarm": True}, "late losses alarmed"),
        (True, "estimated_losses", ESTIMATES, "estimated before outcomes were high on 2 of the last 3 nights"),
        (True, "late_losses", {**LOSSES, **ESTIMATES}, "late losses"),
    ],
)
def test_the_rule_that_decides(retrain: bool, rule: str, facts: dict[str, Any], said: str) -> None:
    decision = decide(replace(QUIET, **facts), POLICY)
    assert (decision.retrain, decision.rule) == (retrain, rule)
    assert said in decision.sentence


@pytest.mark.parametrize(("rule", "facts", "said"), BLOCKS)
def test_what_stops_a_retrain_says_so_and_that_nothing_was_asked(rule: str, facts: dict[str, Any], said: str) -> None:
    decision = decide(replace(QUIET, **facts), POLICY)
    assert (decision.retrain, decision.rule) == (False, rule)
    assert decision.sentence.startswith("No retrain on 2013-05-23: ")
    assert said in decision.sentence
    assert decision.sentence.endswith("; nothing asks for one.")


@pytest.mark.parametrize(("rule", "facts", "said"), BLOCKS)
def test_a_wish_that_is_stopped_is_named_beside_what_stopped_it(rule: str, facts: dict[str, Any], said: str) -> None:
    for wish, words in (
        (LOSSES, "although late losses alarmed on 2"),
        ({"model_age_days": 60}, "60 days old"),
    ):
        decision = decide(replace(QUIET, **{**wish, **facts}), POLICY)
        assert (decision.retrain, decision.rule) == (False, rule)
        assert said in decision.sentence
        assert words in decision.sentence


def test_the_first_of_several_stops_is_the_rule() -> None:
    facts = QUIET
    for rule, changes, _ in reversed(BLOCKS):
        if rule != "batch_missing":
            facts = replace(facts, **changes)
            assert decide(facts, POLICY).rule == rule


def test_every_stop_is_known_to_what_would_start_an_owed_retrain() -> None:
    assert {rule for rule, _, _ in BLOCKS} == set(STOPS)


def test_broken_data_is_never_called_drift() -> None:
    facts = replace(QUIET, batch="rejected", batch_reason="units of distance", input_alarm=True)
    assert "broken data is not drift" in decide(facts, POLICY).sentence


@given(
    st.builds(
        RetrainFacts,
        date=st.just("2013-05-23"),
        batch=st.sampled_from(["committed", "rejected", "missing"]),
        batch_reason=st.just(""),
        input_alarm=st.booleans(),
        quality_alarms=st.lists(st.booleans(), max_size=6).map(tuple),
        recent_alarm=st.booleans(),
        estimate_alarms=st.lists(st.booleans(), max_size=6).map(tuple),
        model_age_days=st.integers(0, 100),
        days_since_last_retrain=st.none() | st.integers(0, 60),
        retrains_last_30_days=st.integers(0, 4),
        in_flight=st.booleans(),
        awaiting_approval=st.none() | st.integers(1, 9),
    )
)
def test_input_drift_alone_never_changes_a_decision(facts: RetrainFacts) -> None:
    with_alarm = decide(replace(facts, input_alarm=True), POLICY)
    without = decide(replace(facts, input_alarm=False), POLICY)
    assert with_alarm.retrain == without.retrain
    if with_alarm.retrain:
        assert facts.batch == "committed"
        assert not facts.in_flight
        assert facts.awaiting_approval is None
        assert facts.retrains_last_30_days < POLICY.monthly_budget


def test_an_estimate_that_informs_asks_for_nothing() -> None:
    informs = POLICY.model_copy(update={"on_estimate": "informs"})
    assert decide(replace(QUIET, **ESTIMATES), informs).rule == "nothing"
    assert Retrain().on_estimate == "informs", "of the bad nights it was measured on it caught none"


@pytest.mark.parametrize(
    ("facts", "first", "said"),
    [
        ({**LOSSES, "losses_rose_from": "2013-04-20"}, "2013-04-20", "since 2013-04-20; it learns from the days since"),
        ({**LOSSES, "losses_rose_from": "2013-05-10"}, None, "13 days; 30 days are asked to learn from those days"),
        ({**ESTIMATES, "losses_rose_from": "2013-04-20"}, None, "high on 2 of the last 3 nights"),
        (LOSSES, None, "2 of 3 are asked)."),
    ],
)
def test_a_retrain_for_late_losses_may_learn_from_the_days_since_the_change(
    facts: dict[str, Any], first: str | None, said: str
) -> None:
    decision = decide(replace(QUIET, **facts), POLICY.model_copy(update={"window": "since_change"}))
    assert (decision.retrain, decision.train_from) == (True, first)
    assert said in decision.sentence
    assert decide(replace(QUIET, **facts), POLICY).train_from is None
