"""Which settings a learner knows: a misspelt one would train a model that nobody asked for, and say nothing."""

import difflib
import warnings
from collections.abc import Collection, Mapping
from typing import Any

from plimsoll.errors import ConfigError

# 3.2's documentation of parameters, of those that a model of one table can have
OF_XGBOOST = (
    "alpha base_score booster colsample_bylevel colsample_bynode colsample_bytree device "
    "disable_default_eval_metric eta eval_metric expectile_alpha feature_selector gamma grow_policy "
    "huber_slope interaction_constraints lambda learning_rate max_bin max_cached_hist_node max_cat_threshold "
    "max_cat_to_onehot max_delta_step max_depth max_leaves min_child_weight min_split_loss "
    "monotone_constraints multi_strategy normalize_type num_parallel_tree objective one_drop process_type "
    "quantile_alpha rate_drop refresh_leaf reg_alpha reg_lambda sample_type sampling_method scale_pos_weight "
    "seed_per_iteration skip_drop sparse_threshold subsample tolerance top_k tree_method "
    "tweedie_variance_power updater"
)
# the arguments of scikit-learn's LogisticRegression and Ridge
OF_LOGISTIC = (
    "C class_weight dual fit_intercept intercept_scaling l1_ratio max_iter penalty solver tol verbose warm_start"
)
OF_RIDGE = "alpha copy_X fit_intercept max_iter positive solver tol"
XGBOOST, LOGISTIC, RIDGE = (frozenset(names.split()) for names in (OF_XGBOOST, OF_LOGISTIC, OF_RIDGE))
OF_KIND = {"xgboost": XGBOOST, "logistic": LOGISTIC, "ridge": RIDGE}
FIELDS = {  # of estimator, which say the same
    "seed": "seed",
    "random_state": "seed",
    "nthread": "threads",
    "n_jobs": "threads",
    "n_estimators": "rounds",
    "num_boost_round": "rounds",
    "num_round": "rounds",
}
UNUSED = "are not used"  # in XGBoost's words


def param_faults(kind: str, names: Collection[str]) -> str:
    """Return what is wrong with the names of settings of a learner, in sentences; empty when nothing is."""
    if kind not in OF_KIND:
        return f"kind {kind} is trained already and takes no settings, found {', '.join(names)}." if names else ""
    known = sorted(OF_KIND[kind])
    unknown = [name for name in names if name not in known]
    said = [_fault(kind, name, known) for name in unknown]
    helped = all("?" in one or "estimator." in one for one in said)
    return " ".join(said) + ("" if helped else f" Allowed: {', '.join(known)}.")


def _fault(kind: str, name: str, known: list[str]) -> str:
    field = FIELDS.get(name, "")
    if field and not (field == "rounds" and kind != "xgboost"):
        return f"{name} is set as estimator.{field}; take it out of params."
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown setting {name}." + (f" Did you mean {close[0]}?" if close else "")


def refuse_unused(params: Mapping[str, Any], defaults: Mapping[str, Any], kinds: list[str]) -> None:
    """Raise ConfigError where XGBoost refuses params, or would leave one of them unused with a warning.

    defaults are what it is given beside them; one of those may be unused. Tried on two rows of nought with features of
    these kinds, so it takes no time, and holds wherever the rows lie.
    """
    import numpy as np
    import xgboost as xgb

    rows = xgb.DMatrix(np.zeros((2, len(kinds))), label=[0, 1], feature_types=kinds, enable_categorical=True, nthread=1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            xgb.train({**defaults, **params}, rows, 1)
        except xgb.core.XGBoostError as error:
            raise ConfigError(f"estimator.params: XGBoost cannot train so: {_said(str(error))}.") from None
    said = " ".join(str(one.message) for one in told if UNUSED in str(one.message))
    if unused := [name for name in params if f'"{name}"' in said]:
        raise ConfigError(
            f"estimator.params: XGBoost does not use {', '.join(unused)} beside the other settings, so the model would "
            "not be the one asked for. Take it out, or choose the booster and tree_method that have it."
        )


def _said(text: str) -> str:
    """Return the first line of XGBoost's complaint without time and place."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0].split(": ", 1)[-1].rstrip(". ")
