"""How good scores were, once the outcomes have come."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from plimsoll.gates_config import OF_TASK

Numbers = npt.NDArray[np.float64]
PROBABILITY_FLOOR = 1e-6  # one confident mistake must not outweigh a day


def row_losses(outcome: Numbers, score: Numbers, task: str) -> Numbers:
    """Return each row's loss: log loss for a yes or no, absolute error for a number."""
    if task == "regression":
        return np.abs(outcome - score)
    p = np.clip(score, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return -(outcome * np.log(p) + (1 - outcome) * np.log(1 - p))


def measure(outcome: Numbers, score: Numbers, task: str) -> dict[str, float]:
    """Return every metric of a task; NaN where it is undefined, as AUC with one class only."""
    from sklearn import metrics as sk

    def auc(y: Numbers, s: Numbers) -> float:
        return float(sk.roc_auc_score(y, s)) if len(np.unique(y)) > 1 else float("nan")

    known: dict[str, Callable[[Numbers, Numbers], float]] = {
        "auc": auc,
        "log_loss": lambda y, s: float(row_losses(y, s, "classification").mean()),
        "brier": lambda y, s: float(np.mean((y - s) ** 2)),
        "rmse": lambda y, s: float(np.sqrt(np.mean((y - s) ** 2))),
        "mae": lambda y, s: float(np.mean(np.abs(y - s))),
        "r2": lambda y, s: float(sk.r2_score(y, s)),
    }
    return {name: known[name](outcome, score) for name in OF_TASK[task]}


def calibration(outcome: Numbers, score: Numbers, bins: int = 10) -> list[dict[str, float]]:
    """Return mean score against observed share in bins of equal size (reliability diagram)."""
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [
        {"score": float(score[part].mean()), "observed": float(outcome[part].mean()), "rows": float(len(part))}
        for part in parts
    ]
