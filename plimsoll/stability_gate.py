"""Stability over time: the worst stretch of the days that judge, against the mean of them all."""

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt

from plimsoll.gate_result import Judgement, compared, judged
from plimsoll.gates_config import Stability
from plimsoll.judged_rows import Judged
from plimsoll.metrics import Numbers, row_losses


def judge_stability(gate: Stability | None, rows: Judged) -> Judgement:
    """Return how much worse the worst period is than the mean; nothing without a gate.

    Periods are counted back from the last day; one that less than half of its days judge is left out.
    """
    if gate is None:
        return Judgement()
    periods = losses_by_period(rows, gate.period_days)
    mean = float(row_losses(rows.outcome, rows.score, rows.task).mean())
    if len(periods) < 2 or not mean:
        sentence = f"{len(rows.units)} days are less than two periods of {gate.period_days}: nothing to compare"
        return Judgement((judged(gate, "worst period", False, float("nan"), gate.max_ratio, sentence),))
    worst = max(periods, key=lambda period: period["loss"])
    beside = f", {rows.champion} {worst['rival']:.4f}" if worst["rival"] is not None else ""
    reason = f"{worst['from']} to {worst['to']} lost {worst['loss']:.4f} a row{beside}; all rows {mean:.4f}"
    name = f"worst {gate.period_days} days to the mean"
    result = compared(gate, "worst period", name, worst["loss"] / mean, gate.max_ratio, reason)
    return Judgement((result,), {"stability": periods})


def losses_by_period(rows: Judged, days: int) -> list[dict[str, Any]]:
    """Return the mean loss of each period, the champion's beside it, oldest first."""
    dates = [dt.date.fromisoformat(date) for date in rows.units]
    back = np.array([(dates[-1] - date).days // days for date in dates])
    period = back[rows.unit]
    mine = row_losses(rows.outcome, rows.score, rows.task)
    rival = None if rows.rival is None else row_losses(rows.outcome, rows.rival, rows.task)
    kept = [n for n in range(int(back.max()), -1, -1) if 2 * int((back == n).sum()) >= days]
    return [_period(n, rows, back, period == n, mine, rival) for n in kept]


def _period(
    number: int, rows: Judged, back: npt.NDArray[np.int_], here: Any, mine: Numbers, rival: Numbers | None
) -> dict[str, Any]:
    named = [date for date, n in zip(rows.units, back, strict=True) if n == number]
    return {
        "from": named[0],
        "to": named[-1],
        "rows": int(here.sum()),
        "loss": float(mine[here].mean()),
        "rival": None if rival is None else float(rival[here].mean()),
    }
