"""Outcomes meet predictions: how good one night was, once it is known what really happened."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.agreement import Agreement, agreement_of, together
from plimsoll.assembly import KEY
from plimsoll.metrics import Numbers
from plimsoll.snapshot import FileRef
from plimsoll.unseen_losses import MIN_SLICE_ROWS, slice_losses

MOST_DATES = 3  # that a sentence lists


@dataclass(frozen=True)
class Former:
    """What an earlier delivery of the same night's outcomes said."""

    digest: str  # of its file
    loss: float | None
    outcomes: int
    changed: int | None  # outcomes that are others now, or gone; None: the file is no longer kept


@dataclass(frozen=True)
class WithChampion:
    """How far a version agrees with the champion of the night, on a sample of the rows that both scored."""

    champion: int
    agreement: Agreement


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
    beside: WithChampion | None = None  # None: of the champion itself, and of nights kept before this was
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


def losses_by_slice(keys: pd.Series, losses: Numbers, slices: pd.DataFrame) -> tuple[dict[str, float], dict[str, int]]:
    """Return mean loss and rows of every slice with rows enough; slices has key and the columns of the slices."""
    if len(slices.columns) < 2 or not len(keys):
        return {}, {}
    values = slices.set_index(KEY).loc[keys]
    one_day = np.zeros(len(keys), dtype=np.int32)
    return slice_means([slice_losses(values[column], one_day, losses) for column in values.columns])


def slice_means(parts: Sequence[pd.DataFrame]) -> tuple[dict[str, float], dict[str, int]]:
    """Return mean loss and rows of every slice with rows enough from the sums of parts of a day."""
    if not parts:
        return {}, {}
    told = pd.concat(parts).groupby("slice", sort=False)[["rows", "loss"]].sum()
    enough = told[told["rows"] >= MIN_SLICE_ROWS]
    names, means = [str(name) for name in enough.index], (enough["loss"] / enough["rows"]).astype(float)
    return dict(zip(names, means, strict=True)), dict(zip(names, enough["rows"].astype(int).tolist(), strict=True))


def refused_words(refused: Mapping[str, str]) -> str:
    """Say of which dates the outcomes cannot be used, and why of the first; nothing when there is none."""
    if not refused:
        return ""
    dates = sorted(refused)
    more = f" and {len(dates) - MOST_DATES} more dates" if len(dates) > MOST_DATES else ""
    named = f"{', '.join(dates[:MOST_DATES])}{more}"
    return f"Outcomes of {named} cannot be used, and count as not come: {refused[dates[0]]}"


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
    with_champion = None
    if told := body.get("beside"):
        with_champion = WithChampion(told["champion"], Agreement(**told["agreement"]))
    plain = {name: value for name, value in body.items() if name != "coverage"}
    return NightlyQuality(**plain | {"former": former, "beside": with_champion})


def beside_champion(mine: pd.DataFrame, theirs: pd.DataFrame, outcomes: pd.Series, task: str) -> Agreement:
    """Return the agreement of two versions' rows of a night, each with key and score, on those that both have."""
    both = mine.merge(theirs, on="key", suffixes=("", "_theirs"))
    rate = float(both["key"].map(outcomes).mean()) if task == "classification" and len(both) else None
    one, other = (both[name].to_numpy(dtype=np.float64) for name in ("score", "score_theirs"))
    return agreement_of(one, other, rate)


def agreement_between(one: Sequence[NightlyQuality], other: Sequence[NightlyQuality]) -> Agreement | None:
    """Return how far two versions agreed on nights when either was the other's champion; None of none."""
    sides = [(mine, {night.version for night in theirs}) for mine, theirs in ((one, other), (other, one))]
    told = [(night.beside, rivals) for mine, rivals in sides for night in mine]
    return together([beside.agreement for beside, rivals in told if beside and beside.champion in rivals])
