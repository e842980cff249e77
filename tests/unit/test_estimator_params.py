"""A setting that the learner does not know, or would not use, is refused before a model is trained with it."""

import inspect
from typing import Any

import pytest
import xgboost as xgb

from plimsoll.errors import ConfigError
from plimsoll.estimator_params import LOGISTIC, RIDGE, XGBOOST, param_faults, refuse_unused
from plimsoll.search_space import OF_KIND, ROUNDS
from tests.searched import config_of

PLAIN = {"objective": "binary:logistic", "tree_method": "hist", "seed": 7, "nthread": 1}


def test_scikit_learns_names_are_those_of_its_signatures() -> None:
    from sklearn.linear_model import LogisticRegression, Ridge

    for learner, known in ((LogisticRegression, LOGISTIC), (Ridge, RIDGE)):
        assert set(inspect.signature(learner).parameters) - {"random_state", "n_jobs"} == known


def test_xgboosts_own_names_are_known() -> None:
    own = set(xgb.XGBRegressor().get_params()) & set(xgb.XGBRegressor().get_xgb_params())
    assert own - {"n_jobs", "random_state", "validate_parameters", "verbosity"} <= XGBOOST


def test_whatever_can_be_searched_can_be_written() -> None:
    for kind, space in OF_KIND.items():
        assert not param_faults(kind, set(space) - {ROUNDS})


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("logistic", "c", "unknown setting c. Allowed: C, class_weight"),
        ("ridge", "alpa", "unknown setting alpa. Did you mean alpha?"),
        ("logistic", "random_state", "random_state is set as estimator.seed; take it out of params."),
        ("logistic", "n_estimators", "unknown setting n_estimators."),
        ("xgboost", "n_estimators", "n_estimators is set as estimator.rounds; take"),
    ],
)
def test_an_unknown_setting_is_named(kind: str, name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(estimator={"kind": kind, "params": {name: 1}}, search=None)
    assert f"estimator.params: {said}" in str(caught.value)


def test_a_model_from_elsewhere_has_no_settings() -> None:
    assert param_faults("external", ["C"]) == "kind external is trained already and takes no settings, found C."
    assert not param_faults("external", [])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"rate_drop": 0.1}, "does not use rate_drop beside the other settings"),
        ({"booster": "gblinear", "max_depth": 3}, "does not use max_depth beside the other settings"),
        ({"colsample_bytree": 3}, "cannot train so: .*colsample_bytree"),
        ({"max_depth": "deep"}, "cannot train so: .*max_depth"),
    ],
)
def test_a_setting_that_would_not_be_used_is_an_error(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        refuse_unused(params, PLAIN, ["q", "q"])


def test_what_the_learner_uses_is_let_through() -> None:
    refuse_unused({"booster": "dart", "rate_drop": 0.1, "monotone_constraints": "(1,0)"}, PLAIN, ["q", "c"])
    refuse_unused({"objective": "count:poisson", "eta": 0.1, "eval_metric": "rmse"}, PLAIN, ["q"])
    refuse_unused({"booster": "gblinear", "alpha": 0.1, "feature_selector": "cyclic"}, PLAIN, ["q"])
