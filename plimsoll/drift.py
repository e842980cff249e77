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
    """How far tonight pushes one column, and what can be seen of it."""

    name: str
    push: float  # in units of the bag's own 95th percentile
    measure: str  # the measure that pushes most: W1, KS, JS, chi or nulls
    what: str  # the number that an analyst can look up: "mean about", "share of EV", "share of nulls"
    tonight: float
    usual: float  # the same number in the pool of nearest days

    @property
    def words(self) -> str:
        """One phrase for a person."""
        show = "{:.1%}".format if self.what.startswith("share") else _short
        return f"{self.name}: {self.what} {show(self.tonight)}, usually {show(self.usual)}"


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
    columns: tuple[ColumnPush, ...]  # most pushed first
    reference_statistics: tuple[float, ...]  # of the reference days as given: who sets the threshold
    sentence: str


@dataclass(frozen=True)
class _Measure:
    column: str
    name: str
    excess: Floats  # of every bag day over its pool, sampling noise removed; tonight is last
    what: str
    tonight: float
    usual: float


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
    level = 1 / min(one_in_nights, days + 1), days + 1, one_in_nights > days + 1
    if days < MIN_REFERENCE_DAYS:
        why = f"Inputs were not judged: there are {days} reference days and {MIN_REFERENCE_DAYS} are needed."
        return InputVerdict(False, False, None, None, *level, (), (), why)
    measures = [m for c in plan for m in _measures(c, _column_days(c, (*reference, tonight)))]
    pushes = _pushes(measures)
    *others, statistic = pushes.max(axis=0).tolist()
    rank = days + 1 - max((days + 1) // one_in_nights, 1)  # ⌈(n+1)(1−α)⌉, at most n
    threshold = sorted(others)[rank - 1]
    columns = _column_pushes(measures, pushes[:, -1])
    sentence = _sentence(days, one_in_nights, statistic, threshold, columns)
    alarm = statistic > threshold
    return InputVerdict(True, alarm, statistic, threshold, *level, columns, tuple(others), sentence)


def to_json(verdict: InputVerdict) -> dict[str, Any]:
    """Return a verdict as a JSON value."""
    columns = [{**asdict(column), "words": column.words} for column in verdict.columns]
    return {**asdict(verdict), "columns": columns, "reference_statistics": [*verdict.reference_statistics]}


def _pushes(measures: Sequence[_Measure]) -> Floats:
    """Return e / max(Q95 of e over the whole bag, floor), measures × days."""
    excess = np.array([m.excess for m in measures])
    floors = np.array([NULL_FLOOR if m.name == "nulls" else FLOOR for m in measures])
    scale: Floats = np.maximum(np.quantile(excess, 0.95, axis=1), floors)
    return np.round(excess / scale[:, None], 9)  # a sum's last bit must not break a tie


def _column_pushes(measures: Sequence[_Measure], tonight: Floats) -> tuple[ColumnPush, ...]:
    found: dict[str, ColumnPush] = {}
    for at in np.argsort(-tonight, kind="stable"):
        m = measures[at]
        push = ColumnPush(m.column, float(tonight[at]), m.name, m.what, m.tonight, m.usual)
        found.setdefault(m.column, push)
    return tuple(found.values())


def _column_days(column: ColumnPlan, bag: Sequence[Profile]) -> list[ColumnProfile]:
    days = [profile.columns.get(column.name) for profile in bag]
    fitting = [day for day in days if day and _fits(column, day)]
    if len(fitting) < len(bag):
        raise DataError(
            f"Column {column.name}: {len(bag) - len(fitting)} of {len(bag)} profiles are of another plan. "
            "Profile those days again on the plan of the model that is judged."
        )
    return fitting


def _fits(column: ColumnPlan, day: ColumnProfile) -> bool:
    if isinstance(day.counts, dict):
        return column.kind == "category"
    return column.kind == "number" and len(day.counts) == len(column.edges) + 1


def _measures(column: ColumnPlan, days: Sequence[ColumnProfile]) -> list[_Measure]:
    if column.kind == "category":
        return [*_category_measures(column, days), _null_measure(column, days)]
    return [*(_number_measures(column, days) if column.edges else []), _null_measure(column, days)]


def _number_measures(column: ColumnPlan, days: Sequence[ColumnProfile]) -> list[_Measure]:
    """Return W₁/sd and Kolmogorov–Smirnov D of every day against its pool."""
    from scipy.spatial.distance import pdist

    points = np.sort([*column.edges, column.hi])  # what a bin stands for: its end nearer to the range
    widths = np.diff(points)
    bins = np.fromiter(chain.from_iterable(day.counts for day in days), np.float64).reshape(len(days), -1)
    shares = _shares(bins)
    cdf = shares.cumsum(axis=1)[:, :-1]
    pool = _pools(pdist(cdf * widths, "cityblock"), bins)
    pool_shares = _shares(pool)
    pool_cdf = pool_shares.cumsum(axis=1)[:, :-1]
    means = pool_shares @ points
    sd = np.sqrt(np.sum(pool_shares * (points - means[:, None]) ** 2, axis=1))
    gap = np.abs(cdf - pool_cdf)
    spread = np.sqrt(np.clip(pool_cdf * (1 - pool_cdf), 0, None)) @ widths
    w1 = _debias(_ratio(gap @ widths, sd), 2 / math.pi * _ratio(spread, sd) ** 2, bins, pool)
    ks = _debias(gap.max(axis=1), np.full(len(days), KS_NOISE), bins, pool)
    at = int(gap[-1].argmax())
    below = f"share at most {_short(column.edges[at])}"
    return [
        _Measure(column.name, "W1", w1, "mean about", float(shares[-1] @ points), float(means[-1])),
        _Measure(column.name, "KS", ks, below, float(cdf[-1, at]), float(pool_cdf[-1, at])),
    ]


def _category_measures(column: ColumnPlan, days: Sequence[ColumnProfile]) -> list[_Measure]:
    """Return √JSD (nats) and the χ distance of every day against its pool."""
    from scipy.spatial.distance import pdist
    from scipy.special import rel_entr

    tallies = [day.counts for day in days if isinstance(day.counts, dict)]
    names = sorted(set().union(*tallies)) or [""]
    counts = np.array([[tally.get(name, 0) for name in names] for tally in tallies], dtype=np.float64)
    pool = _pools(pdist(counts, "jensenshannon"), counts)
    p, q = _shares(counts), _shares(pool)
    mid = (p + q) / 2
    seen = np.count_nonzero(mid, axis=1) - 1.0  # k − 1 of the categories that the pair holds
    jsd = (rel_entr(p, mid) + rel_entr(q, mid)) / 2
    chi = (p - q) ** 2 / np.maximum(mid, 0.5 / _rows(pool)[:, None])
    found = []
    for name, parts, noise in (("JS", jsd, seen / 8), ("chi", chi, seen)):
        at = int(parts[-1].argmax())
        excess = _debias(np.sqrt(np.maximum(parts.sum(axis=1), 0)), noise, counts, pool)
        what = f"share of {names[at]}"
        found.append(_Measure(column.name, name, excess, what, float(p[-1, at]), float(q[-1, at])))
    return found


def _null_measure(column: ColumnPlan, days: Sequence[ColumnProfile]) -> _Measure:
    shares = np.array([day.nulls / max(day.rows, 1) for day in days])
    others = (math.fsum(shares) - shares) / (len(days) - 1)
    shown = "share of nulls", float(shares[-1]), float(others[-1])
    return _Measure(column.name, "nulls", np.abs(shares - others), *shown)


def _pools(condensed: Floats, counts: Floats) -> Floats:
    """Return, for every day, the summed counts of its nearest other days, all that tie for the last place."""
    from scipy.spatial.distance import squareform

    apart: Floats = squareform(condensed, checks=False)
    empty = counts.sum(axis=1) == 0
    apart[empty] = apart[:, empty] = np.inf
    np.fill_diagonal(apart, np.inf)
    last = min(POOL_DAYS, len(counts) - 1) - 1
    near = apart <= np.partition(apart, last, axis=1)[:, last : last + 1]
    np.fill_diagonal(near, False)
    return near.astype(np.float64) @ counts


def _debias(distance: Floats, noise: Floats, counts: Floats, pool: Floats) -> Floats:
    """Return √max(e² − b(1/n + 1/n_P), 0), and 0 where a day or its pool holds no value."""
    square = distance**2 - noise * (1 / _rows(counts) + 1 / _rows(pool))
    known = counts.any(axis=1) & pool.any(axis=1)
    return np.asarray(np.sqrt(np.where(known, np.maximum(square, 0), 0)))


def _rows(counts: Floats) -> Floats:
    return np.asarray(np.maximum(counts.sum(axis=1), 1))


def _shares(counts: Floats) -> Floats:
    return counts / _rows(counts)[:, None]


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _sentence(days: int, one_in_nights: int, statistic: float, threshold: float, columns: Sequence[ColumnPush]) -> str:
    one_in = min(one_in_nights, days + 1)
    over = [column for column in columns if column.push > threshold]
    found = f"Input drift in {len(over)} of {len(columns)} columns" if over else "No input drift"
    shown = "; ".join(column.words for column in (over or columns)[:3])
    text = (
        f"{found}: statistic {statistic:.2f}, threshold {threshold:.2f} (one false alarm in {one_in} nights, "
        f"{days} reference days). Most pushed: {shown}."
    )
    if one_in < one_in_nights:
        text += f" One in {one_in_nights} was asked; {days} days support no rarer than one in {one_in}."
    return text
