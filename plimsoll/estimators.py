"""The learners: fit, predict, and bytes that run no code when they are read.

XGBoost is kept as UBJ; scikit-learn through skops, whose file lists types that only our own list may allow.
"""

import io
import itertools
import json
import re
import zipfile
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from plimsoll.encoder import Encoder, Matrix
from plimsoll.errors import DataError, IntegrityError
from plimsoll.estimator_config import Estimator
from plimsoll.estimator_params import refuse_unused
from plimsoll.matrices import Boost, Pages, boost

Scores = npt.NDArray[np.float64]
Task = Literal["classification", "regression"]
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date, so that equal models are equal bytes
TRUSTED_TYPES = ["numpy.dtype"]  # beyond skops' own defaults; a dtype only names how numbers are laid out


class Fitted(Protocol):
    """A learner after training."""

    @property
    def file_name(self) -> str:
        """The name of its file in a bundle."""

    def predict(self, matrix: Matrix) -> Scores:
        """Return one score per row: a probability, or the number itself."""

    def to_bytes(self) -> bytes:
        """Return the model; equal models give equal bytes."""


@dataclass(frozen=True)
class Boosted:
    """An XGBoost model."""

    booster: Any
    file_name: str = "model.ubj"

    def predict(self, matrix: Matrix) -> Scores:
        """Return one score per row; rows are judged one by one, so a batch and a single row agree bit for bit."""
        if not len(matrix):
            return np.empty(0)
        return _checked(np.asarray(self.booster.inplace_predict(matrix), dtype=np.float64))

    def contributions(self, matrix: Matrix, encoder: Encoder) -> npt.NDArray[np.float64]:
        """Return SHAP values (rows × columns + 1, the last one the base), Lundberg et al. 2020, TreeSHAP."""
        import xgboost as xgb

        data = xgb.DMatrix(matrix, feature_types=encoder.feature_types, enable_categorical=True)
        return np.asarray(self.booster.predict(data, pred_contribs=True), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """Return the model as UBJ."""
        return bytes(self.booster.save_raw("ubj"))


@dataclass(frozen=True)
class Linear:
    """A scikit-learn pipeline over the encoded matrix."""

    pipeline: Any
    task: Task
    file_name: str = "model.skops"

    def predict(self, matrix: Matrix) -> Scores:
        """Return one score per row."""
        if not len(matrix):
            return np.empty(0)
        if (scores := self._row_by_row(matrix)) is None:
            scores = (
                self.pipeline.predict_proba(matrix)[:, 1]
                if self.task == "classification"
                else self.pipeline.predict(matrix)
            )
        return _checked(np.asarray(scores, dtype=np.float64))

    def _row_by_row(self, matrix: Matrix) -> Scores | None:
        """Return the scores of a linear learner, each row summed up on its own; None for another learner.

        scikit-learn leaves the sums to BLAS, which adds in another order for one row than for many: a batch and a
        single row would differ in their last bits.
        """
        from scipy.sparse import csr_matrix
        from scipy.special import expit
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import Pipeline

        learner: Any = self.pipeline.steps[-1][1] if isinstance(self.pipeline, Pipeline) else None
        if type(learner) not in (LogisticRegression, Ridge) or np.size(learner.intercept_) != 1:
            return None
        inputs = csr_matrix(self.pipeline[:-1].transform(matrix), dtype=np.float64)
        sums: Scores = inputs @ np.ravel(learner.coef_).astype(np.float64) + np.ravel(learner.intercept_)
        return expit(sums) if isinstance(learner, LogisticRegression) else sums

    def to_bytes(self) -> bytes:
        """Return the pipeline through skops, with addresses and dates taken out."""
        import skops.io

        return _settle(skops.io.dumps(self.pipeline))


def _checked(scores: Scores) -> Scores:
    """Return scores; DataError when one of them is no number, which nobody could act on."""
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise DataError(
            f"The model gave no finite number for {bad} of {len(scores)} rows. Look at their features for values far "
            "beyond those it was trained on, and let the suite ask for their range."
        )
    return scores


def fit(pages: Pages, encoder: Encoder, config: Estimator, task: Task, booster: Boost = boost) -> Fitted:
    """Return the learner trained on pages; same rows, order, settings and seed give the same bytes.

    XGBoost takes page after page, through booster; scikit-learn needs them all in memory as one matrix.
    """
    if config.kind == "xgboost":
        return _fit_boosted(pages, encoder, config, task, booster)
    return _fit_linear(*pages.matrix(), encoder, config, task)


def load(file_name: str, data: bytes, task: Task, threads: int) -> Fitted:
    """Return a learner from bytes whose digest the caller has checked.

    Raises IntegrityError when the file holds a type that our own list does not allow.
    """
    if file_name == "model.ubj":
        import xgboost as xgb

        booster = xgb.Booster({"nthread": threads})
        booster.load_model(bytearray(data))
        return Boosted(booster)
    if file_name != "model.skops":
        raise IntegrityError(
            f"Expected a model as model.ubj or model.skops, found {file_name}: other forms may run code when they are "
            "read, so it was not loaded."
        )
    import skops.io

    foreign = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES)
    if foreign:
        raise IntegrityError(
            f"The model holds types that are not allowed: {', '.join(sorted(foreign))}. It was not loaded."
        )
    return Linear(skops.io.loads(data, trusted=TRUSTED_TYPES), task)


def _fit_boosted(pages: Pages, encoder: Encoder, config: Estimator, task: Task, booster: Boost) -> Boosted:
    objective = "binary:logistic" if task == "classification" else "reg:squarederror"
    defaults = {"objective": objective, "tree_method": "hist", "seed": config.seed, "nthread": config.threads}
    refuse_unused(config.params, defaults, encoder.feature_types)
    return Boosted(booster(pages, encoder.feature_types, {**defaults, **config.params}, config.rounds))


def _fit_linear(matrix: Matrix, outcome: Scores, encoder: Encoder, config: Estimator, task: Task) -> Linear:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    kinds = encoder.feature_types
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer(
        [
            ("numbers", numbers, [j for j, kind in enumerate(kinds) if kind == "q"]),
            ("words", words, [j for j, kind in enumerate(kinds) if kind == "c"]),
        ]
    )
    learner = LogisticRegression if task == "classification" else Ridge
    options = {"max_iter": 1000, **config.params} if task == "classification" else dict(config.params)
    return Linear(make_pipeline(columns, learner(random_state=config.seed, **options)).fit(matrix, outcome), task)


def _settle(data: bytes) -> bytes:
    """Return a skops file with memory addresses numbered in order of appearance and a fixed date."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = files.pop("schema.json").decode()
    seen = re.findall(r'"__id__": (\d+)', schema) + [name.removesuffix(".npy") for name in files]
    numbers = {old: str(n) for old, n in zip(dict.fromkeys(seen), itertools.count(1), strict=False)}
    schema = re.sub(r'(?<="__id__": )\d+', lambda m: numbers[m[0]], schema)
    schema = re.sub(r"\b(\d+)(?=\.npy)", lambda m: numbers.get(m[0], m[0]), schema)
    settled = {f"{numbers[n.removesuffix('.npy')]}.npy" if n.endswith(".npy") else n: b for n, b in files.items()}
    settled["schema.json"] = json.dumps(json.loads(schema), sort_keys=True).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(settled):
            archive.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), settled[name])
    return out.getvalue()
