"""Permutation importance: how much worse the loss of unseen rows becomes when one input is shuffled among them.

After Breiman (2001) and Fisher, Rudin and Dominici (2019). It holds for any model, and in the unit of the loss. Of two
inputs that tell the same, each looks unimportant: the other still tells it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plimsoll.bundle import Bundle
from plimsoll.clustered import clustered_mean
from plimsoll.curves import rounded
from plimsoll.encoder import Matrix
from plimsoll.judged_rows import Units
from plimsoll.metrics import Numbers, row_losses

REPEATS = 3
TAIL = 0.025  # on either side of an interval


@dataclass(frozen=True)
class Importance:
    """What shuffling one input costs."""

    feature: str
    rise: float  # of the mean loss
    low: float | None  # 95 % interval that counts days; None where there are too few
    high: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the importance as JSON."""
        return asdict(self)


def permutation_importance(
    bundle: Bundle, matrix: Matrix, outcome: Numbers, unit: Units, units: int, seed: int
) -> list[Importance]:
    """Return the importance of every input on encoded rows with outcomes, the greatest first.

    unit is each row's day, 0 to units - 1. Same rows and seed, same numbers.
    """
    chance = np.random.default_rng(seed)
    before = row_losses(outcome, bundle.fitted.predict(matrix), bundle.task)
    found = []
    for j, name in enumerate(bundle.encoder.columns):
        rise = np.zeros(len(matrix))
        for _ in range(REPEATS):
            shuffled = matrix.copy()
            shuffled[:, j] = matrix[chance.permutation(len(matrix)), j]
            rise += row_losses(outcome, bundle.fitted.predict(shuffled), bundle.task) - before
        found.append(_importance(name, rise / REPEATS, unit, units))
    return sorted(found, key=lambda one: -one.rise)


def _importance(name: str, rise: Numbers, unit: Units, units: int) -> Importance:
    totals, counts = (np.bincount(unit, each, units).astype(np.float64) for each in (rise, np.ones(len(unit))))
    mean = clustered_mean(totals, counts)
    low, high = (rounded(bound) if np.isfinite(bound) else None for bound in mean.bounds(TAIL))
    return Importance(name, rounded(mean.value), low, high)
