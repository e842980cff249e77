"""Contributions: what each input added to one score, so that base and contributions give the score again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.bundle import Bundle
from plimsoll.encoder import Encoder, Matrix
from plimsoll.errors import DataError
from plimsoll.estimators import Boosted, Linear
from plimsoll.metrics import Numbers
from plimsoll.shapley import WALKS, shapley

LOG_ODDS, UNITS, PROBABILITY = "log-odds", "units of the outcome", "units of the probability"
SAMPLED = 100  # rows whose contributions are estimated for a version's page, each beside all that were given
PAIRS = 25  # of orders for each of them; fewer where inputs are many
PREDICTED = 200_000  # scores that all of it may take, so that it stays a matter of seconds
FEWEST = 5  # pairs that an error can be had from
WIDEST = 2_000  # inputs; beyond, a single walk takes too much memory
TOLERANCE = 1e-4  # XGBoost adds up some hundred leaves as 32-bit floats, in another order than its predictor


@dataclass(frozen=True)
class Explanation:
    """One score, taken apart."""

    method: str
    unit: str  # of base and contributions: log-odds, units of the outcome or, estimated, of the probability
    base: float  # what the model says before it has looked at any input
    parts: tuple[dict[str, Any], ...]  # feature, value, contribution, error where it is estimated; the strongest first
    score: float  # as the model gives it now

    @property
    def total(self) -> float:
        """Base and contributions together."""
        return self.base + math.fsum(part["contribution"] for part in self.parts)

    @property
    def gives(self) -> float:
        """The score that the total stands for."""
        return 1 / (1 + math.exp(-self.total)) if self.unit == LOG_ODDS else self.total

    def to_json(self, stored: float) -> dict[str, Any]:
        """Return the explanation as JSON; same_bits: it is of the stored score, adds_up: of the one given now."""
        close = abs(self.gives - self.score) <= TOLERANCE * max(1.0, abs(self.score))
        return {
            "method": self.method,
            "unit": self.unit,
            "base": self.base,
            "total": self.total,
            "gives": self.gives,
            "score_now": self.score,
            "same_bits": self.score == stored,
            "adds_up": close,
        }


def explain(bundle: Bundle, row: pd.DataFrame) -> Explanation:
    """Return what each input added to the score of a frame's one row."""
    matrix = bundle.encoder.encode(row)
    method, (found, *_) = contributions(bundle, matrix)
    parts = _parts(bundle, row, found)
    parts.sort(key=lambda part: -abs(part["contribution"]))
    unit = LOG_ODDS if bundle.task == "classification" else UNITS
    return Explanation(method, unit, float(found[-1]), tuple(parts), float(bundle.fitted.predict(matrix)[0]))


def estimate(bundle: Bundle, row: pd.DataFrame, background: pd.DataFrame, seed: int) -> Explanation:
    """Return what each input added to the score of a frame's one row beside background rows, by sampling.

    It holds for any model; each part says its standard error. See `shapley`.
    """
    matrix = bundle.encoder.encode(row)
    found, errors = shapley(bundle, matrix, bundle.encoder.encode(background), seed)
    parts = [{**part, "error": float(error)} for part, error in zip(_parts(bundle, row, found), errors, strict=True)]
    parts.sort(key=lambda part: -abs(part["contribution"]))
    unit = PROBABILITY if bundle.task == "classification" else UNITS
    method = f"sampled Shapley values beside {len(background)} rows, {WALKS} orders each way and back: an estimate"
    return Explanation(method, unit, float(found[-1]), tuple(parts), float(bundle.fitted.predict(matrix)[0]))


def sampled_contributions(bundle: Bundle, matrix: Matrix, seed: int) -> tuple[str, Numbers, Numbers] | None:
    """Return the method, what each input added to the scores of some encoded rows, and the standard error of each.

    Both are rows × columns, for the first rows of matrix, all of which are the background; in units of the score. None
    for more inputs than can be sampled. Same seed, same numbers. See `shapley`.
    """
    width = matrix.shape[1]
    if not len(matrix) or width > WIDEST:
        return None
    pairs = PREDICTED // (2 * (width + 1))
    rows = min(len(matrix), SAMPLED, max(pairs // FEWEST, 1))
    walks = max(min(PAIRS, pairs // rows), FEWEST)
    found = [shapley(bundle, matrix[n : n + 1], matrix, seed + n, walks) for n in range(rows)]
    method = f"Sampled Shapley values beside {len(matrix)} rows, {walks} orders each way and back: an estimate"
    return method, np.array([shares[:-1] for shares, _ in found]), np.array([errors for _, errors in found])


def explainable(bundle: Bundle) -> bool:
    """Return whether scores of a bundle can be taken apart exactly."""
    if not isinstance(bundle.fitted, Linear):
        return isinstance(bundle.fitted, Boosted)
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = bundle.fitted.pipeline
    if not isinstance(pipeline, Pipeline) or len(pipeline) != 2:
        return False
    first, learner = pipeline[0], pipeline[-1]
    ours = isinstance(first, ColumnTransformer) and {name for name, *_ in first.transformers} <= {"numbers", "words"}
    known = type(learner) in (LogisticRegression, Ridge) and np.size(learner.intercept_) == 1
    return known and (ours or (type(first) is StandardScaler and not bundle.encoder.words))


def contributions(bundle: Bundle, matrix: Matrix) -> tuple[str, npt.NDArray[np.float64]]:
    """Return the method, and what each input added to each score (rows × columns + 1, the last one the base).

    Raises DataError for a learner whose scores cannot be taken apart exactly.
    """
    if isinstance(bundle.fitted, Boosted):
        return "TreeSHAP, exact", bundle.fitted.contributions(matrix, bundle.encoder)
    if isinstance(bundle.fitted, Linear) and explainable(bundle):
        return "coefficient × encoded value, exact for a linear model", _linear(bundle.fitted, bundle, matrix)
    raise DataError(f"{bundle.model}: scores of {bundle.fitted.file_name} cannot be taken apart.")


def _parts(bundle: Bundle, row: pd.DataFrame, found: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return feature, value and contribution of each input of a row, in the order of the columns."""
    return [
        {"feature": name, "value": _plain(row[name].iloc[0]), "contribution": float(found[j])}
        for j, name in enumerate(bundle.encoder.columns)
    ]


def _linear(fitted: Linear, bundle: Bundle, matrix: Matrix) -> npt.NDArray[np.float64]:
    """Return each column's share of linear scores, and the intercept last; numbers are centred, so it is a mean."""
    columns, learner = fitted.pipeline[0], fitted.pipeline[-1]
    encoded = columns.transform(matrix)
    dense = encoded.toarray() if hasattr(encoded, "toarray") else np.asarray(encoded)
    weighted = dense * np.ravel(learner.coef_)
    found = np.zeros((len(matrix), len(bundle.encoder.columns) + 1))
    for encoded_column, owner in zip(weighted.T, _owners(columns, bundle.encoder), strict=True):
        found[:, owner] += encoded_column
    found[:, -1] = float(np.ravel(learner.intercept_)[0])
    return found


def _owners(columns: Any, encoder: Encoder) -> list[int]:
    """Return for each encoded column the column it was made of, in the order of the column transformer."""
    kinds = encoder.feature_types
    owners = [j for j, kind in enumerate(kinds) if kind == "q"]
    words = [j for j, kind in enumerate(kinds) if kind == "c"]
    if words:
        seen: Mapping[int, Any] = dict(zip(words, columns.named_transformers_["words"][-1].categories_, strict=True))
        owners += [j for j in words for _ in seen[j]]
    return owners


def _plain(value: Any) -> Any:
    found = value.item() if hasattr(value, "item") else value
    return None if found is None or found != found else found  # noqa: PLR0124  # NaN is not itself
