"""Training: split by time, fit, keep a reference of the training days, judge on the later days."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle, Reference
from plimsoll.errors import DataError
from plimsoll.estimators import Fitted, Scores, Task, fit
from plimsoll.matrices import Boost, EncodedRows, Pages, boost
from plimsoll.metrics import calibration, measure, row_losses
from plimsoll.model_config import ModelConfig
from plimsoll.profile import ColumnPlan, Profile, merge, profile_batch
from plimsoll.row_parts import DATE, Mask, Rows, rows_of
from plimsoll.unseen_losses import Unseen
from plimsoll.whole_columns import plan_rows

FOLDS = 5
PSEUDO_DAYS = 30  # a table without a time axis is cut into this many seeded parts, to have days to compare
HASH_RANGE = 2**32


@dataclass(frozen=True)
class Evaluation:
    """How good a bundle was on rows it never saw."""

    rows: int
    dates: tuple[str, ...]
    metrics: dict[str, float]
    loss_by_day: dict[str, float]
    calibration: list[dict[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as JSON, undefined numbers as null."""
        metrics = {name: value if np.isfinite(value) else None for name, value in self.metrics.items()}
        return {
            "rows": self.rows,
            "dates": list(self.dates),
            "metrics": metrics,
            "loss_by_day": self.loss_by_day,
            "calibration": self.calibration,
        }


def key_share(keys: pd.Series) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) per key, the same in every run: the place of its SHA-256."""
    places = [int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) for key in keys]
    return np.asarray(places, dtype=np.float64) / HASH_RANGE


def give_pseudo_days(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without a time axis cut into parts by key, as if they were days."""
    part = (key_share("day " + frame[KEY]) * PSEUDO_DAYS).astype(int)
    return frame.assign(**{DATE: [f"part-{n:02d}" for n in part]})


def split_rows(rows: Rows, config: ModelConfig) -> tuple[Mask, Mask]:
    """Return which rows train and which later rows judge; rows without an outcome do neither.

    Without a time axis rows are dealt by a hash of their key. Raises DataError when nothing is left for either.
    """
    known = ~np.isnan(rows.outcome)
    if config.source.kind == "table":
        judge = np.concatenate([key_share(frame[KEY]) for frame in rows.frames(columns=[KEY])])
        later = judge < config.split.test_share
    else:
        later = np.isin(rows.day, np.unique(rows.day[known])[-config.split.test_days :])
    train, test = known & ~later, known & later
    if not train.any() or not test.any():
        raise DataError(
            f"{config.model}: {known.sum()} rows with an outcome leave {train.sum()} to train and {test.sum()} to "
            f"judge; both need some. Ask for more days than split.test_days ({config.split.test_days})."
        )
    if config.task == "classification" and _one_class(rows, train):
        raise DataError(
            f"{config.model}: all {train.sum()} training rows have the same outcome; nothing can be learnt."
        )
    return train, test


def train_bundle(
    given: Rows | pd.DataFrame,
    config: ModelConfig,
    adopted: Fitted | None = None,
    booster: Boost = boost,
    *,
    folds: bool = True,
) -> Bundle:
    """Return the bundle trained on the earlier of assembled rows with dates and outcomes; a frame is one part.

    Its reference describes every date there is; its losses are out of fold, by blocks of days, for
    dates that train, and plain for the later ones. An adopted model is taken as it is; nobody knows what it
    was trained on, so its losses are those of the later dates alone. Without folds so are those of a trained one:
    see `study_days`.
    """
    rows = given if isinstance(given, Rows) else rows_of(given)
    train, test = split_rows(rows, config)
    table = EncodedRows(rows, config)
    encoder = table.encoder_of(train)
    fitted = adopted or fit(table.pages(train, encoder), encoder, config.estimator, config.task, booster)
    plan = plan_rows(rows, {f.name: f.kind for f in config.features.columns})
    unseen = Unseen(rows, config.task, config.drift.slices)
    if folds and not adopted:
        _out_of_fold(unseen, table, train, config, booster)
    unseen.add(test, _scores(fitted, table.pages(test, encoder)))
    through = rows.dates(train)[-1] if config.source.kind == "dates" else ""
    reference = _reference(plan, _profiles(rows, plan), unseen)
    return Bundle(config.model, config.task, config.estimator.threads, encoder, fitted, reference, through)


def study_days(bundle: Bundle, rows: Rows, config: ModelConfig, booster: Boost = boost) -> Reference:
    """Return the reference with folds of a bundle that `train_bundle` made of the same rows without."""
    train, test = split_rows(rows, config)
    table, unseen = EncodedRows(rows, config), Unseen(rows, config.task, config.drift.slices)
    _out_of_fold(unseen, table, train, config, booster)
    unseen.add(test, _scores(bundle.fitted, table.pages(test, bundle.encoder)))
    return _reference(bundle.reference.plan, bundle.reference.days, unseen)


def evaluate(bundle: Bundle, rows: Rows, mask: Mask) -> Evaluation:
    """Return how good a bundle is on some rows, all with outcomes."""
    return evaluate_scores(scores_of(bundle, rows, mask), rows, mask, bundle.task)


def scores_of(bundle: Bundle, rows: Rows, mask: Mask) -> Scores:
    """Return a bundle's scores of some rows, in their order."""
    return np.concatenate([bundle.score(frame) for frame in rows.frames(mask, bundle.encoder.columns)])


def evaluate_scores(score: Scores, rows: Rows, mask: Mask, task: Task) -> Evaluation:
    """Return how good scores of some rows are, all with outcomes."""
    outcome = rows.outcome[mask]
    return Evaluation(
        len(outcome),
        rows.dates(mask),
        measure(outcome, score, task),
        _daily_losses(rows, mask, score, task),
        calibration(outcome, score),
    )


def _reference(plan: tuple[ColumnPlan, ...], days: Mapping[str, Profile], unseen: Unseen) -> Reference:
    losses = dict(sorted(unseen.losses.items()))
    return Reference(plan, days, losses, unseen.scores(), unseen.by_slice(), unseen.spread())


def _scores(fitted: Fitted, pages: Pages) -> Scores:
    return np.concatenate([fitted.predict(matrix) for matrix, _ in pages.read()])


def _profiles(rows: Rows, plan: tuple[ColumnPlan, ...]) -> dict[str, Profile]:
    days: dict[str, Profile] = {}
    for frame in rows.frames(columns=[DATE, *(column.name for column in plan)]):
        for date, part in frame.groupby(DATE, sort=True):
            profile = profile_batch(plan, part)
            days[str(date)] = merge(days[str(date)], profile) if str(date) in days else profile
    return dict(sorted(days.items()))


def _out_of_fold(unseen: Unseen, table: EncodedRows, train: Mask, config: ModelConfig, booster: Boost) -> None:
    """Add every training day's scores, by a model that was fitted on the other blocks of days."""
    for inside, outside in _day_blocks(unseen.rows, train):
        if config.task == "classification" and _one_class(unseen.rows, inside):
            continue
        encoder = table.encoder_of(inside)
        fitted = fit(table.pages(inside, encoder), encoder, config.estimator, config.task, booster)
        unseen.add(outside, _scores(fitted, table.pages(outside, encoder)))


def _one_class(rows: Rows, mask: Mask) -> bool:
    return len(np.unique(rows.outcome[mask])) < 2


def _day_blocks(rows: Rows, train: Mask) -> Iterator[tuple[Mask, Mask]]:
    """Yield (other days, one block of days): neighbours hang together, so a fold is a block in time."""
    days = np.unique(rows.day[train])
    for block in np.array_split(days, min(FOLDS, len(days))):
        held_out = np.isin(rows.day, block)
        if (held_out & train).any() and (~held_out & train).any():
            yield train & ~held_out, train & held_out


def _daily_losses(rows: Rows, mask: Mask, scores: Scores, task: str) -> dict[str, float]:
    losses = pd.Series(row_losses(rows.outcome[mask], scores, task)).groupby(rows.day[mask]).mean()
    return {date: float(loss) for date, loss in zip(rows.dates(mask), losses, strict=True)}
