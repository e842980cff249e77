"""Input drift: is tonight's batch stranger than the reference's own days are to each other?

Full conformal prediction (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2nd ed., ch. 2)
over days, not rows: rows of one day hang together, so no row-level p-value is calibrated. Tonight and the
reference days form one bag, every day of it is scored by the same rule, and tonight's rank decides.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plimsoll.drift_level import MIN_REFERENCE_DAYS, Level, alarming_ranks, level_of
from plimsoll.drift_measures import ColumnDays, Floats, Measure, column_days, short
from plimsoll.drift_together import measure_together
from plimsoll.profile import ColumnPlan, Profile

AT_MOST = "share at most "  # how Kolmogorov-Smirnov's measure begins
FLOOR, NULL_FLOOR = 0.01, 0.005  # distances below these matter to nobody, however steady the reference


@dataclass(frozen=True)
class ColumnPush:
    """How far tonight pushes one column, and what can be seen of it."""

    name: str
    push: float  # in units of what is large among the days of the bag
    measure: str  # the measure that pushes most: W1, KS, JS, share, nulls or given
    what: str  # the number that an analyst can look up: "mean about", "share of EV", "share of nulls"
    tonight: float
    usual: float  # the same number in the pool of nearest days, of given what the other columns lead to expect

    @property
    def words(self) -> str:
        """One phrase for a person."""
        own, other = _apart(self.tonight, self.usual, share=self.what.startswith("share"))
        if self.what.startswith(AT_MOST):
            return f"{self.name}: {own} of rows {self.what.removeprefix('share ')}, usually {other}"
        if own == other and self.measure == "W1":
            return f"{self.name}: {self.what} {own} as usual" + (", but spread otherwise" if self.push else "")
        beside = "by the other columns" if self.measure == "given" else "usually"
        return f"{self.name}: {self.what} {own}, {beside} {other}"


def _apart(own: float, other: float, *, share: bool) -> tuple[str, str]:
    """Return two numbers as a person reads them, with more digits where they look alike in few; alike if they are."""
    ways = ["{:.1%}", "{:.2%}", "{:.3%}"] if share else ["", "{:,.4g}", "{:,.5g}", "{:,.6g}"]
    shown = [tuple(way.format(value) if way else short(value) for value in (own, other)) for way in ways]
    first, second = next((pair for pair in shown if pair[0] != pair[1]), shown[0])
    return first, second


@dataclass(frozen=True)
class InputVerdict:
    """Tonight against the reference days; judged=False: nothing was decided, and the sentence says why."""

    judged: bool
    alarm: bool
    statistic: float | None
    threshold: float | None
    alpha: float  # the level used: 1/one_in_nights, or 1/supported_one_in where the days support no less
    supported_one_in: int  # the rarest alarm that this many reference days can support
    finer_than_supported: bool  # a rarer alarm was asked than the days support
    rate: float  # false alarms a night, as the mean over references of so many days; at most alpha
    true_rate: tuple[float, float]  # between these lies the rate of one reference, nine times in ten
    columns: tuple[ColumnPush, ...]  # most pushed first
    reference_statistics: tuple[float, ...]  # of the reference days that have rows, as given: who sets the threshold
    sentence: str


def judge_inputs(
    plan: Sequence[ColumnPlan], reference: Sequence[Profile], tonight: Profile, one_in_nights: int
) -> InputVerdict:
    """Return whether tonight is stranger than one night in one_in_nights of an unchanged feed would be.

    The order of the reference days does not matter; those without rows are left out. Raises DataError when a profile
    was made on another plan, ValueError when one_in_nights is below 2.
    """
    held = [day for day in reference if day.rows]
    if len(held) < MIN_REFERENCE_DAYS:
        why = f"there are {len(held)} reference days and {MIN_REFERENCE_DAYS} are needed."
        return unjudged(len(held), one_in_nights, why)
    if not tonight.rows:
        return unjudged(len(held), one_in_nights, "the batch has no rows.")
    return judge_measures(measure_bag([column_days(column, (*held, tonight)) for column in plan]), one_in_nights)


def measure_bag(columns: Sequence[ColumnDays]) -> list[Measure]:
    """Return every measure of a bag: of each column by itself, and of numbers beside each other."""
    return [*(measure for column in columns for measure in column.measures), *measure_together(columns)]


def judge_measures(measures: Sequence[Measure], one_in_nights: int) -> InputVerdict:
    """Return the verdict that the measures of every column of a bag give; tonight is the last day of the bag."""
    pushes = push_days(measures)
    others, statistic, threshold = _rank_tonight(pushes, one_in_nights)
    days = len(others)
    columns = _column_pushes(measures, pushes[:, -1])
    level = level_of(days, one_in_nights)
    sentence = _sentence(days, one_in_nights, level, statistic, threshold, columns)
    alarm = statistic > threshold
    return InputVerdict(
        True,
        alarm,
        statistic,
        threshold,
        **vars(level),
        columns=columns,
        reference_statistics=tuple(others),
        sentence=sentence,
    )


def alarms(measures: Sequence[Measure], one_in_nights: int) -> bool:
    """Return whether the verdict of `judge_measures` is an alarm, without its words."""
    _, statistic, threshold = _rank_tonight(push_days(measures), one_in_nights)
    return statistic > threshold


def push_days(measures: Sequence[Measure]) -> Floats:
    """Return e / √(Q95 of e over the whole bag × the largest e of the other days), measures × days.

    Neither is below the floor. The percentile alone lets long tails of one column set the threshold of all others, the
    largest alone lets one odd reference day hide a column; compared in docs/decisions/0022-scale-of-a-push.md.
    """
    excess = np.array([m.excess for m in measures])
    floors = np.array([[NULL_FLOOR if m.name == "nulls" else FLOOR] for m in measures])
    large = np.quantile(excess, 0.95, axis=1, keepdims=True)
    second, first = np.split(np.partition(excess, -2, axis=1)[:, -2:], 2, axis=1)
    largest_other = np.where(excess >= first, second, first)
    scale = np.sqrt(np.maximum(large, floors) * np.maximum(largest_other, floors))
    return np.asarray(np.round(excess / scale, 9))  # a sum's last bit must not break a tie


def unjudged(days: int, one_in_nights: int, why: str) -> InputVerdict:
    """Return the verdict of a night that so many reference days do not judge, and why; ValueError as judge_inputs."""
    level, said = level_of(days, one_in_nights), f"Inputs were not judged: {why}"
    return InputVerdict(False, False, None, None, **vars(level), columns=(), reference_statistics=(), sentence=said)


def to_json(verdict: InputVerdict) -> dict[str, Any]:
    """Return a verdict as a JSON value."""
    columns = [{**asdict(column), "words": column.words} for column in verdict.columns]
    lists = {"reference_statistics": [*verdict.reference_statistics], "true_rate": [*verdict.true_rate]}
    return {**asdict(verdict), "columns": columns, **lists}


def _rank_tonight(pushes: Floats, one_in_nights: int) -> tuple[list[float], float, float]:
    """Return the statistics of the other days, tonight's, and the threshold that it must exceed to alarm."""
    *others, statistic = pushes.max(axis=0).tolist()
    return others, statistic, sorted(others)[len(others) - alarming_ranks(len(others), one_in_nights)]


def _column_pushes(measures: Sequence[Measure], tonight: Floats) -> tuple[ColumnPush, ...]:
    found: dict[str, ColumnPush] = {}
    for at in np.argsort(-tonight, kind="stable"):
        m = measures[at]
        push = ColumnPush(m.column, float(tonight[at]), m.name, m.what, m.tonight, m.usual)
        found.setdefault(m.column, push)
    return tuple(found.values())


def _sentence(
    days: int, one_in_nights: int, level: Level, statistic: float, threshold: float, columns: Sequence[ColumnPush]
) -> str:
    over = [column for column in columns if column.push > threshold]
    found = f"Input drift in {len(over)} of {len(columns)} columns" if over else "No input drift"
    shown = "; ".join(column.words for column in (over or columns)[:3])
    one_in = min(one_in_nights, level.supported_one_in)
    low, high = level.true_rate
    text = (
        f"{found}: statistic {statistic:.2f}, threshold {threshold:.2f} (one false alarm in {one_in} nights, "
        f"{days} reference days: {low:.1%} to {high:.1%} of nights). Most pushed: {shown}."
    )
    if level.finer_than_supported:
        text += f" One in {one_in_nights} was asked; {days} days support no rarer than one in {one_in}."
    return text
