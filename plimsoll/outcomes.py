"""Outcomes meet predictions: how good one night was, once it is known what really happened."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.metrics import Numbers, row_losses
from plimsoll.snapshot import FileRef
from plimsoll.unseen_losses import MIN_SLICE_ROWS, slice_losses


@dataclass(frozen=True)
class Former:
    """What an earlier delivery of the same night's outcomes said."""

    digest: str  # of its file
    loss: float | None
    outcomes: int
    changed: int | None  # outcomes that are others now, or gone; None: the file is no longer kept


@dataclass(frozen=True)
class NightlyQuality:
    """One version's quality on one batch, on the outcomes that have come."""

    date: str
    version: int
    loss: float | None  # mean log loss, or mean absolute error; None while no outcome has come
    rows: int
    outcomes: int
    unknown_keys: int  # outcomes that name no row of the batch: counted, never used
    slices: Mapping[str, float] = field(default_factory=dict)  # mean loss by slice, where it has rows enough
    digest: str = ""  # of the delivery of outcomes
    former: Former | None = None  # None: the first delivery
    slice_outcomes: Mapping[str, int] = field(default_factory=dict)  # of each slice; none: kept before they were

    @property
    def corrected(self) -> bool:
        """Whether this delivery says other than the one before; one that only adds does not, or cannot be compared."""
        return bool(self.former and self.former.changed)

    @property
    def coverage(self) -> float:
        """The share of rows whose outcome is known."""
        return self.outcomes / self.rows if self.rows else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the night as JSON."""
        return {**asdict(self), "coverage": self.coverage}


@dataclass
class Remembered:
    """What one run has read of outcomes, checked; all of it is written once, so that it need not be read again."""

    files: dict[str, FileRef] = field(default_factory=dict)  # outcomes as the run first saw them, by date
    nights: dict[str, NightlyQuality] = field(default_factory=dict)  # by key in the store
    refused: dict[str, str] = field(default_factory=dict)  # why the outcomes of a date cannot be used


def nightly_quality(
    predictions: pd.DataFrame,
    outcomes: pd.Series,
    date: str,
    version: int,
    task: str,
    slices: pd.DataFrame | None = None,
) -> NightlyQuality:
    """Return one version's quality on one date.

    predictions has key and score, one row each; outcomes maps keys to floats, NaN where none will come; slices has
    key and the columns whose values are watched each for itself.
    """
    truth = predictions["key"].map(outcomes).to_numpy(dtype=np.float64)
    known = ~np.isnan(truth)
    unknown = int((~outcomes.index.isin(predictions["key"])).sum())
    losses = row_losses(truth[known], predictions["score"].to_numpy(dtype=np.float64)[known], task)
    loss = float(losses.mean()) if known.any() else None
    parts, sizes = losses_by_slice(predictions.loc[known, "key"], losses, slices) if slices is not None else ({}, {})
    counts = len(predictions), int(known.sum()), unknown
    return NightlyQuality(date, version, loss, *counts, parts, slice_outcomes=sizes)


def losses_by_slice(keys: pd.Series, losses: Numbers, slices: pd.DataFrame) -> tuple[dict[str, float], dict[str, int]]:
    """Return mean loss and rows of every slice with rows enough; slices has key and the columns of the slices."""
    if len(slices.columns) < 2 or not len(keys):
        return {}, {}
    values = slices.set_index(KEY).loc[keys]
    one_day = np.zeros(len(keys), dtype=np.int32)
    parts = pd.concat([slice_losses(values[column], one_day, losses) for column in values.columns])
    enough = parts[parts["rows"] >= MIN_SLICE_ROWS]
    means, names = (enough["loss"] / enough["rows"]).astype(float), [*enough["slice"]]
    return dict(zip(names, means, strict=True)), dict(zip(names, enough["rows"].astype(int).tolist(), strict=True))


def count_changed(before: pd.Series, after: pd.Series, rows: pd.Series) -> int:
    """Return how many of a batch's rows had an outcome before that is another now, or none; both are by key."""
    old, new = (rows.map(values).to_numpy(dtype=np.float64) for values in (before, after))
    return int((~np.isnan(old) & (old != new)).sum())


def late_facts(late: Sequence[NightlyQuality]) -> dict[str, Any] | None:
    """Return what an entry keeps of late losses: the newest night, and every night that was corrected since."""
    if not late:
        return None
    corrected = [one for one in late if one.corrected]
    told = [{name: one.to_json()[name] for name in ("date", "loss", "digest", "former")} for one in corrected]
    return {**late[-1].to_json(), "corrected": told}


def correction_words(nights: Sequence[NightlyQuality]) -> str:
    """Say which nights a later delivery corrected, after a space; nothing when there is none."""
    said = [
        f"{n.date} ({_changed(n.former)}, {_moved(n.former.loss, n.loss)})" for n in nights if n.former and n.corrected
    ]
    return f" Corrected by a later delivery: {', '.join(said)}." if said else ""


def _changed(former: Former) -> str:
    return f"{former.changed:,} outcome{'s' if former.changed != 1 else ''}"


def _moved(before: float | None, after: float | None) -> str:
    was, now = (f"{loss:.4g}" if loss is not None else "none" for loss in (before, after))
    return f"loss {was} before and {now} now"


def quality_from_json(body: Mapping[str, Any]) -> NightlyQuality:
    """Return a night from its JSON."""
    former = Former(**body["former"]) if body.get("former") else None
    return NightlyQuality(**{name: value for name, value in body.items() if name != "coverage"} | {"former": former})
