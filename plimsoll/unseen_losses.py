"""What a reference keeps of scores and losses of rows that the model that scored them had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plimsoll.loss_sizes import WHOLE, LossSpread
from plimsoll.metrics import row_losses
from plimsoll.row_parts import Mask, Rows
from plimsoll.score_reference import ScoreReference, score_reference, tally_scores

MIN_SLICE_ROWS = 30  # with an outcome, on a day: the mean loss of fewer says nothing about the day
MAX_SLICES = 10  # of one column, the most frequent

Floats = NDArray[np.float64]


@dataclass(eq=False)
class Unseen:
    """Scored rows, added fold by fold. Neither frozen nor compared: it is filled and then asked."""

    rows: Rows
    task: str
    slices: Sequence[str] = ()  # columns
    losses: dict[str, float] = field(default_factory=dict)
    _tallies: list[pd.DataFrame] = field(default_factory=list)
    _days: list[pd.DataFrame] = field(default_factory=list)
    _parts: list[pd.DataFrame] = field(default_factory=list)

    def add(self, mask: Mask, scores: Floats) -> None:
        """Add the scores of some rows, all with outcomes, by a model that had not seen them."""
        lost = row_losses(self.rows.outcome[mask], scores, self.task)
        days = self.rows.day[mask]
        means = pd.Series(lost).groupby(days).mean()
        self.losses |= {date: float(loss) for date, loss in zip(self.rows.dates(mask), means, strict=True)}
        self._tallies.append(tally_scores(days, scores, lost))
        self._days.append(_summed(pd.DataFrame({"slice": WHOLE, "day": days}), lost))
        if self.slices:
            values = pd.concat(self.rows.frames(mask, [*self.slices]), ignore_index=True)
            self._parts += [slice_losses(values[column], days, lost) for column in self.slices]

    def scores(self) -> ScoreReference | None:
        """Return the reference of all that was added."""
        return score_reference(self._named(tally) for tally in self._tallies)

    def by_slice(self) -> dict[str, dict[str, float]]:
        """Return mean loss by date of the most frequent slices of each column, days with few rows left out."""
        if not self._parts:
            return {}
        enough = self._watched()
        found = enough.assign(mean=enough["loss"] / enough["rows"]).groupby("slice", sort=True)
        return {str(name): dict(zip(part["day"], part["mean"].astype(float), strict=True)) for name, part in found}

    def spread(self) -> dict[str, LossSpread]:
        """Return how far losses of single rows lie apart, of all rows under WHOLE and of every slice of `by_slice`."""
        if not self._days:
            return {}
        whole = pd.concat([self._named(part) for part in self._days]).sort_values("day")
        told = pd.concat([whole, self._watched()]) if self._parts else whole
        return {str(name): _spread(part) for name, part in told.groupby("slice", sort=True)}

    def _watched(self) -> pd.DataFrame:
        told = pd.concat([self._named(part) for part in self._parts])
        kept = {name for column in self.slices for name in _frequent(told[told["column"] == column])}
        return told[told["slice"].isin(kept) & (told["rows"] >= MIN_SLICE_ROWS)].sort_values(["slice", "day"])

    def _named(self, part: pd.DataFrame) -> pd.DataFrame:
        return part.assign(day=self.rows.days[part["day"].to_numpy()])


def slice_losses(values: pd.Series, days: NDArray[np.int32], losses: Floats) -> pd.DataFrame:
    """Return rows, loss and squared loss of every day and value of a column; rows without a value are in no slice."""
    names = f"{values.name}=" + values.reset_index(drop=True).astype("string")
    return _summed(pd.DataFrame({"slice": names, "day": days}), losses).assign(column=str(values.name))


def _summed(rows: pd.DataFrame, losses: Floats) -> pd.DataFrame:
    told = rows.assign(rows=1, loss=losses, square=losses**2).dropna(subset="slice")
    return told.groupby(["slice", "day"], sort=True, as_index=False).sum()


def _spread(days: pd.DataFrame) -> LossSpread:
    """Return the spread of summed days of one slice: Σ(l² − n·mean²) over Σ(n − 1)."""
    rows, loss = days["rows"].to_numpy(np.float64), days["loss"].to_numpy(np.float64)
    apart = float((days["square"].to_numpy(np.float64) - loss**2 / rows).sum())
    free = float((rows - 1).sum())
    by_day = {str(day): int(n) for day, n in zip(days["day"], rows, strict=True)}
    return LossSpread(max(apart, 0.0) / free if free else 0.0, by_day)


def _frequent(told: pd.DataFrame) -> list[str]:
    return [str(name) for name in told.groupby("slice")["rows"].sum().nlargest(MAX_SLICES).index]
