"""Nights of fewer outcomes than the reference's: how much of a night's mean loss is chance, and what is done about it.

A night's mean loss has the variance between + within/n: nights differ, and n rows are drawn. Of fewer rows the second
part is larger, and held against nights of many rows such a night alarms by chance alone. So small nights are pooled
until chance has no more than doubled the variance, or a week of them is together; and what is left of it is taken
away: the difference from the reference's mean is brought to the spread of a reference night.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE = ""  # the name of all rows among those of slices

LARGEST = 2.0  # times a reference night's variance that a night may have and be judged alone


@dataclass(frozen=True)
class LossSpread:
    """What is known of a mean over rows on the reference days: how far single rows lie apart, and how many came."""

    variance: float  # of the rows of one day, the same for all days
    rows: Mapping[str, int]  # by date

    def to_json(self) -> dict[str, Any]:
        """Return the spread as JSON."""
        return {"variance": self.variance, "rows": [list(item) for item in self.rows.items()]}


def spread_from_json(body: Mapping[str, Any]) -> LossSpread:
    """Return what `to_json` wrote."""
    return LossSpread(float(body["variance"]), dict(body["rows"]))


@dataclass(frozen=True)
class LossScale:
    """The variance of a reference's nightly means: between + within/rows."""

    centre: float
    between: float
    within: float
    typical: int  # rows of the median reference night
    rows: Mapping[str, int]  # of the reference nights, by date, where they are known
    known: bool = True  # False: no spread of rows was kept, so all that moved between nights is taken for chance

    @property
    def needed(self) -> int:
        """Return how many rows a night needs to be judged alone; at most half of a reference night's."""
        room = LARGEST * self._variance(self.typical) - self.between
        return max(1, int(np.ceil(self.within / room - 1e-9))) if room > 0 else 1

    def shrinkage(self, rows: float) -> float:
        """Return by what a night's difference from the mean is multiplied: 1 for a reference night or a larger."""
        own = self._variance(min(rows, self.typical))
        return float(np.sqrt(self._variance(self.typical) / own)) if own > 0 else 1.0

    def bring(self, mean: float, rows: float) -> float:
        """Return a night's mean as it is held against the reference's: brought to the spread of its nights."""
        shrinkage = self.shrinkage(rows)
        return mean if shrinkage == 1 else self.centre + shrinkage * (mean - self.centre)

    def held(self, means: Mapping[str, float]) -> list[float]:
        """Return the reference nights' means as new ones are held against them."""
        return [self.bring(mean, self.rows.get(date, self.typical)) for date, mean in means.items()]

    def _variance(self, rows: float) -> float:
        return self.between + self.within / max(rows, 1)


def loss_scale(means: Mapping[str, float], spread: LossSpread) -> LossScale:
    """Return the scale of reference nights' means by date; the variance within is that of the rows.

    The variance of the nights is that of their middle half where that is smaller: a few storms must not pass for nights
    that always lie so far apart. What rows explain of it is no variance between nights.
    """
    values = np.array([*means.values()], dtype=np.float64)
    sizes = np.array([max(spread.rows.get(date, 0), 1) for date in means], dtype=np.float64)
    if values.size < 2:
        return LossScale(float(values.mean()) if values.size else 0.0, 0.0, 0.0, int(sizes.max(initial=1)), {})
    typical = int(np.median(sizes))
    between = max(_variance(values) - spread.variance * float((1 / sizes).mean()), 0.0)
    return LossScale(float(values.mean()), between, spread.variance, typical, spread.rows)


def cautious_scale(means: Mapping[str, float], rows: Mapping[str, int]) -> LossScale:
    """Return the scale where only the numbers of rows are known: all that moved between nights is taken for chance."""
    typical = max(int(np.median([*rows.values()])), 1) if rows else 1
    values = np.array([*means.values()], dtype=np.float64)
    within = _variance(values) * typical if values.size > 1 else 0.0
    return LossScale(float(values.mean()) if values.size else 0.0, 0.0, within, typical, rows, known=False)


def _variance(values: NDArray[np.float64]) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return min(float(values.var(ddof=1)), float(((high - low) / 1.349) ** 2))
