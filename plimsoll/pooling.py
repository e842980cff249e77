"""Pooling: nights with too few rows to be judged wait for each other, and are judged together.

So few rows show little but chance, and what is large by chance alarms. Pooled nights are compared with blocks of as
many reference days, like with like.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import repeat
from typing import Any

import numpy as np

from plimsoll.drift_level import MIN_REFERENCE_DAYS
from plimsoll.profile import Profile, merge
from plimsoll.thinning import thin

SMALL = 0.5  # of the rows of the median reference day: with fewer, false alarms double (docs/drift.md)
SEED = 7  # of thinning, the same every night
FEW_BLOCKS = 20  # with fewer, hardly a planted fault was found (docs/drift.md)
MAX_NIGHTS = 7  # more are a week's mixture that shows no night any more


@dataclass(frozen=True)
class Pool:
    """Which nights are judged as one, and what cannot be seen so."""

    nights: tuple[str, ...]  # oldest first, tonight is the last
    rows: int  # of all of them
    needed: int  # fewer rows than this are not judged
    waits: bool  # still too few: nothing is judged tonight
    blind: str  # what pooling hides, in words for a person; empty for a night that is judged alone

    def to_json(self) -> dict[str, Any]:
        """Return the pool as it is kept with a decision."""
        return {**asdict(self), "nights": [*self.nights]}


@dataclass(frozen=True)
class LossPoint:
    """One or more nights that are judged as one."""

    date: str  # of the last of them
    loss: float  # mean over their rows
    rows: int
    nights: int


def rows_needed(reference: Sequence[Profile]) -> int:
    """Return how many rows a batch needs to be judged: half the median reference day's, at least one."""
    sizes = [day.rows for day in reference if day.rows]
    return max(1, round(SMALL * statistics.median(sizes))) if sizes else 1


def nights_at_most(days: int) -> int:
    """Return how many nights may be pooled: as many as leave ten blocks of so many reference days, seven at most."""
    return max(1, min(MAX_NIGHTS, days // MIN_REFERENCE_DAYS))


def pool_nights(
    reference: Sequence[Profile], waiting: Mapping[str, Profile], date: str, tonight: Profile
) -> tuple[Pool, Profile]:
    """Return what is judged tonight and its merged profile; waiting holds the small nights before it by date.

    A night that is large enough is judged alone, and those that wait go on waiting. One without rows has nothing to
    wait for. ValueError when a waiting night was profiled on another plan.
    """
    needed = rows_needed(reference)
    if tonight.rows >= needed or not tonight.rows:
        return Pool((date,), tonight.rows, needed, False, ""), tonight
    limit = nights_at_most(len(reference))
    before = [night for night in sorted(waiting) if night < date][-(limit - 1) :] if limit > 1 else []
    merged = reduce(merge, (waiting[night] for night in before), tonight)
    nights = (*before, date)
    waits = merged.rows < needed
    full = waits and len(nights) == limit
    return Pool(nights, merged.rows, needed, waits, _blind(len(nights), len(reference), full)), merged


def blocks_of(days: Sequence[Profile], sizes: Sequence[int]) -> list[Profile]:
    """Return days merged in blocks of as many as there are sizes, each day thinned to its night's number of rows.

    What is left over at the start is not used. Whole days would be no measure: a block of three times the rows has so
    much less chance in it that small pools alarmed on 57 to 80 % of unchanged nights. Thinning is seeded.
    """
    nights, chance = len(sizes), np.random.default_rng(SEED)
    starts = range(len(days) % nights, len(days), nights)
    return [reduce(merge, map(thin, days[at : at + nights], sizes, repeat(chance))) for at in starts]


def pool_losses(nights: Sequence[tuple[str, float, int]], needed: int) -> tuple[list[LossPoint], list[str]]:
    """Return nights (date, mean loss, rows) in order, small ones together, and the dates at the end that still wait.

    A night with the rows that are needed is judged with those that waited before it; so are MAX_NIGHTS small ones.
    """
    points: list[LossPoint] = []
    open_: list[tuple[str, float, int]] = []
    for night in nights:
        open_.append(night)
        rows = sum(size for _, _, size in open_)
        if rows >= needed or len(open_) == MAX_NIGHTS:
            mean = sum(loss * size for _, loss, size in open_) / rows
            points.append(LossPoint(night[0], mean if len(open_) > 1 else night[1], rows, len(open_)))
            open_ = []
    return points, [date for date, _, _ in open_]


def waiting_dates(decisions: Iterable[Mapping[str, Any]], version: int) -> list[str]:
    """Return the dates that wait to be judged with others, from the facts of drift decisions in the ledger's order.

    A date waits from the decision that says so until a decision judges it in a pool. Those of another version's plan
    do not wait: they cannot be merged.
    """
    waiting: dict[str, None] = {}
    for facts in decisions:
        pool = (facts.get("inputs") or {}).get("pool") or {}
        if facts.get("version") != version or not pool:
            continue
        if pool["waits"]:
            waiting[str(facts["date"])] = None
        for night in () if pool["waits"] else pool["nights"]:
            waiting.pop(str(night), None)
    return sorted(waiting)


def _blind(nights: int, days: int, full: bool) -> str:
    if full:
        return (
            f"Batches this small cannot be judged by {days} reference days: {nights} nights, all that may be pooled, "
            "have too few rows. Nothing is seen of their inputs."
        )
    if nights == 1:
        return ""
    blocks = days // nights
    seen = "it is nearly blind to all but gross faults" if blocks < FEW_BLOCKS else "a fault of one night is diluted"
    return (
        f"{nights} nights are judged as one against {blocks} blocks of {nights} reference days: {seen}, and where a "
        "season moves through the reference, smaller shifts are not seen."
    )
