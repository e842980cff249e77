"""Means and rates of rows that hang together by day, with intervals that count days.

The error of a mean over rows is that of a ratio of two totals by unit (Cochran 1977, section 6.3); its bounds take
Student's quantile for the number of units less one. A rate gets a Wilson interval on as many rows as its error is
worth (Korn and Graubard 1998), which holds near 0 and 1 as well.
"""

from dataclasses import dataclass

import numpy as np

from plimsoll.metrics import Numbers


@dataclass(frozen=True)
class Mean:
    """A mean over rows and its standard error by unit; NaN where there are too few of either."""

    value: float
    error: float
    rows: float
    units: int  # that have any of the rows

    def bounds(self, tail: float) -> tuple[float, float]:
        """Return what the mean surely exceeds and surely does not, each missed with probability `tail`."""
        from scipy.special import stdtrit

        if self.units < 2:
            return float("nan"), float("nan")
        reach = -float(stdtrit(self.units - 1, tail)) * self.error
        return self.value - reach, self.value + reach

    def rate_bounds(self, tail: float) -> tuple[float, float]:
        """Return the same of a rate, by Wilson's interval, which stays within 0 and 1."""
        from scipy.special import stdtrit

        if self.units < 2 or not self.rows:
            return float("nan"), float("nan")
        p, n = self.value, self.worth_rows
        z = -float(stdtrit(self.units - 1, tail))
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        reach = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))

    @property
    def worth_rows(self) -> float:
        """How many rows that do not hang together a rate would be as sure of; never more than there are."""
        spread = self.value * (1 - self.value)
        return min(self.rows, spread / self.error**2) if self.error > 0 and spread > 0 else self.rows


def clustered_mean(totals: Numbers, counts: Numbers) -> Mean:
    """Return the mean of rows from their totals and counts by unit."""
    rows, units = float(counts.sum()), int((counts > 0).sum())
    if not rows:
        return Mean(float("nan"), float("nan"), 0, 0)
    value = float(totals.sum()) / rows
    if units < 2:
        return Mean(value, float("nan"), rows, units)
    off = totals - value * counts
    return Mean(value, float(np.sqrt(units / (units - 1) * np.sum(off**2))) / rows, rows, units)
