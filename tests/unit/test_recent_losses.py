"""Recent losses: a moving average that is high as often as it says, and finds a run of bad nights soon."""

import numpy as np
import pytest

from plimsoll.quality import judge_quality
from plimsoll.quality_threshold import ThresholdCurve, normal_nights
from plimsoll.recent_losses import RecentVerdict, high_average, judge_recent, moving_average

REFERENCE, NIGHTS = 90, 60


def no_matter(reference_nights: int, horizon_nights: int, share: float) -> ThresholdCurve:
    """The moving average does not ask the CUSUM's threshold."""
    return ThresholdCurve(reference_nights, horizon_nights, share, (5.0,) * 29)


def judged(losses: "np.ndarray[tuple[int], np.dtype[np.float64]]", one_in_nights: int) -> RecentVerdict:
    past, later = losses[:REFERENCE].tolist(), losses[REFERENCE:].tolist()
    chart = judge_quality(past, [(f"night {n:03d}", loss) for n, loss in enumerate(later)], 0.1, NIGHTS, no_matter)
    return judge_recent(chart, one_in_nights)


@pytest.mark.parametrize("rho", [0.0, 0.4])
@pytest.mark.parametrize("one_in_nights", [7, 20])
def test_an_unchanged_model_is_over_the_threshold_as_often_as_stated(rho: float, one_in_nights: int) -> None:
    chance = np.random.default_rng(1959)
    nights = normal_nights(chance, np.full(200, rho), REFERENCE + NIGHTS)
    share = np.mean([len(judged(one, one_in_nights).alarm_nights) / NIGHTS for one in nights])
    assert share == pytest.approx(1 / one_in_nights, abs=0.03)


def test_three_bad_nights_are_enough_and_good_ones_end_it() -> None:
    nights = normal_nights(np.random.default_rng(7), np.full(1, 0.3), REFERENCE + NIGHTS)[0]
    usual = float(np.median(nights[:REFERENCE]))
    nights[REFERENCE:] = usual
    nights[REFERENCE + 20 : REFERENCE + 23] = nights[:REFERENCE].max() + 1
    found = judged(nights, 7)
    assert found.judged
    assert not found.alarm
    assert "are as usual" in found.sentence
    assert found.alarm_nights[0] in ("night 020", "night 021")
    assert found.alarm_nights[-1] < "night 027"
    high = judged(nights[: REFERENCE + 23], 7)
    assert high.alarm
    assert "are high" in high.sentence
    assert "one night in 7" in high.sentence


def test_without_a_judged_chart_nothing_is_said_to_be_high() -> None:
    found = judge_recent(judge_quality([1.0] * 5, [("night", 9.0)], 0.1, NIGHTS, no_matter), 7)
    assert (found.judged, found.alarm, found.alarm_nights) == (False, False, ())
    assert "were not judged" in found.sentence


def test_losses_of_long_ago_say_nothing_of_tonight() -> None:
    nights = normal_nights(np.random.default_rng(7), np.full(1, 0.3), REFERENCE + 3)[0]
    nights[REFERENCE:] = nights.max() + 1
    past, later = nights[:REFERENCE].tolist(), [(f"night {n}", loss) for n, loss in enumerate(nights[REFERENCE:])]
    chart = judge_quality(past, later, 0.1, NIGHTS, no_matter)
    assert judge_recent(chart, 7, behind=14).alarm
    stale = judge_recent(chart, 7, behind=15)
    assert (stale.judged, stale.alarm) == (False, False)
    assert "the last night with enough outcomes was 15 days ago." in stale.sentence
    assert judge_recent(chart, 7, behind=35, delay_days=21).alarm, "what comes three weeks late is not missing yet"
    assert not judge_recent(chart, 7, behind=36, delay_days=21).judged


def test_the_average_starts_at_nought_and_forgets() -> None:
    assert moving_average([1.0, 0.0, 0.0]) == pytest.approx([0.3, 0.21, 0.147])
    assert high_average(0.0, 7) < high_average(0.4, 7) < high_average(0.4, 20)
    with pytest.raises(ValueError, match="expected 2 or more, found 1"):
        judge_recent(judge_quality([], [], 0.1, NIGHTS, no_matter), 1)
