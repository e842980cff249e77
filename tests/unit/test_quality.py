"""Late losses: the chart finds a rise in nights, and is quiet for as long as it says it will be."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from plimsoll.quality import QualityVerdict, judge_quality, to_json
from plimsoll.quality_threshold import RHOS, ThresholdCurve, autocorrelation, curve_from_json, threshold_curve

Floats = NDArray[np.float64]


def flat(nights: int, horizon: int, share: float) -> ThresholdCurve:
    return ThresholdCurve(nights, horizon, share, (5.0,) * len(RHOS))


def dated(losses: Floats | list[float]) -> list[tuple[str, float]]:
    return [(f"night {i + 1}", float(loss)) for i, loss in enumerate(losses)]


def judge(reference: Floats | list[float], losses: Floats | list[float], horizon: int = 90) -> QualityVerdict:
    curves = threshold_curve if (len(reference), horizon) == (60, 90) else flat  # a simulation takes a second
    return judge_quality([float(loss) for loss in reference], dated(losses), 0.1, horizon, curves)


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


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5])
def test_unchanged_nights_alarm_at_about_the_stated_share_however_they_hang_together(rho: float) -> None:
    assert 0.02 < false_alarm_share(rho, 400) < 0.16  # 0.4 and more at 0.4 without the correction


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


def test_the_threshold_rises_with_autocorrelation_horizon_and_caution() -> None:
    usual = threshold_curve(60, 90, 0.1)
    assert usual == curve_from_json(json.loads(json.dumps(usual.to_json())))
    assert list(usual.heights) == sorted(usual.heights)
    assert usual.at(0.5) > 1.5 * usual.at(0.0)
    assert threshold_curve(60, 90, 0.02).at(0.2) > usual.at(0.2)
    assert threshold_curve(60, 30, 0.1).at(0.2) < usual.at(0.2)
    alternating = [float(i % 2) for i in range(60)]  # ρ below 0 counts as 0
    verdict = judge(alternating, [0.0])
    assert (verdict.rho, verdict.threshold) == (0.0, usual.at(0.0))
    trend = judge(list(range(60)), [0.0])  # ρ is clipped to 0.7
    assert (trend.rho, trend.threshold) == (0.7, usual.at(0.7))


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
    plain, cubed = (
        judge_quality([float(x) ** power for x in reference], dated([float(x) ** power for x in losses]), 0.1, 90, flat)
        for power in (1, 3)
    )
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


def test_a_share_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"No threshold for 0.6 in 90 nights after 60 nights"):
        threshold_curve(60, 90, 0.6)


def test_json_holds_the_verdict() -> None:
    verdict = judge(list(range(60)), [30.0, 70.0])
    body = json.loads(json.dumps(to_json(verdict), allow_nan=False))
    assert set(body) == {field.name for field in dataclasses.fields(verdict)} - {"scores"}
    assert body["path"] == [list(point) for point in verdict.path]
