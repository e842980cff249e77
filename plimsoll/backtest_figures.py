"""What a backtest says of its policies: quality, retrains, false alarms, nights worse than needed, and cost."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.backtest import AGE
from plimsoll.backtest_parts import Course, Model, shifted
from plimsoll.backtest_policies import CONFIGURED, MONTHLY
from plimsoll.errors import UserError

ALARM_NIGHTS = 7  # an alarm is held against so many nights after it
BAD_NIGHTS = 2  # of which so many must be bad; without a change they are one week in twenty
BAD_QUANTILE = 0.95  # of the reference losses: a night above is bad
WORSE_SHARE = 0.02  # a model is worse than needed when its loss is so much above the freshest model's
WEEK = 7


@dataclass(frozen=True)
class Prices:
    """What things cost, in any unit; a point of quality is one percent of the lowest mean loss, on one night.

    Raises UserError for a price that is negative or no number.
    """

    retrain: float = 10.0
    quality: float = 1.0

    def __post_init__(self) -> None:
        for name, price in (("retrain", self.retrain), ("quality", self.quality)):
            if not 0 <= price < math.inf:
                raise UserError(f"--{name}-price: expected a number of nought or more, found {price}.")


@dataclass(frozen=True)
class Tally:
    """One policy's figures."""

    policy: str
    nights: int  # with a loss
    mean_loss: float  # every night counts the same
    row_loss: float  # every row counts the same
    retrains: int
    promotions: int
    alarms: int  # retrains that something seen asked for, not age alone
    false_alarms: int
    worse_nights: int
    retrain_cost: float
    quality_cost: float
    against_monthly: float  # mean difference to every 30 days, night by night; negative is better
    uncertain: float | None  # two standard errors of it, from weekly means; None below two weeks

    @property
    def cost(self) -> float:
        """What retrains and lost quality cost together."""
        return self.retrain_cost + self.quality_cost

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {**asdict(self), "cost": self.cost}


def tally(courses: Sequence[Course], models: Mapping[str, Model], prices: Prices) -> tuple[Tally, ...]:
    """Return the figures of every policy, in their order; all are judged on the same nights.

    models are all that were trained in the backtest, by their names.
    """
    by_policy = {course.policy: losses_of(course) for course in courses}
    best = min(statistics.fmean(losses.values()) for losses in by_policy.values())
    return tuple(_tally(course, by_policy, best, models, prices) for course in courses)


def _tally(
    course: Course,
    by_policy: Mapping[str, Mapping[str, float]],
    best: float,
    models: Mapping[str, Model],
    prices: Prices,
) -> Tally:
    losses = by_policy[course.policy]
    mean = statistics.fmean(losses.values())
    difference, uncertain = paired(losses, by_policy[MONTHLY])
    asked = [one for one in course.retrains if one.rule != AGE]
    return Tally(
        policy=course.policy,
        nights=len(losses),
        mean_loss=mean,
        row_loss=_by_rows(course),
        retrains=len(course.retrains),
        promotions=sum(one.promoted for one in course.retrains),
        alarms=len(asked),
        false_alarms=sum(is_false(models[one.champion], one.date) for one in asked),
        worse_nights=sum(_is_worse(night.loss, models, night.date) for night in course.nights),
        retrain_cost=prices.retrain * len(course.retrains),
        quality_cost=prices.quality * 100 * (mean / best - 1) * len(losses) if best > 0 else 0.0,
        against_monthly=difference,
        uncertain=uncertain,
    )


def is_false(champion: Model, date: str) -> bool:
    """Return whether an alarm about a model was false: too few of the next nights were bad for that very model.

    A night is bad above the 95th percentile of the model's reference losses. The model is scored on the nights after
    the alarm whether or not it was replaced. Without a reference, or without those nights, nothing is called false.
    """
    after = [champion.losses.get(shifted(date, n)) for n in range(1, ALARM_NIGHTS + 1)]
    known = [night.loss for night in after if night and night.loss is not None]
    if not champion.reference or len(known) < BAD_NIGHTS:
        return False
    limit = quantile(champion.reference, BAD_QUANTILE)
    return sum(loss > limit for loss in known) < BAD_NIGHTS


def freshest(models: Mapping[str, Model], date: str) -> Model | None:
    """Return the youngest model that any policy had trained before a night, of two windows the configured one's."""
    found = [model for model in models.values() if model.as_of < date and not model.refused]
    return max(found, key=lambda model: (model.as_of, not model.start, model.start), default=None)


def paired(losses: Mapping[str, float], other: Mapping[str, float]) -> tuple[float, float | None]:
    """Return the mean nightly difference of two policies, and two standard errors of it.

    Nights hang together, so the error is taken from the means of whole weeks; None where there are less than two.
    """
    differences = [losses[date] - other[date] for date in sorted(losses)]
    weeks = [statistics.fmean(differences[n : n + WEEK]) for n in range(0, len(differences) - WEEK + 1, WEEK)]
    error = 2 * statistics.stdev(weeks) / math.sqrt(len(weeks)) if len(weeks) > 1 else None
    return statistics.fmean(differences), error


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least a share of values does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def sentences(tallies: Sequence[Tally]) -> list[str]:
    """Return in plain words what was reachable, and how the configured policy did."""
    if len({f"{one.mean_loss:.4f}" for one in tallies}) == 1:
        nights, loss = tallies[0].nights, tallies[0].mean_loss
        said = f"All policies lost the same, {loss:.4f} in the mean: {_count(nights, 'night')} cannot tell them apart."
        return [said, _prices(tallies)]
    by_name = {one.policy: one for one in tallies}
    best, worst = min(tallies, key=lambda t: t.mean_loss), max(tallies, key=lambda t: t.mean_loss)
    own, monthly = by_name[CONFIGURED], by_name[MONTHLY]
    gap = 100 * (worst.mean_loss / best.mean_loss - 1) if best.mean_loss > 0 else 0.0
    ends = [f"{one.policy}, mean loss {one.mean_loss:.4f}, {_count(one.retrains, 'retrain')}" for one in (best, worst)]
    return [
        f"Between the best policy here ({ends[0]}) and the worst ({ends[1]}) lie {gap:.1f} % of loss: that is what "
        "choosing among them can gain.",
        _against(own, monthly),
        _prices(tallies),
    ]


def _prices(tallies: Sequence[Tally]) -> str:
    costs = {one.policy: f"{one.cost:,.0f}" for one in tallies}
    if len(set(costs.values())) == 1:
        return f"At these prices all policies cost the same: {costs[CONFIGURED]}."
    least = costs[min(tallies, key=lambda t: t.cost).policy]
    *others, last = [policy for policy, cost in costs.items() if cost == least]
    who = f"{', '.join(others)} and {last} cost" if others else f"{last} costs"
    return f"At these prices {who} least: {least}. The configured policy: {costs[CONFIGURED]}."


def _against(own: Tally, monthly: Tally) -> str:
    by, error = own.against_monthly, own.uncertain
    how = "better" if by < 0 else "worse"
    how = "neither better nor worse, within what chance does," if error is None or abs(by) <= error else how
    count = f"{own.retrains} against {monthly.retrains}"
    fewer = "with fewer retrains" if own.retrains < monthly.retrains else "with as many retrains or more"
    told = "" if error is None else f" ± {error:.4f}"
    return (
        f"The configured policy is {how} beside {MONTHLY}, {fewer} ({count}): mean loss {own.mean_loss:.4f} against "
        f"{monthly.mean_loss:.4f}, a difference of {by:+.4f}{told}."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def losses_of(course: Course) -> dict[str, float]:
    """Return a policy's losses by night, those nights that have one."""
    return {night.date: night.loss for night in course.nights if night.loss is not None}


def _by_rows(course: Course) -> float:
    known = [(night.loss, night.outcomes) for night in course.nights if night.loss is not None]
    return sum(loss * rows for loss, rows in known) / sum(rows for _, rows in known)


def _is_worse(loss: float | None, models: Mapping[str, Model], date: str) -> bool:
    fresh = freshest(models, date)
    if loss is None or fresh is None or date not in fresh.losses:
        return False
    other = fresh.losses[date].loss
    return other is not None and loss > other * (1 + WORSE_SHARE)
