"""A backtest replays nights one by one through the code that decides: what is known on a night decides, no more.

A replay asks for what takes long (a model, a duel, what the nights show about a model) and is given it. What was made
depends on data and dates, never on the policy that asked, so policies share it.
"""

import datetime as dt
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from plimsoll.backtest_nights import still_waiting
from plimsoll.backtest_parts import (
    Course,
    Duel,
    Fight,
    History,
    Look,
    Model,
    Night,
    NightLoss,
    Request,
    Retraining,
    Seen,
    Served,
    Study,
    Train,
    learning_from,
    shifted,
)
from plimsoll.backtest_policies import Policy
from plimsoll.errors import DataError
from plimsoll.retrain import Decision, RetrainFacts, decide

AGE = "maximum_age"  # the only rule that asks for a retrain without having seen anything
INPUTS = "input_drift"  # the rule of a policy that retrains on an input alarm, which the real policy has not


@dataclass
class _State:
    """Where a replay stands. Not frozen: it is one replay's own."""

    champion: Model
    since: str  # the first night that it serves
    scores: str  # the first that it scores: a challenger scores beside the champion while it waits
    challenger: Model | None = None  # waits for its approval
    serves_from: str = ""
    scores_from: str = ""
    started: list[str] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    looked: int = -1  # the last block

    def begin(self, date: str) -> None:
        """Let a challenger score from its first night on, and serve once it is approved."""
        self.scores_from = self.scores_from or date
        if self.challenger and self.serves_from <= date:
            self.champion, self.since, self.challenger = self.challenger, date, None
            self.scores = self.scores_from
            self.seen, self.looked = {}, -1


def replay(policy: Policy, history: History) -> Generator[Request, Any, Course]:
    """Replay a policy over a history: yields what it needs, is sent it, returns its course.

    A retrain decided on a night is trained on outcomes known then and serves from the next night at the earliest.
    Raises DataError where no first model can be trained.
    """
    first: Model = yield learning_from(history, history.eve, policy.window_days)
    if first.refused:
        raise DataError(f"No first model could be trained as of {first.as_of}: {first.refused}")
    duel: Duel = yield Fight(first.asked)
    state = _State(first, *2 * (history.nights[0].date,))
    nights: list[Served] = []
    retrains: list[Retraining] = []
    for night in history.nights:
        state.begin(night.date)
        seen = yield from _seen(policy, state, night)
        decision = decided(policy, facts_of(policy, night, state, seen))
        nights.append(_served(night, state.champion, decision))
        if decision.retrain:
            retrains.append((yield from _retrain(policy, history, state, night, decision)))
    return Course(policy.name, tuple(nights), tuple(retrains), _refusals(duel))


def facts_of(policy: Policy, night: Night, state: _State, seen: Seen) -> RetrainFacts:
    """Return what a policy is shown of a night; to one that sees inputs alone, an input alarm is its quality alarm."""
    today = dt.date.fromisoformat(night.date)
    started = [(today - dt.date.fromisoformat(date)).days for date in state.started]
    alarms = {"all": seen.quality_alarms, "late losses": seen.quality_alarms, "inputs": (seen.input_alarm,)}
    return RetrainFacts(
        date=night.date,
        batch="rejected" if night.stopped else "committed",
        batch_reason=night.stopped,
        input_alarm=seen.input_alarm and policy.sees == "all",
        quality_alarms=alarms.get(policy.sees, ())[-policy.retrain.persistence_of :],
        recent_alarm=seen.recent_alarm and policy.sees in ("all", "late losses"),
        estimate_alarms=_estimates(policy, state, night) if policy.sees == "all" else (),
        alarmed_slices=seen.alarmed_slices if policy.sees in ("all", "late losses") else (),
        losses_rose_from=seen.losses_rose_from if policy.sees in ("all", "late losses") else None,
        model_age_days=(today - dt.date.fromisoformat(state.champion.as_of)).days,
        days_since_last_retrain=started[-1] if started else None,
        retrains_last_30_days=sum(days < 30 for days in started),
        in_flight=False,
        awaiting_approval=len(started) + 1 if state.challenger else None,
    )


def _estimates(policy: Policy, state: _State, night: Night) -> tuple[bool, ...]:
    dates = sorted(date for date in state.seen if date <= night.date)[-policy.retrain.persistence_of :]
    return tuple(state.seen[date].estimate_alarm for date in dates)


def decided(policy: Policy, facts: RetrainFacts) -> Decision:
    """Return the real decision on a night; that of a policy which sees inputs alone names inputs."""
    decision = decide(facts, policy.retrain)
    if policy.sees != "inputs" or not decision.retrain:
        return decision
    return Decision(True, INPUTS, f"Retrain on {facts.date}: inputs alarmed.")


def foreseen(policy: Policy, history: History) -> list[str]:
    """Return the business dates on which a policy that sees nothing trains: they depend on no result."""
    course, answer, dates = replay(policy, history), None, []
    while policy.sees == "nothing":
        try:
            request = course.send(answer)
        except StopIteration:
            break
        answer = Model(request.as_of, start=request.start) if isinstance(request, Train) else Duel(())
        dates += [request.as_of] if isinstance(request, Train) else []
    return dates


def _seen(policy: Policy, state: _State, night: Night) -> Generator[Request, Any, Seen]:
    if policy.sees == "nothing" or night.stopped:
        return Seen()
    while night.date not in state.seen:
        if state.looked < 0:
            yield Study(state.champion.asked)
        state.looked += 1
        waiting = still_waiting({date: seen for date, seen in state.seen.items() if date >= state.since})
        serves = state.since if state.scores < state.since else ""
        found = yield Look(state.champion.asked, state.scores, policy.drift, state.looked, waiting, serves)
        state.seen.update(found)
    return state.seen[night.date]


def _retrain(
    policy: Policy, history: History, state: _State, night: Night, decision: Decision
) -> Generator[Request, Any, Retraining]:
    state.started.append(night.date)
    challenger: Model = yield learning_from(history, night.date, policy.window_days, decision.train_from or "")
    told = (night.date, decision.rule, decision.sentence, state.champion.asked.name)
    if challenger.refused:
        return Retraining(*told, False, challenger.refused)
    duel: Duel = yield Fight(challenger.asked, state.champion.asked)
    if duel.passed:
        state.challenger, state.serves_from = challenger, shifted(night.date, history.approval_days + 1)
        state.scores_from = ""
    return Retraining(*told, duel.passed, "; ".join(gate.sentence for gate in duel.gates if gate.passed == duel.passed))


def _served(night: Night, model: Model, decision: Decision) -> Served:
    loss = NightLoss(None, 0) if night.stopped else model.losses.get(night.date, NightLoss(None, 0))
    return Served(night.date, model.asked.name, loss.loss, loss.outcomes, decision.rule, decision.retrain)


def _refusals(duel: Duel) -> tuple[str, ...]:
    return tuple(gate.sentence for gate in duel.gates if not gate.passed)
