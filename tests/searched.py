"""A small model whose settings are searched, and rows of which something can be learnt."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.config_loading import check_config
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import DATE, Rows

SPACE = {
    "max_depth": {"low": 1, "high": 4},
    "learning_rate": {"low": 0.01, "high": 0.5, "log": True, "start": 0.3},
    "subsample": {"choices": [0.5, 1.0]},
}


def config_of(**parts: Any) -> ModelConfig:
    """A config of two numbers that asks for a search; parts lie over it."""
    body: dict[str, Any] = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"},
        "outcome": {"path": "outcomes", "column": "late", "above": 0, "no_outcome": "none"},
        "features": {
            "columns": [{"name": n, "kind": "number", "because": "known at the time"} for n in ("size", "noise")]
        },
        "estimator": {"kind": "xgboost", "rounds": 10, "threads": 1},
        "search": {"space": SPACE, "trials": 8},
        "split": {"test_days": 3},
        "gates": {"limits": [{"metric": "auc", "at_least": 0.5}]},
    }
    return check_config(ModelConfig, body | parts, "made_up.yaml")


def days_of_rows(days: int = 14, size: int = 60, seed: int = 7, scratch: Path | None = None) -> Rows:
    """Rows of which size says a part and noise nothing."""
    chance, rows = np.random.default_rng(seed), Rows(scratch)
    for day in range(days):
        frame = pd.DataFrame({"size": chance.normal(size=size), "noise": chance.normal(size=size)})
        frame[OUTCOME] = (chance.random(size) < 1 / (1 + np.exp(-2 * frame["size"]))).astype(float)
        rows.add(frame.assign(**{DATE: f"2026-01-{day + 1:02d}", KEY: [f"{day}/{n}" for n in range(size)]}))
    return rows
