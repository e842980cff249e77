"""The scores of unseen reference rows, day by day, and what was lost at each score.

Two things follow from the scores of a batch alone, before any outcome has come: whether they lie as they used to, and
what loss rows with such scores have had. For a yes or no the second is confidence-based performance estimation with
measured confidence (as in NannyML's CBPE); for a number it is a loss model of one input, the score (as in its DLE).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plimsoll.loss_sizes import LossSpread
from plimsoll.profile import ColumnPlan, ColumnProfile, Profile, number_plan, plan_from_json, plan_to_json
from plimsoll.score_sketch import ScoreSketch, rounded_scores, sketch_points

COLUMN = "score"
BIN_ROWS = 50  # rows without which a bin's mean loss is anyone's guess: its neighbours are asked too

Floats = NDArray[np.float64]


class ScoreReference:
    """Scores of reference days on common bins, and the mean loss of every bin. A plain class, as Reference is."""

    __slots__ = ("days", "expected", "plan")

    def __init__(self, plan: ColumnPlan, days: Mapping[str, Profile], expected: tuple[float, ...]) -> None:
        self.plan = plan
        self.days = days  # by date, in order; each has the one column COLUMN
        self.expected = expected  # mean loss of unseen rows, by bin of the plan

    def profile(self, sketch: ScoreSketch) -> Profile:
        """Return a batch's scores on the bins; scores that are no numbers count as nulls."""
        values, counts = sketch_points(sketch)
        return _profile(_sums(_bins(self.plan, values), counts, len(self.expected)), sketch.unknown)

    def estimate(self, day: Profile) -> float | None:
        """Return the mean loss that rows with a day's scores have had; None for a day without scores."""
        counts = np.asarray(day.columns[COLUMN].counts, dtype=np.float64)
        return float(counts @ np.asarray(self.expected) / counts.sum()) if counts.sum() else None

    def spread(self) -> LossSpread:
        """Return how far the expected losses of single rows lie apart on one day."""
        known = {date: np.asarray(day.columns[COLUMN].counts, dtype=np.float64) for date, day in self.days.items()}
        at, free, apart = np.asarray(self.expected), 0.0, 0.0
        for counts in known.values():
            rows = counts.sum()
            apart += float(counts @ at**2 - (counts @ at) ** 2 / rows) if rows else 0.0
            free += max(float(rows) - 1, 0.0)
        sizes = {date: int(counts.sum()) for date, counts in known.items()}
        return LossSpread(max(apart, 0.0) / free if free else 0.0, sizes)

    def to_json(self) -> dict[str, Any]:
        """Return the reference as JSON."""
        days = [[date, list(day.columns[COLUMN].counts)] for date, day in self.days.items()]
        return {"plan": plan_to_json([self.plan]), "days": days, "expected": list(self.expected)}


def score_reference_from_json(body: Mapping[str, Any]) -> ScoreReference:
    """Return what `to_json` wrote."""
    days = {date: _profile(np.asarray(counts, dtype=np.float64), 0) for date, counts in body["days"]}
    return ScoreReference(plan_from_json(body["plan"])[0], days, tuple(body["expected"]))


def tally_scores(days: NDArray[Any], scores: Floats, losses: Floats) -> pd.DataFrame:
    """Return rows and loss by day and rounded score: small, whatever the rows were, and tallies can be put together."""
    rows = pd.DataFrame({"day": days, "score": rounded_scores(scores), "rows": 1, "loss": losses})
    return rows.groupby(["day", "score"], sort=True, as_index=False).sum()


def score_reference(tallies: Iterable[pd.DataFrame]) -> ScoreReference | None:
    """Return the reference of tallied scores of rows that the model that scored them had not seen; None of nothing."""
    told = pd.concat(list(tallies) or [pd.DataFrame({"day": [], "score": [], "rows": [], "loss": []})])
    if told.empty:
        return None
    scores, rows = told["score"].to_numpy(np.float64), told["rows"].to_numpy(np.float64)
    plan = number_plan(COLUMN, scores, rows)
    bins = _bins(plan, scores)
    size = len(plan.edges) + 1
    lost = told["loss"].to_numpy(np.float64)
    places = pd.Series(bins).groupby(told["day"].to_numpy(), sort=True).indices
    by_day = {str(day): _profile(_sums(bins[at], rows[at], size), 0) for day, at in sorted(places.items())}
    expected = _mean_losses(_sums(bins, rows, size), _sums(bins, lost, size))
    return ScoreReference(plan, by_day, tuple(np.round(expected, 9).tolist()))


def _mean_losses(held: Floats, lost: Floats) -> Floats:
    """Return the mean loss of every bin, of as many neighbouring bins together as hold BIN_ROWS rows."""
    ends = held.cumsum()
    group = np.minimum(np.floor((ends - held) / BIN_ROWS), max(np.floor(ends[-1] / BIN_ROWS) - 1, 0)).astype(int)
    rows, losses = np.bincount(group, held), np.bincount(group, lost)
    known = rows > 0
    means = np.interp(np.arange(len(rows)), np.flatnonzero(known), losses[known] / rows[known])
    return np.asarray(means[group])


def _sums(bins: NDArray[np.int64], weights: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(bins, weights, size), dtype=np.float64)


def _bins(plan: ColumnPlan, values: Floats) -> NDArray[np.int64]:
    return np.searchsorted(np.asarray(plan.edges, dtype=np.float64), values, side="left")


def _profile(counts: Floats, nulls: int) -> Profile:
    whole = tuple(counts.astype(int).tolist())
    rows = sum(whole) + nulls
    return Profile(rows, {COLUMN: ColumnProfile(rows, nulls, whole)})
