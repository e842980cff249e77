"""Training: split by time, fit, keep a reference of the training days, judge on the later days."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.bundle import Bundle, Reference
from plimsoll.encoder import fit_encoder
from plimsoll.errors import DataError
from plimsoll.estimators import Fitted, fit
from plimsoll.metrics import calibration, measure, row_losses
from plimsoll.model_config import ModelConfig
from plimsoll.profile import plan_profile, profile_batch

DATE = "__date__"
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


def split_rows(frame: pd.DataFrame, config: ModelConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that train and the later rows that judge; rows without an outcome are in neither.

    Without a time axis rows are dealt by a hash of their key. Raises DataError when either part is empty.
    """
    known = frame[frame[OUTCOME].notna()]
    if config.source.kind == "table":
        judge = pd.Series(key_share(known[KEY]) < config.split.test_share, index=known.index)
    else:
        later = sorted(known[DATE].unique())[-config.split.test_days :]
        judge = known[DATE].isin(later)
    train, test = known[~judge], known[judge]
    if train.empty or test.empty:
        raise DataError(
            f"{config.model}: {len(known)} rows with an outcome leave {len(train)} to train and {len(test)} to judge; "
            f"both need some. Ask for more days than split.test_days ({config.split.test_days})."
        )
    if config.task == "classification" and train[OUTCOME].nunique() < 2:
        raise DataError(f"{config.model}: all {len(train)} training rows have the same outcome; nothing can be learnt.")
    return train, test


def train_bundle(frame: pd.DataFrame, config: ModelConfig, adopted: Fitted | None = None) -> Bundle:
    """Return the bundle trained on the earlier rows of an assembled frame with dates and outcomes.

    Its reference describes every date of the frame; its losses are out of fold, by blocks of days, for
    dates that train, and plain for the later ones. An adopted model is taken as it is; nobody knows what it
    was trained on, so its losses are those of the later dates alone.
    """
    train, test = split_rows(frame, config)
    encoder = fit_encoder(train, config)
    fitted = adopted or _fit(train, config, encoder)
    kinds = {f.name: f.kind for f in config.features.columns}
    plan = plan_profile(frame, kinds)
    days = {str(date): profile_batch(plan, rows) for date, rows in frame.groupby(DATE, sort=True)}
    losses = {} if adopted else _out_of_fold(train, config)
    losses.update(_daily_losses(test, fitted.predict(encoder.encode(test)), config))
    through = str(train[DATE].max()) if config.source.kind == "dates" else ""
    reference = Reference(plan, days, dict(sorted(losses.items())))
    return Bundle(config.model, config.task, config.estimator.threads, encoder, fitted, reference, through)


def evaluate(bundle: Bundle, rows: pd.DataFrame) -> Evaluation:
    """Return how good a bundle is on rows with outcomes."""
    outcome, score = rows[OUTCOME].to_numpy(dtype=np.float64), bundle.score(rows)
    by_day = pd.Series(row_losses(outcome, score, bundle.task)).groupby(rows[DATE].to_numpy()).mean()
    return Evaluation(
        len(rows),
        tuple(sorted(rows[DATE].unique())),
        measure(outcome, score, bundle.task),
        {str(date): float(loss) for date, loss in by_day.items()},
        calibration(outcome, score),
    )


def _fit(rows: pd.DataFrame, config: ModelConfig, encoder: Any) -> Fitted:
    outcome = rows[OUTCOME].to_numpy(dtype=np.float64)
    return fit(encoder.encode(rows), outcome, encoder, config.estimator, config.task)


def _out_of_fold(train: pd.DataFrame, config: ModelConfig) -> dict[str, float]:
    losses: dict[str, float] = {}
    for inside, outside in _day_blocks(train):
        if config.task == "classification" and inside[OUTCOME].nunique() < 2:
            continue
        encoder = fit_encoder(inside, config)
        scores = _fit(inside, config, encoder).predict(encoder.encode(outside))
        losses.update(_daily_losses(outside, scores, config))
    return losses


def _day_blocks(rows: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield (other days, one block of days): neighbours hang together, so a fold is a block in time."""
    dates = np.array(sorted(rows[DATE].unique()))
    for block in np.array_split(dates, min(FOLDS, len(dates))):
        held_out = rows[DATE].isin(block)
        if held_out.any() and not held_out.all():
            yield rows[~held_out], rows[held_out]


def _daily_losses(rows: pd.DataFrame, scores: npt.NDArray[np.float64], config: ModelConfig) -> dict[str, float]:
    losses = row_losses(rows[OUTCOME].to_numpy(dtype=np.float64), scores, config.task)
    by_day = pd.Series(losses).groupby(rows[DATE].to_numpy()).mean()
    return {str(date): float(loss) for date, loss in by_day.items()}
