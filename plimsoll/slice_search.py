"""The search for slices that are worse off: each value of each column, and pairs of the worst of them.

After Slice Finder (Chung and others 2019): a slice counts by its size and its loss. Whoever looks at a thousand slices
finds a bad one by chance, so every bound is taken for as many slices as could have been named (Bonferroni), half of
the error for single slices, half for all pairs of them.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from plimsoll.judged_rows import Units
from plimsoll.metrics import Numbers
from plimsoll.row_groups import Groups

MIN_UNITS = 5  # that a slice has rows in
WORST = 8  # single slices whose pairs are looked at


@dataclass(frozen=True, eq=False)
class Losses:
    """What each row lost, and its unit."""

    mine: Numbers
    rival: Numbers | None
    unit: Units
    units: int


@dataclass(frozen=True)
class Place:
    """One group of a column; its rows are looked up when asked for, since many columns of many values have many."""

    groups: Groups
    code: int

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.groups.names[self.code]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """The rows that are in it."""
        rows: npt.NDArray[np.bool_] = self.groups.of_row == self.code
        return rows


@dataclass(frozen=True)
class Slice:
    """One slice beside all rows."""

    name: str
    rows: int
    loss: float
    ratio: float  # of its loss to that of all rows
    ratio_low: float  # at least this, for all slices together
    behind: float | None  # its loss less the champion's
    behind_low: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the slice as JSON."""
        return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in asdict(self).items()}


@dataclass(frozen=True)
class Search:
    """What was looked at."""

    slices: tuple[Slice, ...]  # the worst first: rows times loss above the mean
    looked_at: int
    small: tuple[str, ...]  # with fewer rows than asked, not judged


def search_slices(groups: Sequence[Groups], losses: Losses, min_rows: int, confidence: float, *, pairs: bool) -> Search:
    """Return every slice with rows enough, and pairs of the worst when asked."""
    there = [Place(one, code) for one in groups for code in range(len(one.names))]  # names may agree, places do not
    kept = [place for place in there if _enough(place.mask, losses, min_rows)]
    judged = set(kept)
    small = tuple(place.name for place in there if place not in judged and place.mask.any())
    tail = (1 - confidence) / (2 if pairs else 1)
    single = [(place, _slice(place.name, place.mask, losses, tail / len(kept))) for place in kept]
    double = _pairs(single, losses, min_rows, tail) if pairs else []
    found = sorted([*(one for _, one in single), *double], key=lambda one: -_harm(one))
    return Search(tuple(found), len(found), small)


def _enough(mask: npt.NDArray[np.bool_], losses: Losses, min_rows: int) -> bool:
    return bool(mask.sum() >= min_rows) and len(np.unique(losses.unit[mask])) >= MIN_UNITS


def _pairs(single: Sequence[tuple[Place, Slice]], losses: Losses, min_rows: int, tail: float) -> list[Slice]:
    worst = [place for place, _ in sorted(single, key=lambda pair: -_harm(pair[1]))[:WORST]]
    possible = max(1, len(single) * (len(single) - 1) // 2)
    found = []
    for one, other in combinations(worst, 2):
        mask = one.mask & other.mask
        if one.groups.column != other.groups.column and _enough(mask, losses, min_rows):
            found.append(_slice(f"{one.name} and {other.name}", mask, losses, tail / possible))
    return found


def _harm(one: Slice) -> float:
    """Return the loss of a slice's rows above what as many rows lose on average."""
    return one.rows * (one.loss - one.loss / one.ratio) if one.ratio else 0.0


def _slice(name: str, mask: npt.NDArray[np.bool_], losses: Losses, tail: float) -> Slice:
    """Return a slice with bounds that are missed with probability `tail`, by the delta method over units."""
    inside, whole = (
        _pull(losses.mine[mask], losses.unit[mask], losses.units),
        _pull(losses.mine, losses.unit, losses.units),
    )
    loss, mean = float(losses.mine[mask].mean()), float(losses.mine.mean())
    ratio = loss / mean if mean else float("nan")
    reach = _reach((inside - ratio * whole) / mean, tail) if mean else float("nan")
    behind = behind_low = None
    if losses.rival is not None:
        lost = (losses.mine - losses.rival)[mask]
        behind = float(lost.mean())
        behind_low = behind - _reach(_pull(lost, losses.unit[mask], losses.units), tail)
    return Slice(name, int(mask.sum()), loss, ratio, ratio - reach, behind, behind_low)


def _pull(values: Numbers, unit: Units, units: int) -> Numbers:
    """Return what each unit does to the mean of values."""
    totals = np.bincount(unit, values, units) - values.mean() * np.bincount(unit, minlength=units)
    return np.asarray(totals / len(values))


def _reach(pull: Numbers, tail: float) -> float:
    from scipy.special import stdtrit

    if not pull.any():
        return 0.0
    units = int((pull != 0).sum())
    return float(-stdtrit(units - 1, tail) * np.sqrt(units / (units - 1) * np.sum(pull**2)))
