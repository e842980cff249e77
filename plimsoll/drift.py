"""Input drift: is tonight's batch stranger than the reference's own days are to each other?

Full conformal prediction (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2nd ed., ch. 2)
over days, not rows: rows of one day hang together, so no row-level p-value is calibrated. Tonight and the
reference days form one bag, every day of it is scored by the same rule, and tonight's rank decides.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import DataError
from plimsoll.profile import ColumnPlan, ColumnProfile, Profile

MIN_REFERENCE_DAYS = 10
POOL_DAYS = 15
FLOOR, NULL_FLOOR = 0.01, 0.005  # distances below these matter to nobody, however steady the reference
KS_NOISE = 0.87**2  # squared mean of Kolmogorov's distribution, √(π/2)·ln 2 = 0.869

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnPush:
    """How far tonight pushes one column, in units of the bag's 95th percentile, and what can be seen of it."""

    name: str
    push: float
    measure: str  # the measure that pushes most: W1, KS, JS, chi or nulls
    what: str  # the number that an analyst can look up: "mean", "share of carrier EV", "share of nulls"
    tonight: float
    usual: float  # the same number in the pool of nearest days

    @property
    def words(self) -> str:
        """One phrase for a person."""
        return f"{self.name}: {self.what} {_say(self, self.tonight)}, usually {_say(self, self.usual)}"


@dataclass(frozen=True)
class InputVerdict:
    """Tonight against the reference days; with judged=False nothing was decided and the sentence says why."""

    judged: bool
    alarm: bool
    statistic: float | None
    threshold: float | None
    alpha: float  # the level used: 1/one_in_nights, or 1/supported_one_in where the days support no less
    supported_one_in: int  # the rarest alarm that this many reference days can support
    finer_than_supported: bool  # a rarer alarm was asked than the days support
    columns: tuple[ColumnPush, ...]  # most pushed first
    sentence: str


@dataclass(frozen=True)
class _Measure:
    name: str
    excess: Floats  # of every bag day over its pool, sampling noise removed; tonight is last
    floor: float
    what: str
    tonight: float
    usual: float

    def push(self) -> Floats:
        return self.excess / max(float(np.quantile(self.excess, 0.95)), self.floor)


def judge_inputs(
    plan: Sequence[ColumnPlan], reference: Sequence[Profile], tonight: Profile, one_in_nights: int
) -> InputVerdict:
    """Return whether tonight is stranger than one night in one_in_nights of an unchanged feed would be.

    The order of the reference days does not matter. Raises DataError when a profile was made on another
    plan, ValueError when one_in_nights is below 2.
    """
    if one_in_nights < 2:
        raise ValueError(f"one_in_nights: expected 2 or more, found {one_in_nights}.")
    days = len(reference)
    alpha = 1 / min(one_in_nights, days + 1)
    if days < MIN_REFERENCE_DAYS:
        why = f"Inputs were not judged: {days} reference days, {MIN_REFERENCE_DAYS} are needed. Score more days first."
        return InputVerdict(False, False, None, None, alpha, days + 1, one_in_nights > days + 1, (), why)
    bag = (*reference, tonight)
    measures = [_measure(column, _column_days(column, bag)) for column in plan]
    strange = _strangeness(measures)
    rank = days + 1 - max((days + 1) // one_in_nights, 1)  # ⌈(n+1)(1−α)⌉, at most n
    threshold = float(np.sort(strange[:-1])[rank - 1])
    pushes = [_column_push(column.name, found) for column, found in zip(plan, measures, strict=True)]
    pushes.sort(key=lambda push: -push.push)
    statistic = float(strange[-1])
    sentence = _sentence(days, one_in_nights, statistic, threshold, pushes)
    return InputVerdict(
        True,
        statistic > threshold,
        statistic,
        threshold,
        alpha,
        days + 1,
        one_in_nights > days + 1,
        tuple(pushes),
        sentence,
    )


def to_json(verdict: InputVerdict) -> dict[str, Any]:
    """Return a verdict as a JSON value."""
    return {**asdict(verdict), "columns": [{**asdict(c), "words": c.words} for c in verdict.columns]}


def _strangeness(measures: Sequence[Sequence[_Measure]]) -> Floats:
    pushes: Floats = np.max([m.push() for found in measures for m in found], axis=0)
    return np.round(pushes, 9)  # the order of days moves the last bit of a sum; it must not break a tie


def _column_push(name: str, found: Sequence[_Measure]) -> ColumnPush:
    pushes = [float(measure.push()[-1]) for measure in found]
    top = int(np.argmax(pushes))
    m = found[top]
    return ColumnPush(name, round(pushes[top], 9), m.name, m.what, m.tonight, m.usual)


def _column_days(column: ColumnPlan, bag: Sequence[Profile]) -> list[ColumnProfile]:
    days = [profile.columns.get(column.name) for profile in bag]
    found = [day for day in days if day and _fits(column, day)]
    if len(found) < len(bag):
        raise DataError(
            f"Column {column.name}: {len(bag) - len(found)} of {len(bag)} profiles were made on another plan. "
            "Profile those days again on the plan of the model that is judged."
        )
    return found


def _fits(column: ColumnPlan, day: ColumnProfile) -> bool:
    if isinstance(day.counts, dict):
        return column.kind == "category"
    return column.kind == "number" and len(day.counts) == len(column.edges) + 1


def _measure(column: ColumnPlan, days: Sequence[ColumnProfile]) -> list[_Measure]:
    if column.kind == "category":
        return [*_category_measures(column, days), _null_measure(days)]
    return [*_number_measures(column, days), _null_measure(days)] if column.edges else [_null_measure(days)]


def _number_measures(column: ColumnPlan, days: Sequence[ColumnProfile]) -> list[_Measure]:
    """Return W₁/sd and Kolmogorov–Smirnov D of every day against its pool."""
    from scipy.spatial.distance import pdist

    points = np.append(np.asarray(column.edges), column.hi)  # what a bin stands for: its right end
    widths = np.diff(points)
    bins = np.fromiter(chain.from_iterable(day.counts for day in days), np.float64).reshape(len(days), -1)
    cdf = _shares(bins).cumsum(axis=1)[:, :-1]
    pool = _pools(pdist(cdf * widths, "cityblock"), bins)
    pool_shares = _shares(pool)
    pool_cdf = pool_shares.cumsum(axis=1)[:, :-1]
    means = pool_shares @ points
    sd = np.sqrt(np.sum(pool_shares * (points - means[:, None]) ** 2, axis=1))
    gap = np.abs(cdf - pool_cdf)
    spread = np.sqrt(np.clip(pool_cdf * (1 - pool_cdf), 0, None)) @ widths
    at = int(gap[-1].argmax())
    what = f"share at most {_short(points[at])}" if at else f"share below {_short(column.lo)}"
    mean = "mean about", _shares(bins)[-1] @ points, means[-1]
    share = what, cdf[-1, at], pool_cdf[-1, at]
    return [
        _excess("W1", _ratio(gap @ widths, sd), 2 / math.pi * _ratio(spread, sd) ** 2, bins, pool, mean),
        _excess("KS", gap.max(axis=1), np.full(len(days), KS_NOISE), bins, pool, share),
    ]


def _category_measures(column: ColumnPlan, days: Sequence[ColumnProfile]) -> list[_Measure]:
    """Return √JSD (nats) and the χ distance of every day against its pool."""
    from scipy.spatial.distance import pdist
    from scipy.special import rel_entr

    tallies = [day.counts for day in days if isinstance(day.counts, dict)]
    names = sorted(set().union(*tallies)) or [""]
    counts = np.array([[tally.get(name, 0) for name in names] for tally in tallies], dtype=np.float64)
    pool = _pools(pdist(counts, "jensenshannon"), counts)
    p, q, mid = _shares(counts), _shares(pool), (_shares(counts) + _shares(pool)) / 2
    jsd = (rel_entr(p, mid) + rel_entr(q, mid)) / 2
    chi = (p - q) ** 2 / np.maximum(mid, 0.5 / _rows(pool)[:, None])
    seen = np.count_nonzero(mid, axis=1) - 1.0  # k − 1 of the categories that the pair holds
    found = []
    for name, parts, noise in (("JS", jsd, seen / 8), ("chi", chi, seen)):
        at = int(parts[-1].argmax())
        shown = f"share of {names[at]}", p[-1, at], q[-1, at]
        distance = np.sqrt(np.maximum(parts.sum(axis=1), 0))
        found.append(_excess(name, distance, noise, counts, pool, shown))
    return found


def _null_measure(days: Sequence[ColumnProfile]) -> _Measure:
    shares = np.array([day.nulls / max(day.rows, 1) for day in days])
    others = (math.fsum(shares) - shares) / (len(days) - 1)
    shown = "share of nulls", float(shares[-1]), float(others[-1])
    return _Measure("nulls", np.abs(shares - others), NULL_FLOOR, *shown)


def _pools(condensed: Floats, counts: Floats) -> Floats:
    """Return, for every day, the summed counts of its nearest other days; days tied for the last place all count."""
    from scipy.spatial.distance import squareform

    apart = squareform(np.where(np.isnan(condensed), np.inf, condensed), checks=False)
    empty = counts.sum(axis=1) == 0
    apart[empty] = apart[:, empty] = np.inf
    np.fill_diagonal(apart, np.inf)
    last = min(POOL_DAYS, len(counts) - 1) - 1
    near = apart <= np.partition(apart, last, axis=1)[:, last : last + 1]
    np.fill_diagonal(near, False)
    pools: Floats = near.astype(np.float64) @ counts
    return pools


def _excess(
    name: str, distance: Floats, noise: Floats, counts: Floats, pool: Floats, shown: tuple[str, Any, Any]
) -> _Measure:
    """Return a distance without its sampling part: √max(e² − b(1/n + 1/n_P), 0); 0 where there is no value."""
    square = distance**2 - noise * (1 / _rows(counts) + 1 / _rows(pool))
    known = (counts.sum(axis=1) > 0) & (pool.sum(axis=1) > 0)
    excess = np.sqrt(np.where(known, np.maximum(square, 0), 0))
    what, tonight, usual = shown
    return _Measure(name, excess, FLOOR, what, float(tonight), float(usual))


def _rows(counts: Floats) -> Floats:
    return np.maximum(counts.sum(axis=1), 1)


def _shares(counts: Floats) -> Floats:
    return counts / _rows(counts)[:, None]


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _say(push: ColumnPush, value: float) -> str:
    return f"{100 * value:.1f} %" if push.what.startswith("share") else _short(value)


def _sentence(
    days: int, one_in_nights: int, statistic: float, threshold: float, pushes: Sequence[ColumnPush]
) -> str:
    level = f"one false alarm in {min(one_in_nights, days + 1)} nights"
    over = [push for push in pushes if push.push > threshold]
    shown = "; ".join(push.words for push in (over or list(pushes))[:3])
    said = (
        f"Input drift: {len(over)} of {len(pushes)} columns differ more than {days} reference days explain"
        if over
        else f"No input drift against {days} reference days"
    )
    text = f"{said} (statistic {statistic:.2f}, threshold {threshold:.2f}, {level}). Most pushed: {shown}."
    if one_in_nights > days + 1:
        text += f" One in {one_in_nights} was asked; {days} reference days support no rarer than one in {days + 1}."
    return text
