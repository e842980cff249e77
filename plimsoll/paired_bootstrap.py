"""A paired bootstrap by day: how much better one model is than another on the same rows, and how sure that is.

Days are drawn with replacement, whole days at a time, the same for both models (Efron and Tibshirani 1993, ch. 8). A
metric is put together from what each day adds to it, so a draw costs no pass over rows: sums, and for AUC the pairs of
a yes of one day with a no of another (Hanley and McNeil 1982). With few days a percentile is too sure of itself; it is
taken further out, as Hesterberg 2015 (The American Statistician 69, section 5.3) has it: the normal tail beyond
sqrt(n / (n - 1)) times Student's quantile of n - 1 degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plimsoll.gates_config import HIGHER_IS_BETTER, Metric
from plimsoll.judged_rows import Units
from plimsoll.metrics import Numbers, row_losses

DRAWS, MOST_DRAWS = 4000, 40_000
BEYOND = 20  # draws beyond a bound, so that it is not their very end
MIN_UNITS = 5  # of fewer days a tail cannot be drawn
MAX_UNDEFINED = 0.05  # share of draws in which a metric may be undefined, as AUC without a yes


@dataclass(frozen=True, eq=False)
class Tally:
    """What each unit adds to one metric of one model."""

    metric: Metric
    sums: Numbers  # units × parts; of AUC units × units + 2: concordant pairs, and how many yes and no

    def value(self, weights: Numbers) -> Numbers:
        """Return the metric for each row of weights (draws × units); NaN where it is undefined."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._auc(weights) if self.metric == "auc" else self._mean(weights)

    def of(self, units: npt.NDArray[np.intp]) -> "Tally":
        """Return the tally of some units alone, in the order asked for."""
        if self.metric != "auc":
            return Tally(self.metric, self.sums[units])
        counts = self.sums[units][:, -2:]
        return Tally(self.metric, np.hstack([self.sums[np.ix_(units, units)], counts]))

    def _auc(self, weights: Numbers) -> Numbers:
        pairs, yes, no = self.sums[:, :-2], self.sums[:, -2], self.sums[:, -1]
        found: Numbers = ((weights @ pairs) * weights).sum(axis=1) / ((weights @ yes) * (weights @ no))
        return found

    def _mean(self, weights: Numbers) -> Numbers:
        parts = (weights @ self.sums).T
        mean: Numbers = parts[1] / parts[0]
        if self.metric == "rmse":
            return np.asarray(np.sqrt(mean))
        if self.metric == "r2":
            spread = parts[3] - parts[2] ** 2 / parts[0]
            return np.asarray(1 - parts[1] / spread)
        return mean


@dataclass(frozen=True)
class Gain:
    """How much better a candidate is, in units of the metric; positive is better, whichever way the metric runs."""

    gain: float
    low: float  # with the confidence asked for it is at least this
    high: float  # and at most this, each for itself
    mine: float
    rival: float
    units: int


def tally(metric: Metric, outcome: Numbers, score: Numbers, unit: Units, units: int) -> Tally:
    """Return what each unit adds to a metric."""
    if metric == "auc":
        return Tally(metric, _pairs(outcome, score, unit, units))
    absolute = metric in ("log_loss", "mae")  # the losses that rows are judged by
    task = "classification" if metric == "log_loss" else "regression"
    each = row_losses(outcome, score, task) if absolute else (outcome - score) ** 2
    parts = [np.ones(len(outcome)), each, *([outcome, outcome**2] if metric == "r2" else [])]
    return Tally(metric, np.stack([np.bincount(unit, part, units) for part in parts], axis=1))


def paired_gain(
    mine: Tally, rival: Tally, confidence: float, seed: int, draws: int = DRAWS, *, student: bool = False
) -> Gain | None:
    """Return the gain over a rival on the same units with one-sided bounds; None with too few units to draw from.

    Rare tails take more draws than are asked for. Where they are too rare to be drawn it is None, or with student the
    gain less Student's quantile times the standard error that the draws give.
    """
    units = len(mine.sums)
    if units < MIN_UNITS or ((rare := too_rare(confidence, units)) and not student):
        return None
    tail = 0.5 if rare else expanded_tail(1 - confidence, units)  # a standard error takes no more draws than any
    weights = _weights(units, tail, draws, seed)
    sign = 1.0 if mine.metric in HIGHER_IS_BETTER else -1.0
    whole = np.ones((1, units))
    values = [float(one.value(whole)[0]) for one in (mine, rival)]
    drawn = sign * (mine.value(weights) - rival.value(weights)) + 0.0  # no minus zero
    gain = sign * (values[0] - values[1]) + 0.0
    if (bounds := _student(drawn, gain, 1 - confidence, units) if rare else _bounds(drawn, tail)) is None:
        return None
    return Gain(gain, *bounds, values[0], values[1], units)


def interval(one: Tally, confidence: float, seed: int, draws: int = DRAWS) -> tuple[float, float, float]:
    """Return a metric and its one-sided bounds, drawn as for a gain; NaN what cannot be told of so few units."""
    units, nan = len(one.sums), float("nan")
    value = float(one.value(np.ones((1, units)))[0]) if units else nan
    if units < MIN_UNITS or too_rare(confidence, units):
        return value, nan, nan
    tail = expanded_tail(1 - confidence, units)
    return value, *(_bounds(one.value(_weights(units, tail, draws, seed)), tail) or (nan, nan))


def _weights(units: int, tail: float, draws: int, seed: int) -> Numbers:
    draws = min(max(draws, int(BEYOND / tail) + 1), MOST_DRAWS)
    return np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), draws).astype(np.float64)


def _bounds(drawn: Numbers, tail: float) -> tuple[float, float] | None:
    if (finite := _defined(drawn)) is None:
        return None
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def _student(drawn: Numbers, gain: float, tail: float, units: int) -> tuple[float, float] | None:
    """Return bounds at Student's quantile, whose standard error is that of the draws made unbiased."""
    from scipy.special import stdtrit

    if (finite := _defined(drawn)) is None:
        return None
    far = float(-stdtrit(units - 1, tail) * np.sqrt(units / (units - 1)) * finite.std())
    return gain - far, gain + far


def _defined(drawn: Numbers) -> Numbers | None:
    """Return the draws in which the metric is defined, None where these are too few."""
    finite = drawn[np.isfinite(drawn)]
    return finite if len(finite) >= (1 - MAX_UNDEFINED) * len(drawn) else None


def too_rare(confidence: float, units: int) -> bool:
    """Whether a confidence asks for a tail that so many units do not have, or that less than one draw would be beyond.

    The rarest draw is one unit again and again, with probability units to the power of minus units.
    """
    tail = expanded_tail(1 - confidence, units)
    return tail < float(units) ** -units or tail * MOST_DRAWS < 1


def expanded_tail(tail: float, units: int) -> float:
    """Return the share of draws beyond a bound that is to be passed by chance with probability `tail`."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(np.sqrt(units / (units - 1)) * stdtrit(units - 1, tail)))


def _pairs(outcome: Numbers, score: Numbers, unit: Units, units: int) -> Numbers:
    """Return how many pairs of a yes of one unit and a no of another are in order, ties half; and counts of both."""
    yes = outcome > 0.5
    counts = [np.bincount(unit[side], minlength=units).astype(np.float64) for side in (yes, ~yes)]
    mine, place = score[yes], unit[yes]
    order = np.argsort(mine, kind="stable")
    mine, place = mine[order], place[order]  # sorted, searching is several times quicker
    pairs = np.empty((units, units))
    for other in range(units):
        below = np.sort(score[~yes & (unit == other)])
        hits = np.searchsorted(below, mine, "left") + np.searchsorted(below, mine, "right")
        pairs[:, other] = np.bincount(place, hits / 2, units)
    return np.hstack([pairs, np.stack(counts, axis=1)])
