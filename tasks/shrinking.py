"""Shrinking: the smallest model that is nearly as good, and how much faster it scores here."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from plimsoll.estimators import Boosted, Scores
from plimsoll.inner_folds import Folds
from plimsoll.matrices import Boost, boost
from plimsoll.model_config import ModelConfig
from plimsoll.operations_gate import time_ratio
from plimsoll.search_config import Shrink, Value
from plimsoll.shrink import Shrunk, describe_shrunk, shrink_model
from plimsoll.store import Store, put_json

TIMED_ROWS = 20_000


@dataclass(frozen=True)
class Offer:
    """A smaller model: its settings, empty where they are not taken, and what is told of it."""

    settings: dict[str, Value]
    told: dict[str, Any]


def offer_smaller(store: Store, folds: Folds, config: ModelConfig, asked: Shrink, booster: Boost = boost) -> Offer:
    """Look for the smallest model within the margin, time it, keep all sizes that were looked at, and return it."""
    found = shrink_model(folds, config.estimator, asked, booster)
    told = describe_shrunk(found, asked, _speed(found, folds))
    told["sizes"] = put_json(store, [size.to_json() for size in found.sizes])
    return Offer(found.settings(config.estimator) if told["taken"] else {}, told)


def _speed(found: Shrunk, folds: Folds) -> dict[str, float]:
    """Return how many times as fast the smaller one of two models scores assembled rows, encoding included."""
    last = folds.folds[-1]
    frame = folds.rows.head(TIMED_ROWS, last.outside, last.encoder.columns)

    def scoring(model: Boosted, rows: pd.DataFrame = frame) -> Callable[[], Scores]:
        return lambda: model.predict(last.encoder.encode(rows))

    whole, chosen = (scoring(model) for model in found.pair)
    ratio = time_ratio(whole, chosen, time.perf_counter) if found.smaller else 1.0
    return {"ratio": round(ratio, 3), "rows": len(frame)}
