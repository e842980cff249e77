"""Late losses: the chart finds a rise in nights, and is quiet for as long as it says it will be."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from plimsoll.quality import QualityVerdict, autocorrelation, judge_quality, to_json

Floats = NDArray[np.float64]


def dated(losses: Floats | list[float]) -> list[tuple[str, float]]:
    return [(f"night {i + 1}", float(loss)) for i, loss in enumerate(losses)]


def judge(reference: Floats | list[float], losses: Floats | list[float], horizon: int = 90) -> QualityVerdict:
    return judge_quality([float(loss) for loss in reference], dated(losses), 0.1, horizon)


def nights(rng: np.random.Generator, count: int, rho: float = 0.0) -> Floats:
    noise = rng.normal(size=count)
    for i in range(1, count):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    return noise


def false_alarm_share(rho: float, runs: int) -> float:
    rng = np.random.default_rng(2)
    past = [nights(rng, 150, rho) for _ in range(runs)]
    return sum(bool(judge(x[:60], x[60:]).alarm_nights) for x in past) / runs


def test_a_rise_of_two_sigma_is_found_within_days() -> None:
    rng = np.random.default_rng(1)
    delays = []
    for _ in range(100):
        verdict = judge(nights(rng, 60), np.concatenate([nights(rng, 10) - 1, nights(rng, 40) + 2]))
        assert verdict.alarm
        delays.append(int(verdict.alarm_nights[0].removeprefix("night ")) - 10)
    assert np.mean(delays) < 8


def test_unchanged_nights_alarm_at_about_the_stated_share() -> None:
    assert 0.04 < false_alarm_share(0.0, 800) < 0.15


def test_nights_that_hang_together_do_not_multiply_the_false_alarms() -> None:
    assert false_alarm_share(0.4, 400) < 0.22  # 0.4 and more without the correction


def test_the_sum_restarts_at_zero_and_the_path_shows_it() -> None:
    verdict = judge(list(range(60)), [-5, 70, 70, -5, -5])
    sums = [round(s, 2) for _, _, s in verdict.path]
    assert sums[0] == 0
    assert sums[2] == pytest.approx(2 * sums[1], abs=0.01)
    assert sums[3] < sums[2]
    assert verdict.statistic == verdict.path[-1][2]


def test_an_alarm_says_when_and_by_how_much() -> None:
    verdict = judge(np.random.default_rng(4).normal(0.3, 0.01, 60), [0.3] + [0.5] * 8)
    assert verdict.alarm
    assert verdict.sentence.startswith("Late losses alarm on night 9: CUSUM ")
    assert "loss 0.5 against a median of 0.2985 on 60 reference nights" in verdict.sentence
    assert verdict.sentence.endswith(f"nights, first {verdict.alarm_nights[0]}.")


def test_a_run_longer_than_the_horizon_is_said() -> None:
    verdict = judge(list(range(60)), [0.0] * 61, horizon=60)
    assert verdict.sentence.endswith("The false alarm share holds for 60 nights; these are 61.")


@pytest.mark.parametrize(
    ("share", "horizon", "h"),
    [(0.1, 60, 4.7), (0.1, 90, 5.2), (0.1, 180, 6.0), (0.05, 60, 5.5), (0.05, 90, 6.2), (0.05, 180, 7.1)],
)
def test_the_threshold_of_independent_nights_is_the_table(share: float, horizon: int, h: float) -> None:
    alternating = [float(i % 2) for i in range(60)]  # ρ below 0 counts as 0
    verdict = judge_quality(alternating, [("2013-05-01", 0.0)], share, horizon)
    assert (verdict.rho, verdict.threshold) == (0.0, h)


def test_strong_autocorrelation_raises_the_threshold_to_its_limit() -> None:
    verdict = judge(list(range(60)), [0.0], horizon=60)  # a trend: ρ is clipped to 0.7
    assert (verdict.rho, verdict.threshold) == (0.7, 13.8)


def test_the_autocorrelation_is_corrected_for_its_bias() -> None:
    rng = np.random.default_rng(9)
    found = [autocorrelation(nights(rng, 60, 0.4)) for _ in range(300)]
    assert np.mean(found) == pytest.approx(0.4, abs=0.04)
    assert autocorrelation(np.ones(60)) == pytest.approx(1 / 60)


@settings(max_examples=50)
@given(
    st.lists(st.integers(-1000, 1000), min_size=20, max_size=40),
    st.lists(st.integers(-1000, 1000), min_size=1),
)
def test_only_the_ranks_of_losses_matter(reference: list[int], losses: list[int]) -> None:
    plain = judge([float(x) for x in reference], [float(x) for x in losses])
    cubed = judge([float(x) ** 3 for x in reference], [float(x) ** 3 for x in losses])
    assert [s for *_, s in plain.path] == [s for *_, s in cubed.path]
    assert (plain.alarm, plain.threshold) == (cubed.alarm, cubed.threshold)


def test_too_few_reference_nights_are_not_judged() -> None:
    verdict = judge([0.3] * 19, [0.9])
    assert (verdict.judged, verdict.alarm, verdict.path, verdict.reference_median) == (False, False, (), 0.3)
    assert "19 reference nights have losses, 20 are needed" in verdict.sentence
    assert judge([0.3] * 20, [0.9]).judged
    assert judge([], [0.9]).reference_median is None


def test_no_outcomes_are_not_judged() -> None:
    assert "no outcomes have arrived" in judge([0.3] * 20, []).sentence


def test_losses_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="nightly losses must be finite numbers; number 2 of 2 is nan"):
        judge([0.3] * 20, [0.1, float("nan")])
    with pytest.raises(ValueError, match="reference losses"):
        judge([0.3] * 20 + [float("inf")], [0.1])


def test_a_level_that_was_not_tuned_is_refused_with_those_that_were() -> None:
    with pytest.raises(ValueError, match=r"0.2 false alarms in 90 nights. Tuned: 0.1 in 60;"):
        judge_quality([0.3] * 20, [("2013-05-01", 0.3)], 0.2, 90)


def test_json_holds_the_verdict() -> None:
    verdict = judge(list(range(60)), [30.0, 70.0])
    body = json.loads(json.dumps(to_json(verdict), allow_nan=False))
    assert set(body) == {field.name for field in dataclasses.fields(verdict)}
    assert body["path"] == [list(point) for point in verdict.path]
