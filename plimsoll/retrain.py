"""The retrain controller: one pure decision a night, with its reason, also when the reason is not to act.

Quality falling is not the same as retraining helping, and the age of a model explains as much; so late
losses and a maximum age propose, input drift informs, and the challenger must still beat the champion.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from plimsoll.drift_config import Retrain

STOPS = (
    "batch_rejected",
    "batch_missing",
    "backfill",
    "no_longer_champion",
    "in_flight",
    "awaiting_approval",
    "cooldown",
    "monthly_budget",
)


@dataclass(frozen=True)
class RetrainFacts:
    """What is known about a model on one night."""

    date: str  # business date, ISO
    batch: Literal["committed", "rejected", "missing"]
    batch_reason: str  # why the batch was rejected or is missing; empty when committed
    input_alarm: bool
    quality_alarms: tuple[bool, ...]  # of the last nights, newest last
    recent_alarm: bool  # the moving average of late losses is high
    estimate_alarms: tuple[bool, ...]  # the same, of losses estimated before outcomes came
    alarmed_slices: tuple[str, ...]  # in which losses have risen, tonight
    losses_rose_from: str | None  # date from which they have been rising, None when they have not
    model_age_days: int  # 0 of a version that was trained after that night
    days_since_last_retrain: int | None  # up to that night; None: never retrained
    retrains_last_30_days: int  # up to that night
    in_flight: bool
    awaiting_approval: int | None  # version that waits for a person
    backfill: str = ""  # why the night is past for the version that scored it; empty when it is not
    successor: int | None = None  # champion of now, where the version that scored the night no longer serves


@dataclass(frozen=True)
class Decision:
    """Whether to retrain; rule is the stable slug of the rule that decided."""

    retrain: bool
    rule: str
    sentence: str
    train_from: str | None = None  # first date of the training window, None for the configured one


def decide(facts: RetrainFacts, policy: Retrain) -> Decision:
    """Return the decision of the first rule that holds.

    Broken or missing data, a night that is past, a version that no longer serves, a running retrain, an open
    request, the cooldown and the monthly budget stop a retrain; late losses and the maximum age ask for one. A
    stopped wish is named beside what stopped it.
    """
    wish, stop = _wish(facts, policy), _stop(facts, policy)
    if stop:
        rule, because = stop
        tail = f", although {wish[1]}" if wish else f"; {_no_wish(facts)}"
        return Decision(False, rule, f"No retrain on {facts.date}: {because}{tail}.")
    if wish:
        first, window = _window(facts, policy, wish[0])
        return Decision(True, wish[0], f"Retrain on {facts.date}: {wish[1]}.{window}", first)
    rule = "input_drift_informs" if facts.input_alarm else "nothing"
    return Decision(False, rule, f"No retrain on {facts.date}: {_no_wish(facts)}, {_state(facts, policy)}.")


def _stop(facts: RetrainFacts, policy: Retrain) -> tuple[str, str] | None:
    """Return (rule, reason) of the first rule that stops a retrain."""
    last, spent = facts.days_since_last_retrain, facts.retrains_last_30_days
    why = f" ({facts.batch_reason})" if facts.batch_reason else ""
    if facts.batch == "rejected":
        return (
            "batch_rejected",
            f"tonight's batch was rejected by validation{why}, and broken data is not drift",
        )
    if facts.batch == "missing":
        return "batch_missing", f"tonight's batch is missing{why}, and missing data is not drift"
    if facts.backfill:
        return "backfill", f"{facts.backfill}, and a decision about the past informs only"
    if facts.successor is not None:
        return "no_longer_champion", f"the version that scored it no longer serves, v{facts.successor} is champion"
    if facts.in_flight:
        return "in_flight", "a retrain is already running; cancel it in Prefect if no worker takes it"
    if facts.awaiting_approval is not None:
        return "awaiting_approval", f"version {facts.awaiting_approval} still waits for approval"
    if last is not None and last < policy.cooldown_days:
        return (
            "cooldown",
            f"the last one was {_days(last)} ago and the cooldown is {_days(policy.cooldown_days)}",
        )
    if spent >= policy.monthly_budget:
        return "monthly_budget", f"{spent} of {policy.monthly_budget} retrains of the last 30 days are spent"
    return None


def _wish(facts: RetrainFacts, policy: Retrain) -> tuple[str, str] | None:
    """Return (rule, reason) of the first rule that asks for a retrain."""
    over = sum(facts.quality_alarms[-policy.persistence_of :])
    if over >= policy.persistence_nights:
        return "late_losses", f"late losses{_in(facts.alarmed_slices)} alarmed on {_of(over, policy)}"
    if policy.on_recent == "proposes" and facts.recent_alarm:
        return "recent_losses", "the moving average of late losses is high"
    high = sum(facts.estimate_alarms[-policy.persistence_of :])
    if policy.on_estimate == "proposes" and high >= policy.persistence_nights:
        return "estimated_losses", f"losses estimated before outcomes were high on {_of(high, policy)}"
    if facts.model_age_days >= policy.max_age_days:
        age, limit = _days(facts.model_age_days), _days(policy.max_age_days)
        return "maximum_age", f"the model is {age} old and its maximum age is {limit}"
    return None


def _window(facts: RetrainFacts, policy: Retrain, rule: str) -> tuple[str | None, str]:
    """Return the first date to learn from, None for the configured window, and what to say about it."""
    if policy.window == "configured" or rule != "late_losses" or facts.losses_rose_from is None:
        return None, ""
    days = (dt.date.fromisoformat(facts.date) - dt.date.fromisoformat(facts.losses_rose_from)).days
    said = f" Losses have been rising since {facts.losses_rose_from}"
    if days < policy.min_days_since_change:
        asked = f"{_days(policy.min_days_since_change)} are asked to learn from those days alone"
        return None, f"{said}, {_days(days)}; {asked}, so the configured window is taken."
    return facts.losses_rose_from, f"{said}; it learns from the days since then."


def _of(alarms: int, policy: Retrain) -> str:
    asked = f"{policy.persistence_nights} of {policy.persistence_of} are asked"
    return f"{alarms} of the last {policy.persistence_of} nights ({asked})"


def _in(slices: Sequence[str]) -> str:
    return f" (of {', '.join(slices)})" if slices else ""


def _no_wish(facts: RetrainFacts) -> str:
    if facts.input_alarm:
        return "inputs drifted, but input drift informs; it does not retrain"
    return "nothing asks for one"


def _state(facts: RetrainFacts, policy: Retrain) -> str:
    over = sum(facts.quality_alarms[-policy.persistence_of :])
    return (
        f"late losses alarmed on {over} of the last {policy.persistence_of} nights and the model is "
        f"{facts.model_age_days} of at most {_days(policy.max_age_days)} old"
    )


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"
