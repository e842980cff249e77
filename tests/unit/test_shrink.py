"""Shrinking: the smallest model that surely stays within the margin, and never one that does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import ConfigError
from plimsoll.inner_folds import Folds, inner_folds
from plimsoll.search_config import Shrink
from plimsoll.shrink import depths_to_try, describe_shrunk, rounds_to_try, shrink_model
from plimsoll.trials import with_settings
from tests.searched import config_of, days_of_rows

GREEDY = {"kind": "xgboost", "rounds": 60, "threads": 1, "params": {"max_depth": 5}}


@pytest.fixture(scope="module")
def folds() -> Folds:
    return inner_folds(days_of_rows(24, 150), config_of(estimator=GREEDY, search=None), 3)


def test_the_smallest_that_passes_is_chosen_and_trains_to_the_loss_that_was_said(folds: Folds) -> None:
    config = config_of(estimator=GREEDY, search=None)
    found = shrink_model(folds, config.estimator, Shrink(margin=0.01))
    assert found.smaller, "two thirds of these trees learn noise by heart"
    assert found.chosen.bytes == min(one.bytes for one in found.sizes if one.passes)
    assert found.chosen.bytes < found.whole.bytes / 2
    assert found.chosen.at_most <= 0.01
    again = with_settings(config.estimator, found.settings(config.estimator))
    assert (again.rounds, again.params["max_depth"]) == (found.chosen.rounds, found.chosen.max_depth)
    *_, loss = folds.running_losses(again)
    assert loss == pytest.approx(found.chosen.loss, abs=1e-12), "the first trees are the smaller model"
    *_, whole = folds.running_losses(config.estimator)
    assert found.chosen.given_up == pytest.approx(loss - whole, abs=1e-12)


def test_a_margin_of_nothing_on_a_model_that_needs_its_trees_gives_the_whole_one(folds: Folds) -> None:
    slow = config_of(
        estimator={"kind": "xgboost", "rounds": 8, "threads": 1, "params": {"learning_rate": 0.02, "max_depth": 1}},
        search=None,
    )
    found = shrink_model(folds, slow.estimator, Shrink(margin=0))
    assert not found.smaller
    told = describe_shrunk(found, Shrink(margin=0), {"ratio": 1.0, "rows": 10})
    assert not told["taken"]
    assert "No smaller model" in told["sentence"]


def test_a_wider_margin_is_never_a_larger_model_and_more_certainty_never_a_smaller(folds: Folds) -> None:
    estimator = config_of(estimator=GREEDY, search=None).estimator
    sizes = [shrink_model(folds, estimator, Shrink(margin=margin)).chosen.bytes for margin in (0, 0.01, 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    unsure, sure = (
        shrink_model(folds, estimator, Shrink(margin=-0.0 + 0.002, confidence=one)).chosen.bytes for one in (0.5, 0.999)
    )
    assert unsure <= sure


def test_no_size_passes_behind_one_that_does_not(folds: Folds) -> None:
    found = shrink_model(folds, config_of(estimator=GREEDY, search=None).estimator, Shrink(margin=0.003))
    by_depth: dict[int, list[bool]] = {}
    for one in found.sizes:
        by_depth.setdefault(one.max_depth, []).append(one.passes)
    assert all(passes == sorted(passes, reverse=True) for passes in by_depth.values())
    assert {False, True} <= {passes for several in by_depth.values() for passes in several}


def test_with_one_day_to_judge_nothing_is_given_up() -> None:
    config = config_of(estimator=GREEDY, search=None, split={"test_days": 1})
    folds = inner_folds(days_of_rows(5, 60), config, 2)
    one_day = Folds(folds.rows, folds.folds[:1], folds.task)
    found = shrink_model(one_day, config.estimator, Shrink(margin=1))
    assert not found.smaller, "a spread by day cannot be told from one day"
    assert found.sizes[-1].to_json()["at_most"] is None


def test_what_is_not_taken_says_so(folds: Folds) -> None:
    asked = Shrink(margin=0.01, take=False)
    found = shrink_model(folds, config_of(estimator=GREEDY, search=None).estimator, asked)
    told = describe_shrunk(found, asked, {"ratio": 2.5, "rows": 10})
    assert not told["taken"]
    assert "not taken: shrink.take is false" in told["sentence"]
    assert "2.5 times as fast" in told["sentence"]


@given(rounds=st.integers(1, 3000), depth=st.integers(0, 30))
def test_what_is_looked_at_begins_with_the_whole_and_gets_smaller(rounds: int, depth: int) -> None:
    trees, depths = rounds_to_try(rounds), depths_to_try(depth)
    assert (trees[0], depths[0]) == (rounds, depth)
    for several in (trees, depths):
        assert several == sorted(set(several), reverse=True)
    assert trees[-1] >= 1
    assert depths[-1] >= min(depth, 1)
    assert len(trees) <= 20
    assert np.all(np.array(trees) > 0)


def test_only_boosted_trees_are_shrunk() -> None:
    with pytest.raises(ConfigError, match="shrink needs trees that are trained here"):
        config_of(estimator={"kind": "logistic"}, search=None, shrink={"margin": 0.01})
    with pytest.raises(ConfigError, match="shrink needs booster gbtree, found dart"):
        config_of(estimator={"kind": "xgboost", "params": {"booster": "dart"}}, search=None, shrink={"margin": 0.01})
    with pytest.raises(ConfigError, match=r"shrink.margin is missing"):
        config_of(shrink={"take": True})
    with pytest.raises(ConfigError, match=r"shrink.margin"):
        config_of(shrink={"margin": -0.1})
