"""Calibration: whether scores keep their word, in the large, by the slope, and bin by bin.

Van Calster and others 2019 (BMC Medicine 17:230) ask for mean calibration and the slope before all else; the slope is
Cox's (1958): outcomes regressed on the scores' log odds, or on the scores where the outcome is a number. Its error is
robust to days that hang together (Liang and Zeger 1986). The expected calibration error is the mean distance of ten
equal bins from the diagonal (Naeini and others 2015); it is above zero by chance alone, and by how much is said.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from plimsoll.clustered import clustered_mean
from plimsoll.gate_result import GateResult, Judgement, compared
from plimsoll.gates_config import Calibration
from plimsoll.judged_rows import Judged
from plimsoll.metrics import PROBABILITY_FLOOR, Numbers, calibration

STEPS, SMALL = 50, 1e-10  # of Newton's method
NO_SLOPE = "it cannot be judged: one score or one outcome only, or scores that tell all outcomes apart"
TAIL = 0.025  # on either side of an interval that is shown


@dataclass(frozen=True)
class Line:
    """Outcomes regressed on scores, in the scores' own scale."""

    intercept: float
    slope: float
    slope_error: float  # robust to units that hang together


def judge_calibration(gate: Calibration | None, rows: Judged) -> Judgement:
    """Return whether scores keep their word as far as the gate asks; nothing without a gate."""
    if gate is None:
        return Judgement()
    found: list[GateResult] = []
    shown = measured(rows)
    if gate.max_bias is not None:
        reason = f"{_interval(shown, 'bias')}; scores are {'above' if shown['bias'] > 0 else 'below'} outcomes"
        found.append(compared(gate, "calibration bias", "mean bias", abs(shown["bias"]), gate.max_bias, reason))
    if gate.max_error is not None:
        reason = f"by chance alone {shown['error_by_chance']:.4f}"
        name = "expected calibration error"
        found.append(compared(gate, "calibration error", name, shown["error"], gate.max_error, reason))
    for limit, at_least in ((gate.slope_from, True), (gate.slope_to, False)):
        if limit is not None:
            name = f"calibration slope {'≥' if at_least else '≤'} limit"
            unknown = shown["slope"] is None
            words = NO_SLOPE if unknown else f"{_interval(shown, 'slope')}; 1 is right, less is overconfident"
            slope = float("nan") if unknown else shown["slope"]
            found.append(compared(gate, name, "calibration slope", slope, limit, words, at_least=at_least))
    return Judgement(tuple(found), {"calibration": shown})


def measured(rows: Judged) -> dict[str, Any]:
    """Return bias, slope and expected calibration error with 95 % intervals by unit, and Murphy's parts of the Brier.

    Murphy 1973: Brier = reliability - resolution + uncertainty, over the same ten bins, but for the spread in them.
    """
    count = len(rows.units)
    counts = np.bincount(rows.unit, minlength=count).astype(np.float64)
    off_by = np.bincount(rows.unit, rows.score - rows.outcome, count).astype(np.float64)
    bias = clustered_mean(off_by, counts)
    line = recalibration(rows)
    slope = _slope_bounds(line, count)
    bins = calibration(rows.outcome, rows.score)
    share = np.array([one["rows"] for one in bins]) / len(rows.outcome)
    off = np.array([one["observed"] - one["score"] for one in bins])
    level = np.array([one["observed"] for one in bins])
    mean = float(rows.outcome.mean())
    parts = {
        "reliability": float(share @ off**2),
        "resolution": float(share @ (level - mean) ** 2),
        "uncertainty": mean * (1 - mean),
    }
    return {
        "bias": bias.value,
        "bias_interval": [_or_none(bound) for bound in bias.bounds(TAIL)],
        "intercept": _or_none(line.intercept),
        "slope": _or_none(line.slope),
        "slope_interval": [_or_none(bound) for bound in slope],
        "error": float(share @ np.abs(off)),
        "error_by_chance": _by_chance(rows, len(bins)),
        "brier": parts if rows.task == "classification" else None,
    }


def recalibration(rows: Judged) -> Line:
    """Return outcomes regressed on scores: logistic on log odds for a yes or no, least squares for a number.

    NaN where nothing can be fitted: one score, one outcome, or scores that tell all outcomes apart.
    """
    if rows.task == "regression":
        x, yes_or_no = rows.score, False
    else:
        p = np.clip(rows.score, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
        x, yes_or_no = np.log(p / (1 - p)), True
    design = np.column_stack([np.ones(len(x)), x])
    nothing = Line(float("nan"), float("nan"), float("nan"))
    if np.ptp(x) == 0:  # rounding may hide from the solver that there is no slope
        return nothing
    try:
        beta = _fit(design, rows.outcome, yes_or_no)
        errors = _robust(design, rows, beta, yes_or_no)
    except np.linalg.LinAlgError:
        return nothing
    return Line(float(beta[0]), float(beta[1]), float(errors[1])) if np.isfinite(errors).all() else nothing


def _fit(design: Numbers, outcome: Numbers, yes_or_no: bool) -> Numbers:
    if not yes_or_no:
        return np.asarray(np.linalg.solve(design.T @ design, design.T @ outcome))
    beta = np.zeros(2)
    for _ in range(STEPS):
        mean = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        weight = mean * (1 - mean)
        step = np.linalg.solve(design.T @ (design * weight[:, None]), design.T @ (outcome - mean))
        beta = beta + step
        if np.abs(step).max() < SMALL:
            return beta
    raise np.linalg.LinAlgError("scores tell all outcomes apart, so that no slope fits")


def _robust(design: Numbers, rows: Judged, beta: Numbers, yes_or_no: bool) -> Numbers:
    """Return the standard errors of a fit by the sandwich over units, for as many units as there are."""
    fitted = design @ beta
    mean = 1 / (1 + np.exp(-fitted)) if yes_or_no else fitted
    weight = mean * (1 - mean) if yes_or_no else np.ones(len(mean))
    bread = np.linalg.inv(design.T @ (design * weight[:, None]))
    count = len(rows.units)
    pull = (rows.outcome - mean)[:, None] * design
    sums = np.column_stack([np.bincount(rows.unit, pull[:, j], count) for j in range(design.shape[1])])
    spread = count / max(count - 1, 1) * bread @ (sums.T @ sums) @ bread
    with np.errstate(invalid="ignore"):  # NaN where rounding made it negative
        return np.asarray(np.sqrt(np.diag(spread)))


def _slope_bounds(line: Line, units: int) -> tuple[float, float]:
    from scipy.special import stdtrit

    if units < 2:
        return float("nan"), float("nan")
    reach = -float(stdtrit(units - 1, TAIL)) * line.slope_error
    return line.slope - reach, line.slope + reach


def _by_chance(rows: Judged, bins: int) -> float:
    """Return the expected calibration error of scores that are right: the mean size of each bin's own error."""
    order = np.argsort(rows.score, kind="stable")
    error = 0.0
    for part in np.array_split(order, bins):
        p = rows.score[part]
        spread = p * (1 - p) if rows.task == "classification" else (rows.outcome[part] - p) ** 2
        error += np.sqrt(2 / np.pi * np.clip(spread, 0, None).sum())
    return float(error / len(order))


def _interval(shown: dict[str, Any], name: str) -> str:
    low, high = shown[f"{name}_interval"]
    return (
        "95 % interval unknown"
        if low is None or high is None
        else f"95 % interval {low:.4f} to {high:.4f}".replace("-", "−")
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
