"""Metrics with intervals that count days: days drawn with replacement, as beside the champion."""

from typing import Any

import numpy as np

from plimsoll.curves import rounded
from plimsoll.gates_config import OF_TASK, Metric
from plimsoll.judged_rows import Judged
from plimsoll.paired_bootstrap import MAX_UNDEFINED, MIN_UNITS, expanded_tail, tally

DRAWS = 2000
TAIL = 0.025  # on either side


def metric_intervals(judged: Judged) -> dict[str, dict[str, Any]]:
    """Return, by metric of the task, its value and a 95 % interval; bounds are None with too few days to draw from."""
    return {name: _interval(judged, name) for name in _metrics(judged.task)}


def _metrics(task: str) -> tuple[Metric, ...]:
    return OF_TASK[task]  # type: ignore[return-value]  # the table is of metrics


def _interval(judged: Judged, metric: Metric) -> dict[str, Any]:
    count = len(judged.units)
    found = tally(metric, judged.outcome, judged.score, judged.unit, count)
    value = float(found.value(np.ones((1, count)))[0])
    named = {"value": rounded(value) if np.isfinite(value) else None, "low": None, "high": None}
    if count < MIN_UNITS:
        return named
    chance = np.random.default_rng(judged.config.estimator.seed)
    weights = chance.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)
    drawn = found.value(weights)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < (1 - MAX_UNDEFINED) * DRAWS:
        return named
    tail = expanded_tail(TAIL, count)
    low, high = (rounded(bound) for bound in np.quantile(drawn, [tail, 1 - tail]))
    return {**named, "low": low, "high": high}
