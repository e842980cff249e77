"""The comparison with the champion: what it says of two models on the same days, and how often it is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.gates_config import HIGHER_IS_BETTER, OF_TASK, Metric
from plimsoll.metrics import measure
from plimsoll.paired_bootstrap import MOST_DRAWS, expanded_tail, paired_gain, tally, too_rare

METRICS = [(task, metric) for task, metrics in OF_TASK.items() for metric in metrics]


def rows_of(seed: int, days: int, task: str = "classification") -> tuple[np.ndarray, ...]:
    """Outcomes, two models' scores with ties, and days, in no order."""
    chance = np.random.default_rng(seed)
    size = int(chance.integers(40, 120)) + 10 * days
    unit = chance.integers(0, days, size).astype(np.int32)
    truth = chance.random(size)
    yes_or_no = (chance.random(size) < truth).astype(np.float64)
    scores = [np.clip(np.round(truth + chance.normal(0, noise, size), 1), 0.05, 0.95) for noise in (0.1, 0.4)]
    outcome = yes_or_no if task == "classification" else truth * 10
    return outcome, scores[0], scores[1], unit


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 9), st.sampled_from(METRICS))
def test_any_weights_of_days_give_the_metric_of_the_rows_that_they_repeat(
    seed: int, days: int, asked: tuple[str, Metric]
) -> None:
    task, metric = asked
    outcome, score, _, unit = rows_of(seed, days, task)
    weights = np.random.default_rng(seed).integers(0, 3, days).astype(np.float64)
    weights[:2] = 1
    repeated = np.repeat(np.arange(len(unit)), weights[unit].astype(int))
    told = tally(metric, outcome, score, unit, days)
    expected = measure(outcome[repeated], score[repeated], task)[metric]
    assert told.value(weights[None])[0] == pytest.approx(expected, nan_ok=True)
    some = np.flatnonzero(weights)
    assert told.of(some).value(weights[None, some])[0] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("task", "metric"), METRICS)
def test_the_better_model_is_told_whichever_way_a_metric_runs(task: str, metric: Metric) -> None:
    outcome, good, poor, unit = rows_of(1, 30, task)
    if task == "regression":
        good, poor = good * 10, poor * 10
    sides = [tally(metric, outcome, score, unit, 30) for score in (good, poor)]
    found, turned = paired_gain(sides[0], sides[1], 0.95, 7), paired_gain(sides[1], sides[0], 0.95, 7)
    assert found is not None
    assert turned is not None
    assert found.low < found.gain < found.high
    assert found.low > 0
    assert turned.high == pytest.approx(-found.low)
    assert (found.mine > found.rival) == (metric in HIGHER_IS_BETTER)


def test_a_model_beside_itself_gains_nothing_at_all_and_the_seed_settles_the_rest() -> None:
    outcome, good, poor, unit = rows_of(2, 14)
    one, other = tally("auc", outcome, good, unit, 14), tally("auc", outcome, poor, unit, 14)
    same = paired_gain(one, one, 0.95, 7)
    assert same is not None
    assert (same.gain, same.low, same.high) == (0, 0, 0)
    assert paired_gain(one, other, 0.95, 7) == paired_gain(one, other, 0.95, 7)


def test_few_days_and_days_of_one_outcome_say_nothing() -> None:
    outcome, good, _, unit = rows_of(3, 4)
    one = tally("log_loss", outcome, good, unit, 4)
    assert paired_gain(one, one, 0.95, 7) is None
    outcome, good, _, unit = rows_of(3, 14)
    never = tally("auc", np.zeros(len(unit)), good, unit, 14)
    assert paired_gain(never, never, 0.95, 7) is None


def test_a_tail_that_the_days_do_not_have_is_not_made_up() -> None:
    outcome, good, _, unit = rows_of(3, 5)
    one = tally("log_loss", outcome, good, unit, 5)
    assert paired_gain(one, one, 0.95, 7) is not None
    assert expanded_tail(0.05 / 4, 5) < 5.0**-5
    assert paired_gain(one, one, 1 - 0.05 / 4, 7) is None
    assert [tries for tries in (1, 20, 50, 100) if too_rare(1 - 0.05 / tries, 14)] == [100]
    assert expanded_tail(0.05 / 100, 14) * MOST_DRAWS < 1


def test_beyond_what_days_can_draw_student_tells_where_he_is_asked() -> None:
    outcome, good, poor, unit = rows_of(3, 14)
    sides = [tally("log_loss", outcome, score, unit, 14) for score in (good, poor)]
    at = [1 - 0.05 / tries for tries in (1, 20, 50, 100, 1000)]
    found = [paired_gain(sides[0], sides[1], confidence, 7, student=True) for confidence in at]
    lows = [one.low for one in found if one]
    assert len(lows) == 5
    assert lows == sorted(lows, reverse=True), "the bound moves on where draws end"
    assert found[:3] == [paired_gain(sides[0], sides[1], confidence, 7) for confidence in at[:3]], "where days can tell"


def test_few_days_are_held_to_a_longer_tail() -> None:
    assert expanded_tail(0.05, 14) == pytest.approx(0.0330, abs=5e-4)
    assert expanded_tail(0.05, 5) < expanded_tail(0.05, 14) < expanded_tail(0.05, 400) < 0.05


def test_an_equal_model_is_rarely_called_better_though_days_hang_together() -> None:
    chance, wins = np.random.default_rng(11), 0
    unit = np.repeat(np.arange(14), 50).astype(np.int32)
    for _ in range(200):
        day = chance.normal(0, 1, (14, 2))[unit]  # each model has its good and its bad days
        outcome = chance.normal(0, 1, len(unit))
        sides = [tally("mae", outcome, day[:, j] + chance.normal(0, 1, len(unit)), unit, 14) for j in (0, 1)]
        gain = paired_gain(sides[0], sides[1], 0.95, 7, draws=500)
        wins += gain is not None and gain.low > 0
    assert wins <= 20, "5 % are allowed"
