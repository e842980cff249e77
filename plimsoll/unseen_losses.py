"""What a reference keeps of scores and losses of rows that the model that scored them had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    _parts: list[pd.DataFrame] = field(default_factory=list)

    def add(self, mask: Mask, scores: Floats) -> None:
        """Add the scores of some rows, all with outcomes, by a model that had not seen them."""
        lost = row_losses(self.rows.outcome[mask], scores, self.task)
        days = self.rows.day[mask]
        means = pd.Series(lost).groupby(days).mean()
        self.losses |= {date: float(loss) for date, loss in zip(self.rows.dates(mask), means, strict=True)}
        self._tallies.append(tally_scores(days, scores, lost))
        if self.slices:
            values = pd.concat(self.rows.frames(mask, [*self.slices]), ignore_index=True)
            self._parts += [slice_losses(values[column], days, lost) for column in self.slices]

    def scores(self) -> ScoreReference | None:
        """Return the reference of all that was added."""
        return score_reference(self._named(tally) for tally in self._tallies)

    def by_slice(self) -> dict[str, dict[str, float]]:
        """Return mean loss by date of the most frequent slices of each column, days with few rows left out."""
        told = pd.concat([self._named(part) for part in self._parts]) if self._parts else None
        if told is None:
            return {}
        kept = {name for column in self.slices for name in _frequent(told[told["column"] == column])}
        enough = told[told["slice"].isin(kept) & (told["rows"] >= MIN_SLICE_ROWS)].sort_values(["slice", "day"])
        found = enough.assign(mean=enough["loss"] / enough["rows"]).groupby("slice", sort=True)
        return {str(name): dict(zip(part["day"], part["mean"].astype(float), strict=True)) for name, part in found}

    def _named(self, part: pd.DataFrame) -> pd.DataFrame:
        return part.assign(day=self.rows.days[part["day"].to_numpy()])


def slice_losses(values: pd.Series, days: NDArray[np.int32], losses: Floats) -> pd.DataFrame:
    """Return rows and loss of every day and value of a column; rows without a value are in no slice."""
    names = f"{values.name}=" + values.reset_index(drop=True).astype("string")
    rows = pd.DataFrame({"slice": names, "day": days, "rows": 1, "loss": losses}).dropna(subset="slice")
    return rows.groupby(["slice", "day"], sort=True, as_index=False).sum().assign(column=str(values.name))


def _frequent(told: pd.DataFrame) -> list[str]:
    return [str(name) for name in told.groupby("slice")["rows"].sum().nlargest(MAX_SLICES).index]
