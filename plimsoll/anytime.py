"""A bound that holds on every night at once, so that whoever looks each night and stops at a good one is not misled.

What a version wins over the champion on a night is one number. If these numbers are alike and normal with some unknown
spread, the t statistic against a normal prior on the mean in units of the spread makes a test martingale (Lai 1976;
Pérez-Ortiz and others 2024, Annals of Statistics 52; Wang and Ramdas 2025, "Anytime-valid t-tests"). By Ville's
inequality it is ever above 1 / error with a probability of at most that error, however often somebody looks and
whenever they stop. Turned round it is an interval about the mean that is never wrong with as much confidence. Of fewer
than about seven nights there is none: they say too little of their own spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plimsoll.metrics import Numbers

# variance of the prior; the interval is narrowest about the thirtieth night (Howard and others 2021, section 3.5)
PRIOR = 0.3


@dataclass(frozen=True)
class Anytime:
    """The bounds of a gain that hold on all nights so far and to come."""

    low: float
    high: float
    nights: int  # from the first that both scored; of a table without days its rows

    @property
    def surely(self) -> str:
        """Which of the two, better or worse, is sure; empty while neither is."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else ""

    def held_to(self, error: float, was: float) -> "Anytime | None":
        """Return the bounds for another probability of a mistake than they were made for; None of too few nights."""
        before, now = reach_of(self.nights, was), reach_of(self.nights, error)
        if before is None or now is None:
            return None
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2 * now / before
        return Anytime(middle - half, middle + half, self.nights)


def anytime_gain(won: Sequence[float] | Numbers, rows: Sequence[int] | Numbers, error: float) -> Anytime | None:
    """Return the bounds of a gain by row, from what was won on each night in all its rows; None while there are none.

    error is the probability that the bounds are ever wrong, on either side. Rows only turn nights into rows: whether a
    bound is above zero does not depend on them.
    """
    radius = radius_of(np.asarray(won, dtype=np.float64), error)
    if radius is None or not (per_night := float(np.mean(rows))):
        return None
    mean = float(np.mean(won))
    return Anytime((mean - radius) / per_night, (mean + radius) / per_night, len(won))


def radius_of(won: Numbers, error: float) -> float | None:
    """Return half the width of the interval about the mean of some nights; None of too few."""
    reach = reach_of(len(won), error)
    return None if reach is None else float(reach * won.std(ddof=1))


def reach_of(n: int, error: float) -> float | None:
    """Return half the width of the interval about the mean of n nights in units of their spread; None of too few.

    With a = 1 + n PRIOR and q = (sqrt(a) / error) ** (2 / n) the martingale of a mean m is below 1 / error where
    t² (1 - q / a) < (n - 1) (q - 1), t being that of the nights against m.
    """
    widened = 1 + n * PRIOR
    if n < 2 or (q := (np.sqrt(widened) / error) ** (2 / n)) >= widened:
        return None
    return float(np.sqrt((n - 1) * (q - 1) / (1 - q / widened) / n))
