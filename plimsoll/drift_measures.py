"""Distances of days: how far each day of a bag lies from the days nearest to it, column by column.

All of it is a symmetric function of the bag: no day knows whether it is tonight. Input is profiles, so the cost
grows with days, columns and bins, and not with rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import DataError
from plimsoll.profile import ColumnPlan, ColumnProfile, Profile

POOL_DAYS = 15
MAX_CATEGORIES = 128  # told apart; those that never had as many rows on a day are one
RARE = "other values"
CHANCE_SHARE = 0.25  # of a share's sampling variance beside its own from day to day: a word seen once is no news
KS_NOISE = 0.87**2  # squared mean of Kolmogorov's distribution, √(π/2)·ln 2 = 0.869

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure of one column for every day of a bag, tonight last."""

    column: str
    name: str  # W1, KS, JS, share, nulls or given
    excess: Floats  # of each day over its pool, sampling noise removed
    what: str  # the number that an analyst can look up
    tonight: float
    usual: float


@dataclass(frozen=True, eq=False)
class ColumnDays:
    """One column of many days as arrays: counts (days × bins or categories), null shares, and all distances."""

    plan: ColumnPlan
    counts: Floats
    nulls: Floats
    names: tuple[str, ...]  # of the categories
    apart: Floats  # days × days: W₁ for numbers, √JSD for categories

    def take(self, days: Sequence[int]) -> "ColumnDays":
        """Return some of the days, in the order given."""
        at = np.asarray(days)
        return ColumnDays(self.plan, self.counts[at], self.nulls[at], self.names, self.apart[np.ix_(at, at)])

    @cached_property
    def measures(self) -> list[Measure]:
        """What the column says by itself."""
        return measure_column(self)


def column_days(column: ColumnPlan, bag: Sequence[Profile]) -> ColumnDays:
    """Return a column of a bag of days; DataError when a profile was made on another plan."""
    days = [profile.columns.get(column.name) for profile in bag]
    fitting = [day for day in days if day and _fits(column, day)]
    if len(fitting) < len(bag):
        raise DataError(
            f"Column {column.name}: {len(bag) - len(fitting)} of {len(bag)} profiles are of another plan. "
            "Profile those days again on the plan of the model that is judged."
        )
    nulls = np.array([day.nulls / max(day.rows, 1) for day in fitting])
    names, counts = _category_counts(fitting) if column.kind == "category" else ((), _bin_counts(fitting))
    return ColumnDays(column, counts, nulls, names, _apart(column, counts))


def measure_column(days: ColumnDays) -> list[Measure]:
    """Return every measure of a column: two of its values where it has any, and its share of nulls."""
    if days.plan.kind == "category":
        return [*_category_measures(days), _null_measure(days)]
    return [*(_number_measures(days) if days.plan.edges else []), _null_measure(days)]


def short(value: float) -> str:
    """Return a number as a person reads it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _fits(column: ColumnPlan, day: ColumnProfile) -> bool:
    if isinstance(day.counts, dict):
        return column.kind == "category"
    return column.kind == "number" and len(day.counts) == len(column.edges) + 1


def _bin_counts(days: Sequence[ColumnProfile]) -> Floats:
    flat = np.fromiter(chain.from_iterable(day.counts for day in days), np.float64)
    return flat.reshape(len(days), -1)


def _category_counts(days: Sequence[ColumnProfile]) -> tuple[tuple[str, ...], Floats]:
    """Return names and counts; of many categories those are kept that had the most rows on any one day."""
    tallies = [day.counts for day in days if isinstance(day.counts, dict)]
    names = sorted(set().union(*tallies)) or [""]
    counts = np.array([[tally.get(name, 0) for name in names] for tally in tallies], dtype=np.float64)
    peaks = counts.max(axis=0)
    if len(names) <= MAX_CATEGORIES:
        return tuple(names), counts
    kept = peaks > np.sort(peaks)[-MAX_CATEGORIES - 1]  # all that tie for the last place are left out, or none is
    known = tuple(name for name, keep in zip(names, kept, strict=True) if keep)
    return (*known, RARE), np.column_stack([counts[:, kept], counts[:, ~kept].sum(axis=1)])


def _apart(column: ColumnPlan, counts: Floats) -> Floats:
    """Return the distance of every day from every other; of a day without values, or from itself, infinity."""
    from scipy.spatial.distance import pdist, squareform

    if column.kind == "category":
        condensed = pdist(counts, "jensenshannon")
    else:
        condensed = pdist(_cdf(_shares(counts)) * np.diff(_points(column)), "cityblock")
    apart: Floats = squareform(condensed, checks=False)
    empty = counts.sum(axis=1) == 0
    apart[empty] = apart[:, empty] = np.inf
    np.fill_diagonal(apart, np.inf)
    return apart


def _number_measures(days: ColumnDays) -> list[Measure]:
    """Return W₁/sd and Kolmogorov–Smirnov D of every day against its pool."""
    column, points = days.plan, _points(days.plan)
    widths = np.diff(points)
    shares, pool = _shares(days.counts), _pools(days)
    pool_shares = _shares(pool)
    cdf, pool_cdf = _cdf(shares), _cdf(pool_shares)
    means = pool_shares @ points
    sd = np.sqrt(np.sum(pool_shares * (points - means[:, None]) ** 2, axis=1))
    gap = np.abs(cdf - pool_cdf)
    spread = np.sqrt(np.clip(pool_cdf * (1 - pool_cdf), 0, None)) @ widths
    w1 = _debias(_ratio(gap @ widths, sd), 2 / math.pi * _ratio(spread, sd) ** 2, days.counts, pool)
    ks = _debias(gap.max(axis=1), np.full(len(cdf), KS_NOISE), days.counts, pool)
    at = int(gap[-1].argmax())
    below = f"share at most {short(column.edges[at])}"
    return [
        Measure(column.name, "W1", w1, "mean about", float(shares[-1] @ points), float(means[-1])),
        Measure(column.name, "KS", ks, below, float(cdf[-1, at]), float(pool_cdf[-1, at])),
    ]


def _category_measures(days: ColumnDays) -> list[Measure]:
    """Return √JSD (nats) of every day against its pool, and the category whose share is furthest off for itself."""
    from scipy.special import rel_entr

    column, counts, pool = days.plan, days.counts, _pools(days)
    p, q = _shares(counts), _shares(pool)
    mid = (p + q) / 2
    seen = np.count_nonzero(mid, axis=1) - 1.0  # k − 1 of the categories that the pair holds
    jsd = (rel_entr(p, mid) + rel_entr(q, mid)) / 2
    mix = _debias(np.sqrt(np.maximum(jsd.sum(axis=1), 0)), seen / 8, counts, pool)
    own = _in_own_sd(p, q, counts, pool)

    def measure(name: str, excess: Floats, parts: Floats) -> Measure:
        at = int(parts.argmax())
        return Measure(column.name, name, excess, f"share of {days.names[at]}", float(p[-1, at]), float(q[-1, at]))

    return [measure("JS", mix, jsd[-1]), measure("share", own.max(axis=1), own[-1])]


def _in_own_sd(p: Floats, q: Floats, counts: Floats, pool: Floats) -> Floats:
    """Return how far every share is from its pool's, in standard deviations of what the other days are from theirs.

    Part of its sampling variance is added, so that a category that never moved is not off by a single row.
    """
    square = (p - q) ** 2
    others = (square.sum(axis=0) - square) / (len(p) - 1)
    rows, mid = _rows(counts)[:, None], (p + q) / 2
    chance = (mid * (1 - mid) + 0.5 / rows) * (1 / rows + 1 / _rows(pool)[:, None])
    off = np.sqrt(square / (np.maximum(others, 0) + CHANCE_SHARE * chance))
    return np.where(counts.any(axis=1) & pool.any(axis=1), off.T, 0.0).T


def means_of(days: ColumnDays) -> Floats | None:
    """Return a number's mean on every day, from its bins; a day without values has the mean of the others.

    None for a category, and for a number that no day has.
    """
    known = days.counts.any(axis=1)
    if days.plan.kind == "category" or not known.any():
        return None
    means = _shares(days.counts) @ _points(days.plan)
    return np.where(known, means, means[known].mean())


def _null_measure(days: ColumnDays) -> Measure:
    others = (math.fsum(days.nulls) - days.nulls) / (len(days.nulls) - 1)
    shown = "share of nulls", float(days.nulls[-1]), float(others[-1])
    return Measure(days.plan.name, "nulls", np.abs(days.nulls - others), *shown)


def _pools(days: ColumnDays) -> Floats:
    """Return, for every day, the summed counts of its nearest other days, all that tie for the last place."""
    last = min(POOL_DAYS, len(days.counts) - 1) - 1
    near = days.apart <= np.partition(days.apart, last, axis=1)[:, last : last + 1]
    np.fill_diagonal(near, False)
    return near.astype(np.float64) @ days.counts


def _debias(distance: Floats, noise: Floats, counts: Floats, pool: Floats) -> Floats:
    """Return √max(e² − b(1/n + 1/n_P), 0), and 0 where a day or its pool holds no value."""
    square = distance**2 - noise * (1 / _rows(counts) + 1 / _rows(pool))
    known = counts.any(axis=1) & pool.any(axis=1)
    return np.asarray(np.sqrt(np.where(known, np.maximum(square, 0), 0)))


def _points(column: ColumnPlan) -> Floats:
    """Return what the bins stand for: their ends nearer to the range of the reference."""
    return np.sort(np.array([*column.edges, column.hi]))


def _cdf(shares: Floats) -> Floats:
    return np.asarray(shares.cumsum(axis=1)[:, :-1])


def _rows(counts: Floats) -> Floats:
    return np.asarray(np.maximum(counts.sum(axis=1), 1))


def _shares(counts: Floats) -> Floats:
    return counts / _rows(counts)[:, None]


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
