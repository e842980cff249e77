"""Adopted models: trained elsewhere, read only in forms that run no code, and fitted to the inputs they are given."""

import zipfile
from pathlib import PurePath
from typing import Any

from plimsoll.errors import DataError, PlimsollError
from plimsoll.estimators import Boosted, Fitted, Linear, Task, load

BOOSTED, SKOPS = (".ubj", ".json"), (".skops",)
PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle")
PICKLE_START = b"\x80"  # of protocol 2 and later


def is_pickle(name: str, data: bytes) -> bool:
    """Return whether a model file is one that runs code when it is read, by its name or its first byte."""
    return PurePath(name).suffix in PICKLES or data[:1] == PICKLE_START


def adopt(name: str, data: bytes, task: Task, threads: int, columns: tuple[str, ...]) -> Fitted:
    """Return a model from the bytes of a file that runs no code when it is read.

    Raises DataError when it is a pickle, in no known form, or made for other inputs; IntegrityError when it holds
    types that are not allowed.
    """
    if is_pickle(name, data):
        raise DataError(
            f"{name} is a pickle: reading it would run whatever code its maker put there. Save it as UBJ (XGBoost) or "
            "with skops; or, if you trust it, set estimator.external.allow_pickle: true beside its sha256."
        )
    fitted = _read(name, data, task, threads)
    _require_inputs(name, _inputs(fitted), columns)
    return fitted


def _read(name: str, data: bytes, task: Task, threads: int) -> Fitted:
    suffix = PurePath(name).suffix
    if suffix not in BOOSTED + SKOPS:
        raise DataError(f"Expected a model as {', '.join(BOOSTED + SKOPS)}, found {name}.")
    try:
        fitted = load("model.ubj" if suffix in BOOSTED else "model.skops", data, task, threads)
        best = fitted.booster.attr("best_iteration") if isinstance(fitted, Boosted) else None
        if best is None or not isinstance(fitted, Boosted):
            return fitted
        return Boosted(fitted.booster[: int(best) + 1])  # what early stopping chose
    except PlimsollError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OSError, zipfile.BadZipFile) as error:  # XGBoostError too
        raise DataError(f"{name} cannot be read as a model: {str(error).splitlines()[0]}") from None


def _inputs(fitted: Fitted) -> tuple[int, list[str]]:
    """Return how many inputs a model takes, and their names where it knows them."""
    if isinstance(fitted, Boosted):
        return int(fitted.booster.num_features()), list(fitted.booster.feature_names or [])
    pipeline: Any = fitted.pipeline if isinstance(fitted, Linear) else None
    return int(getattr(pipeline, "n_features_in_", 0)), list(getattr(pipeline, "feature_names_in_", []))


def _require_inputs(name: str, inputs: tuple[int, list[str]], columns: tuple[str, ...]) -> None:
    count, names = inputs
    if count != len(columns) or (names and tuple(names) != columns):
        takes = ", ".join(names) or f"{count} inputs"
        raise DataError(
            f"{name} takes {takes}; features.columns names {', '.join(columns)}. They must be the same, in order."
        )
