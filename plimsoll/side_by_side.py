"""Versions side by side on the same rows: quality with intervals, paired differences, agreement.

Every figure of a version is about rows that the champion scored too. Rows of one day hang together, so what intervals
count is days (`clustered.py`, `paired_bootstrap.py`). A table without days is the same rows again each night, so each
key counts once, as it was last scored, and intervals count rows. Of several versions compared with one champion, that
any is called better or worse by chance has a probability of at most 5 % (Bonferroni over all and both directions).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.agreement import Agreement, agreement_of
from plimsoll.anytime import Anytime, anytime_gain
from plimsoll.assembly import KEY
from plimsoll.clustered import clustered_mean
from plimsoll.gates_config import Metric
from plimsoll.judged_rows import Units, deal_rows
from plimsoll.metrics import Numbers, row_losses
from plimsoll.outcomes import NightlyQuality
from plimsoll.paired_bootstrap import Gain, Tally, interval, paired_gain, tally

ERROR = 0.05  # that any difference is called sure by chance, whichever way and of however many
OUTCOME, DAY = "outcome", "day"  # columns of the rows beside one column of scores per version


@dataclass(frozen=True)
class Measured:
    """A metric and the interval that holds it with 95 % confidence; None where it cannot be told."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Beside:
    """One version's figures, and what it is beside the champion."""

    name: str
    rows: int  # that it and the champion scored
    outcomes: int  # that are known of them
    nights: int  # that these are of; of a table without days as many as the outcomes
    metrics: Mapping[str, Measured]  # on these outcomes
    gain: Gain | None  # in loss over the champion
    agreement: Agreement | None
    champion_loss: Measured | None = None  # on the same outcomes; None of the champion itself

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def loss_metric(task: str) -> Metric:
    """Return the loss that rows are judged by."""
    return "log_loss" if task == "classification" else "mae"


def confidence_of_each(compared: int) -> float:
    """Return the one-sided confidence that each of so many comparisons is held to."""
    return 1 - ERROR / (2 * max(compared, 1))


def side_by_side(rows: pd.DataFrame, names: Sequence[str], task: str, seed: int, tables: int = 1) -> list[Beside]:
    """Return the figures of every version; the first is the champion.

    tables is of how many such comparisons this is one: all of them together are held to the same chance of a mistake.
    rows has a day, an outcome (NaN while it is unknown) and the scores of each version under its name, NaN where it
    did not score the row or learned from it. Those of a table without days have the date that it was scored on for a
    day, and a key.
    """
    confidence = confidence_of_each((len(names) - 1) * tables)
    return [_beside(rows, name, names[0], task, seed, confidence) for name in names]


def nightly_gain(
    mine: Sequence[NightlyQuality], champion: Sequence[NightlyQuality], task: str, compared: int, seed: int
) -> tuple[int, Gain | None]:
    """Return on how many nights both have a loss of the same outcomes, and the gain over the champion.

    The same as from the rows themselves, since all that a loss needs of a night is its sum.
    """
    same = _same_nights(mine, champion)
    metric = loss_metric(task)
    ours, rival = (_nights(metric, [pair[side] for pair in same]) for side in (0, 1))
    return len(same), paired_gain(ours, rival, confidence_of_each(compared), seed)


def lasting_gain(mine: Sequence[NightlyQuality], champion: Sequence[NightlyQuality], compared: int) -> Anytime | None:
    """Return the bounds of the gain over the champion that hold however often somebody looks; None of too few nights.

    All nights count on which both have a loss of the same outcomes, from the first: a window that moves along would
    forget that somebody looked before. compared is as in `confidence_of_each`.
    """
    pairs = _same_nights(mine, champion)
    won = [((b.loss or 0.0) - (a.loss or 0.0)) * a.outcomes for a, b in pairs]
    return anytime_gain(won, [a.outcomes for a, _ in pairs], ERROR / max(compared, 1))


def _same_nights(
    mine: Sequence[NightlyQuality], champion: Sequence[NightlyQuality]
) -> list[tuple[NightlyQuality, NightlyQuality]]:
    theirs = {night.date: night for night in champion}
    pairs = [(night, theirs[night.date]) for night in mine if night.date in theirs]
    return [(a, b) for a, b in pairs if a.outcomes == b.outcomes > 0]


def _nights(metric: Metric, nights: Sequence[NightlyQuality]) -> Tally:
    sums = [[night.outcomes, (night.loss or 0.0) * night.outcomes] for night in nights]
    return Tally(metric, np.array(sums, dtype=np.float64).reshape(-1, 2))


def rows_gain(rows: pd.DataFrame, name: str, champion: str, task: str, compared: int) -> Anytime | None:
    """Return the bounds of a gain on the rows of a table that hold however often somebody looks while rows come.

    What `lasting_gain` is of nights: here a row counts, once. rows is as in `side_by_side`.
    """
    known = _both(rows, name, champion, known=True)
    losses = [row_losses(_of(known, OUTCOME), _of(known, who), task) for who in (champion, name)]
    return anytime_gain(losses[0] - losses[1], np.ones(len(known)), ERROR / max(compared, 1))


def _beside(rows: pd.DataFrame, name: str, champion: str, task: str, seed: int, confidence: float) -> Beside:
    scored, known = (_both(rows, name, champion, known=only) for only in (False, True))
    metrics = _metrics(known, name, task, seed)
    nights = len(known) if KEY in known else known[DAY].nunique()
    count = len(scored), len(known), nights
    if name == champion:
        return Beside(name, *count, metrics, None, None)
    unit, units = _units(known, seed)
    mine, theirs = (
        tally(loss_metric(task), _of(known, OUTCOME), _of(known, who), unit, units) for who in (name, champion)
    )
    gain, agreement = paired_gain(mine, theirs, confidence, seed), _agreement(scored, name, champion, task)
    return Beside(name, *count, metrics, gain, agreement, _loss(theirs))


def _both(rows: pd.DataFrame, name: str, champion: str, *, known: bool) -> pd.DataFrame:
    """Return the rows that both scored, those with an outcome when asked; of a table each key once, as it was last."""
    there = rows[rows[name].notna() & rows[champion].notna()]
    if KEY in there:
        there = there.sort_values(DAY, kind="stable").drop_duplicates(KEY, keep="last")
    return there[there[OUTCOME].notna()] if known else there


def _metrics(known: pd.DataFrame, name: str, task: str, seed: int) -> dict[str, Measured]:
    unit, units = _units(known, seed)
    outcome, score = _of(known, OUTCOME), _of(known, name)
    loss = loss_metric(task)
    found: dict[str, Measured] = {loss: _loss(tally(loss, outcome, score, unit, units))}
    if task == "classification":
        found["auc"] = _told(*interval(tally("auc", outcome, score, unit, units), 0.975, seed))
    return found


def _loss(found: Tally) -> Measured:
    mean = clustered_mean(found.sums[:, 1], found.sums[:, 0])
    return _told(mean.value, *mean.bounds(0.025))


def _agreement(both: pd.DataFrame, name: str, champion: str, task: str) -> Agreement:
    rate = float(both[OUTCOME].mean()) if task == "classification" and len(both) else None
    return agreement_of(_of(both, name), _of(both, champion), rate)


def _units(rows: pd.DataFrame, seed: int) -> tuple[Units, int]:
    if KEY in rows:
        return deal_rows(len(rows), seed)
    names, unit = np.unique(rows[DAY].to_numpy(dtype=str), return_inverse=True)
    return np.asarray(unit, dtype=np.int32), len(names)


def _of(rows: pd.DataFrame, name: str) -> Numbers:
    return rows[name].to_numpy(dtype=np.float64)


def _told(*figures: float) -> Measured:
    value, low, high = (figure if np.isfinite(figure) else None for figure in figures)
    return Measured(value, low, high)
