"""Curves of one set of scores: ROC and precision against recall of a yes or no, residuals of a number."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plimsoll.metrics import Numbers

POINTS = 61  # of a curve: what a page can show
BINS = 10  # of scores, of equal size, over which residuals are told
TENTHS = (0.1, 0.5, 0.9)
DIGITS = 6

Curve = list[list[float]]  # x and y of each point, in order of x


def curves_of(outcome: Numbers, score: Numbers, task: str) -> dict[str, Any]:
    """Return the curves of a task as JSON: `roc` and `recall`, or `residuals`; none where they are undefined.

    A curve of one class only is undefined.
    """
    if task == "regression":
        return {"residuals": residuals(outcome, score)}
    if len(np.unique(outcome)) < 2:
        return {}
    return {"roc": roc(outcome, score), "recall": precision_by_recall(outcome, score)}


def roc(outcome: Numbers, score: Numbers) -> Curve:
    """Return the share of yes that is found against the share of no that is taken for one, at even steps."""
    from sklearn.metrics import roc_curve

    wrong, found, _ = roc_curve(outcome, score)
    grid = np.linspace(0, 1, POINTS)
    return [[rounded(x), rounded(y)] for x, y in zip(grid, np.interp(grid, wrong, found), strict=True)]


def precision_by_recall(outcome: Numbers, score: Numbers) -> Curve:
    """Return the best precision that is reached with at least so much recall, at even steps of recall.

    The best to the right of a step is what somebody who chooses the threshold gets (Davis and Goadrich 2006).
    """
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(outcome, score)
    best = np.maximum.accumulate(precision)  # recall falls along the curve
    grid = np.linspace(0, 1, POINTS)[1:]
    places = np.searchsorted(-recall, -grid, side="right") - 1
    return [[rounded(x), rounded(best[at])] for x, at in zip(grid, places, strict=True)]


def residuals(outcome: Numbers, score: Numbers) -> list[dict[str, float]]:
    """Return outcome less score over tenths of the rows by score: where nine, half and one in ten lie below."""
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [_residual(outcome[part] - score[part], float(score[part].mean())) for part in parts]


def rounded(value: float) -> float:
    """Return a number to the digits that a page can use."""
    return float(f"{value:.{DIGITS}g}")


def _residual(left: Numbers, score: float) -> dict[str, float]:
    low, middle, high = np.quantile(left, TENTHS)
    found: Mapping[str, float] = {"score": score, "low": low, "middle": middle, "high": high}
    return {**{name: rounded(value) for name, value in found.items()}, "rows": float(len(left))}
