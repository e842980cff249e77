"""Data trust: files rewritten since the champion, rows unlike any before, outcomes that contradict it.

None of them proves that somebody tampers: a season changes rows, and a strike changes outcomes. They say what to look
at before a model learns from it.
"""

import numpy as np

from plimsoll.encoder import Matrix
from plimsoll.gate_result import GateResult, Judgement, compared, judged
from plimsoll.gates_config import Trust
from plimsoll.label_screen import MIN_DAYS, MIN_ROWS, label_shifts
from plimsoll.metrics import Numbers
from plimsoll.newcomers import Newcomers

USUAL = 0.99  # of rows known before lie below what counts as unusual
LEAST = 200  # rows known before, to tell what is usual
TREES = 100
SEED = 7
NAMED = 3  # files in a sentence


def judge_trust(gate: Trust | None, newcomers: Newcomers | None, task: str = "classification") -> Judgement:
    """Return what is odd about the data since the champion's; nothing without a gate or a champion."""
    if gate is None or newcomers is None:
        return Judgement()
    results = []
    if gate.max_rewritten is not None:
        results.append(_rewritten(gate, newcomers, gate.max_rewritten))
    if gate.max_outlier_share is not None:
        what = "rows more outlying than 99 % of those before"
        came, limit = len(newcomers.new), gate.max_outlier_share
        results.append(_unusual(gate, "outliers", what, outlier_scores(newcomers), came, limit, newcomers.since))
    if gate.max_surprise_share is not None:
        what = "outcomes that surprise the champion more than 99 % of those that judged it"
        sides = newcomers.held_losses, newcomers.new_losses
        came, limit = len(newcomers.new_losses), gate.max_surprise_share
        results.append(_unusual(gate, "surprising outcomes", what, sides, came, limit, newcomers.since))
    if gate.max_label_change is not None:
        results.append(_labels(gate, newcomers, gate.max_label_change, task))
    return Judgement(tuple(results))


def _labels(gate: Trust, newcomers: Newcomers, limit: float, task: str) -> GateResult:
    """Return the largest sure change of outcomes since the champion, of all rows and of each group."""
    name, held, came = "outcomes as before", newcomers.held, newcomers.came
    if not len(newcomers.new):
        return judged(gate, name, True, 0.0, limit, f"no rows came since {newcomers.since} that can be looked at")
    if not (shifts := label_shifts(held, came, task, newcomers.past)):
        sentence = (
            f"whether outcomes are as before cannot be told: the champion has {len(held.outcome):,} rows of "
            f"{held.days} days that it did not train on, and {len(came.outcome):,} of {came.days} days came since; "
            f"either needs {MIN_ROWS} of {MIN_DAYS} days"
        )
        return judged(gate, name, False, float("nan"), limit, sentence)
    moved = [one for one in shifts if one.sure and abs(one.change) > limit]
    largest = max((abs(one.change) for one in shifts if one.sure), default=0.0)
    told = "; ".join(one.sentence for one in moved[:NAMED]) + (" and others" if len(moved) > NAMED else "")
    said = (
        f"{told}: surely changed by more than {limit:g}" if moved else f"nothing surely changed by more than {limit:g}"
    )
    where = f"{len(shifts)} things looked at on {len(came.outcome):,} rows since {newcomers.since}"
    return judged(gate, name, not moved, largest, limit, f"{said} ({where})")


def outlier_scores(newcomers: Newcomers) -> tuple[Numbers, Numbers]:
    """Return how outlying rows are, before and now, to a forest grown on those before (Liu, Ting and Zhou 2008).

    Both are empty where one side has no rows. A missing number counts as the median of those before, and how many of a
    row are missing is a column of its own.
    """
    from sklearn.ensemble import IsolationForest

    if not len(newcomers.known) or not len(newcomers.new):
        return np.empty(0), np.empty(0)
    middle = np.array([_median(column) for column in newcomers.known.T])
    before, now = (_filled(matrix, middle) for matrix in (newcomers.known, newcomers.new))
    forest = IsolationForest(n_estimators=TREES, random_state=SEED).fit(before)
    return -forest.score_samples(before), -forest.score_samples(now)


def _median(column: Matrix) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else 0.0


def _filled(matrix: Matrix, middle: Numbers) -> Numbers:
    gone = np.isnan(matrix)
    return np.asarray(np.column_stack([np.where(gone, middle, matrix), gone.sum(axis=1)]), dtype=np.float64)


def _unusual(
    gate: Trust, name: str, what: str, sides: tuple[Numbers, Numbers], came: int, limit: float, since: str
) -> GateResult:
    """Return the share of new values above what 99 % of those before are below; came: rows that are new."""
    before, now = sides
    if not came:
        return judged(gate, name, True, 0.0, limit, f"no rows came since {since} that can be looked at")
    if len(before) < LEAST:
        sentence = (
            f"{what} cannot be told: {len(before)} rows of the champion's are among these, {LEAST} are needed. "
            "Train on more days, or leave this gate out"
        )
        return judged(gate, name, False, float("nan"), limit, sentence)
    share = float(np.mean(now > np.quantile(before, USUAL)))
    return compared(gate, name, f"share of {what}", share, limit, f"of {len(now):,} rows since {since}; 0.01 is usual")


def _rewritten(gate: Trust, newcomers: Newcomers, limit: int) -> GateResult:
    count = len(newcomers.rewritten)
    named = f": {', '.join(newcomers.rewritten[:NAMED])}{' and others' if count > NAMED else ''}" if count else ""
    sentence = (
        f"{count} of {newcomers.compared} dated files that the champion learnt from have other bytes now{named}, "
        f"{'' if count <= limit else 'but '}may be at most {limit}"
    )
    return judged(gate, "rewritten files", count <= limit, float(count), float(limit), sentence)
