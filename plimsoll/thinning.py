"""Thinning: a day's profile as it would be had only so many of its rows come."""

import numpy as np

from plimsoll.profile import ColumnProfile, Profile

EXACT_BELOW = 10**9  # rows: numpy draws without replacement up to here; beyond it makes no difference
Chance = np.random.Generator


def thin(profile: Profile, rows: int, chance: Chance) -> Profile:
    """Return the profile of so many rows drawn from a profile's; itself when it has no more than that.

    Columns are drawn one by one, since a profile does not know which values share a row.
    """
    if rows >= profile.rows:
        return profile
    return Profile(rows, {name: _thin_column(column, rows, chance) for name, column in profile.columns.items()})


def _thin_column(column: ColumnProfile, rows: int, chance: Chance) -> ColumnProfile:
    words = list(column.counts) if isinstance(column.counts, dict) else []
    counts = list(column.counts.values()) if isinstance(column.counts, dict) else list(column.counts)
    nulls, *drawn = _draw([column.nulls, *counts], rows, chance)
    if isinstance(column.counts, dict):
        return ColumnProfile(rows, nulls, {word: n for word, n in zip(words, drawn, strict=True) if n})
    return ColumnProfile(rows, nulls, tuple(drawn))


def _draw(counts: list[int], rows: int, chance: Chance) -> list[int]:
    total = sum(counts)
    if total < EXACT_BELOW:
        drawn: list[int] = chance.multivariate_hypergeometric(counts, min(rows, total), method="marginals").tolist()
        return drawn
    shares = np.asarray(counts, dtype=np.float64) / total
    spread: list[int] = chance.multinomial(rows, shares).tolist()
    return spread
