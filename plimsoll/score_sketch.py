"""The distribution of a batch's scores in a few hundred counts that can be added up.

DDSketch (Masson, Rim and Lee, VLDB 2019): a value is counted under the power of gamma next to it, so that every
quantile is known to within ACCURACY of its value. Counts of parts add up to the counts of the whole, exactly.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

ACCURACY = 0.01  # relative
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
TINY = 1e-9  # nearer to zero than this is zero


@dataclass(frozen=True)
class ScoreSketch:
    """Counts of scores by the power of gamma that is next above them, for each sign; zeros and non-numbers apart."""

    above: Mapping[int, int]
    below: Mapping[int, int]  # of negative scores, by their size
    zeros: int
    unknown: int  # NaN or infinite: a model that says so is broken

    @property
    def count(self) -> int:
        """How many scores are numbers."""
        return sum(self.above.values()) + sum(self.below.values()) + self.zeros

    def quantile(self, share: float) -> float:
        """Return the score below which a share of all lie, to within ACCURACY; NaN where there are none."""
        line = [(-_value(p), n) for p, n in sorted(self.below.items(), reverse=True)]
        line += [(0.0, self.zeros)] + [(_value(p), n) for p, n in sorted(self.above.items())]
        left = share * max(self.count - 1, 0)
        for value, count in line:
            if count and left < count:
                return value
            left -= count
        return math.nan

    def to_json(self) -> dict[str, Any]:
        """Return the sketch as JSON."""
        sides = {name: sorted(side.items()) for name, side in (("above", self.above), ("below", self.below))}
        return {"gamma": GAMMA, "zeros": self.zeros, "unknown": self.unknown, **sides}


def sketch_scores(scores: npt.NDArray[np.float64]) -> ScoreSketch:
    """Return the sketch of some scores."""
    known = scores[np.isfinite(scores)]
    big = known[np.abs(known) > TINY]
    return ScoreSketch(_powers(big[big > 0]), _powers(-big[big < 0]), len(known) - len(big), len(scores) - len(known))


def merge_sketches(a: ScoreSketch, b: ScoreSketch) -> ScoreSketch:
    """Return the sketch of the scores of both."""
    above, below = (dict(Counter(x) + Counter(y)) for x, y in ((a.above, b.above), (a.below, b.below)))
    return ScoreSketch(above, below, a.zeros + b.zeros, a.unknown + b.unknown)


def rounded_scores(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return scores as a sketch of them would give them back: each to within ACCURACY, so that few are different."""
    size = np.abs(scores)
    big = size > TINY
    powers = np.ceil(np.log(np.where(big, size, 1.0)) / math.log(GAMMA)).astype(np.int64)
    different, which = np.unique(powers, return_inverse=True)
    values = np.array([_value(power) for power in different.tolist()])  # to the last bit what `sketch_points` gives
    return np.where(big, np.sign(scores) * values[which], 0.0)


def sketch_points(sketch: ScoreSketch) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the scores that a sketch holds, to within ACCURACY, and how many there are of each."""
    points = [(-_value(p), n) for p, n in sketch.below.items()] + [(_value(p), n) for p, n in sketch.above.items()]
    points = [(0.0, sketch.zeros), *points]
    return np.array([value for value, _ in points]), np.array([float(count) for _, count in points])


def sketch_from_json(body: Mapping[str, Any]) -> ScoreSketch:
    """Return the sketch that `to_json` wrote."""
    return ScoreSketch(dict(map(tuple, body["above"])), dict(map(tuple, body["below"])), body["zeros"], body["unknown"])


def _powers(values: npt.NDArray[np.float64]) -> dict[int, int]:
    powers, counts = np.unique(np.ceil(np.log(values) / math.log(GAMMA)).astype(np.int64), return_counts=True)
    return dict(zip(powers.tolist(), counts.tolist(), strict=True))


def _value(power: int) -> float:
    """Return the value in the middle of what is counted under a power."""
    return 2 * GAMMA**power / (GAMMA + 1)
