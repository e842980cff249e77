"""Inner folds: settings are judged within the training days, so that the days that judge the model never saw a try.

Later training days judge what earlier ones taught (rolling origin, Tashman 2000, International Journal of Forecasting
16): that is how a model is used. A table without a time axis is dealt into parts instead (k-fold, by key).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plimsoll.encoder import Encoder
from plimsoll.errors import DataError
from plimsoll.estimator_config import Estimator
from plimsoll.estimators import Fitted, Task, fit
from plimsoll.matrices import Boost, EncodedRows, Pages, boost
from plimsoll.metrics import Numbers, row_losses
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import Mask, Rows
from plimsoll.training import split_rows

Days = npt.NDArray[np.int32]  # places of days among all days


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows that train, later ones that judge, and how both are encoded."""

    inside: Mask
    outside: Mask
    encoder: Encoder
    train: Pages
    judge: Pages


@dataclass(frozen=True, eq=False)
class Folds:
    """All inner folds of a training run."""

    rows: Rows
    folds: tuple[Fold, ...]
    task: Task

    def losses(self, fold: Fold, scores: Numbers) -> tuple[Numbers, Numbers]:
        """Return total loss and number of rows by day of the scores of a fold's judging rows."""
        day, size = self.rows.day[fold.outside], len(self.rows.days)
        each = row_losses(self.rows.outcome[fold.outside], scores, self.task)
        return np.bincount(day, each, size).astype(np.float64), np.bincount(day, minlength=size).astype(np.float64)

    def fit(self, fold: Fold, estimator: Estimator, booster: Boost = boost) -> Fitted:
        """Return the learner trained on a fold's earlier rows."""
        return fit(fold.train, fold.encoder, estimator, self.task, booster)

    def running_losses(self, estimator: Estimator, booster: Boost = boost) -> Iterator[float]:
        """Yield, after each fold, the mean loss of all rows judged so far; a fold is trained when it is asked for."""
        total = rows = 0.0
        for fold in self.folds:
            fitted = self.fit(fold, estimator, booster)
            scores = np.concatenate([fitted.predict(matrix) for matrix, _ in fold.judge.read()])
            totals, counts = self.losses(fold, scores)
            total, rows = total + float(totals.sum()), rows + float(counts.sum())
            yield total / rows


def inner_folds(rows: Rows, config: ModelConfig, count: int) -> Folds:
    """Return inner folds of the rows that train; those that judge the model are in none of them.

    Raises DataError where the training days are too few, or a fold would learn from one class.
    """
    train, _ = split_rows(rows, config)
    days = np.unique(rows.day[train])
    dated = config.source.kind == "dates"
    blocks = _blocks(days, count, dated, config.model)
    table = EncodedRows(rows, config)
    folds = [_fold(rows, table, train, block, dated) for block in blocks]
    if config.task == "classification" and any(len(np.unique(rows.outcome[one.inside])) < 2 for one in folds):
        raise DataError(
            f"{config.model}: the training rows of an inner fold all have the same outcome, so settings cannot be "
            "compared on it. Ask for fewer folds, or train on more days."
        )
    return Folds(rows, tuple(folds), config.task)


def _blocks(days: Days, count: int, dated: bool, model: str) -> Sequence[Days]:
    """Return the days that judge, fold by fold: of dates the later half."""
    judging = days[len(days) // 2 :] if dated else days
    if len(judging) < count:
        needed = 2 * count - 1 if dated else count
        raise DataError(
            f"{model}: {count} inner folds need at least {needed} training days with outcomes, found {len(days)}. "
            "Ask for fewer folds, or train on more days."
        )
    return np.array_split(judging, count)


def _fold(rows: Rows, table: EncodedRows, train: Mask, block: Days, dated: bool) -> Fold:
    outside = train & np.isin(rows.day, block)
    inside = train & (rows.day < block[0]) if dated else train & ~outside
    encoder = table.encoder_of(inside)
    return Fold(inside, outside, encoder, table.pages(inside, encoder), table.pages(outside, encoder))
