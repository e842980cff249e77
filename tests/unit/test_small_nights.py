"""Nights of fewer rows than the reference's: they are pooled, brought to its spread, and what is blind is said."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.bundle import Reference, reference_from_json
from plimsoll.drift_config import Drift
from plimsoll.loss_charts import judge_losses
from plimsoll.loss_sizes import WHOLE, LossScale, LossSpread, cautious_scale, loss_scale
from plimsoll.metrics import row_losses
from plimsoll.night_verdict import LateVerdict, Observed, judge_estimates, judge_late, judge_scores
from plimsoll.outcomes import NightlyQuality, quality_from_json
from plimsoll.pooling import MAX_NIGHTS, Pool, pool_losses
from plimsoll.quality import judge_quality, to_json
from plimsoll.quality_threshold import RHOS, ThresholdCurve, threshold_curve
from plimsoll.recent_losses import judge_recent
from plimsoll.score_reference import score_reference, tally_scores
from plimsoll.score_sketch import sketch_scores
from tasks import thresholds

ROWS, NIGHTS, VARIANCE = 700, 60, 0.2
DATES = [f"2025-{1 + n // 28:02d}-{1 + n % 28:02d}" for n in range(NIGHTS)]
SIZES = st.lists(st.integers(1, 900), max_size=40)


def flat(nights: int, horizon: int, share: float) -> ThresholdCurve:
    return ThresholdCurve(nights, horizon, share, (1 / share,) * len(RHOS))


def drawn(chance: np.random.Generator, nights: int, rows: int) -> list[float]:
    """Return mean losses of nights that differ by nothing but chance."""
    return (0.5 + np.sqrt(VARIANCE / rows) * chance.normal(size=nights)).tolist()


def reference(seed: int = 1, **more: Any) -> Reference:
    losses = dict(zip(DATES, drawn(np.random.default_rng(seed), NIGHTS, ROWS), strict=True))
    return Reference((), {}, losses, **{"spread": {WHOLE: LossSpread(VARIANCE, dict.fromkeys(DATES, ROWS))}, **more})


def later(losses: Sequence[float], rows: int, **more: Any) -> list[NightlyQuality]:
    days = [f"2026-{1 + n // 28:02d}-{1 + n % 28:02d}" for n in range(len(losses))]
    return [NightlyQuality(day, 1, loss, rows, rows, 0, **more) for day, loss in zip(days, losses, strict=True)]


@settings(max_examples=60)
@given(SIZES, st.integers(1, 400))
def test_every_night_is_judged_once_or_waits(sizes: list[int], needed: int) -> None:
    nights = [(f"night {n:02d}", float(n), size) for n, size in enumerate(sizes)]
    points, waits = pool_losses(nights, needed)
    assert sum(point.nights for point in points) + len(waits) == len(nights)
    assert all(point.rows >= needed or point.nights == MAX_NIGHTS for point in points)
    assert len(waits) < MAX_NIGHTS
    judged = nights[: len(nights) - len(waits)]
    whole = sum(loss * size for _, loss, size in judged)
    assert sum(point.loss * point.rows for point in points) == pytest.approx(whole)


@settings(max_examples=60)
@given(st.floats(0, 3), st.floats(0.001, 5), st.integers(2, 10_000), st.integers(1, 10_000))
def test_fewer_rows_are_brought_nearer_to_the_mean_and_a_reference_night_stays(
    between: float, within: float, typical: int, rows: int
) -> None:
    scale = LossScale(0.5, between, within, typical, {})
    assert scale.shrinkage(typical) == scale.shrinkage(10 * typical) == 1
    assert 0 < scale.shrinkage(rows) <= 1
    assert scale.shrinkage(rows) >= scale.shrinkage(max(rows - 1, 1))
    assert scale.needed <= typical // 2 + 1
    assert scale.shrinkage(scale.needed) >= np.sqrt(0.5) - 1e-6


def test_what_rows_explain_is_no_variance_between_nights() -> None:
    chance = np.random.default_rng(3)
    alike = dict(zip(DATES, drawn(chance, NIGHTS, ROWS), strict=True))
    spread = LossSpread(VARIANCE, dict.fromkeys(DATES, ROWS))
    assert loss_scale(alike, spread).needed == pytest.approx(ROWS / 2, abs=80)
    apart = {date: loss + 0.2 * chance.normal() for date, loss in alike.items()}
    assert loss_scale(apart, spread).needed < 20, "nights that lie far apart by themselves hide little in few rows"
    stormy = alike | dict.fromkeys(DATES[:4], 1.5)
    assert loss_scale(stormy, spread).needed > 200, "four storms do not pass for nights that lie apart"


@pytest.mark.campaign
@pytest.mark.parametrize("rows", [350, 200, 100, 40])
def test_nights_of_few_rows_alarm_no_oftener_than_is_stated(rows: int) -> None:
    chance, alarms, raw, high = np.random.default_rng(5), [], [], []
    for seed in range(100):
        past, losses = reference(seed), drawn(chance, 90, rows)
        chart, _ = judge_losses(Drift(), past, later(losses, rows), threshold_curve)
        alarms.append(bool(chart.alarm_nights))
        high.append(len(judge_recent(chart, 20).alarm_nights) / len(chart.path))
        dated = [(str(n), loss) for n, loss in enumerate(losses)]
        raw.append(bool(judge_quality([*past.losses.values()], dated, 0.1, 90).alarm_nights))
    assert np.mean(alarms) <= 0.14
    assert np.mean(high) <= 0.07
    assert np.mean(raw) > 0.2, "held against the reference as they are they alarm far oftener"


def test_small_nights_are_judged_together_and_a_large_rise_is_found() -> None:
    worse = [0.5] * 20 + [0.7] * 30
    chart, _ = judge_losses(Drift(), reference(), later(worse, 100), flat)
    assert len(chart.path) < 50 / 3
    assert chart.alarm
    assert to_json(chart)["together"] == 4
    assert "nights with 400 outcomes are judged as one, where a reference night has 700." in chart.sentence
    assert "hardly seen" not in chart.sentence, "so many show as much as half a reference night"


def test_what_is_blind_and_what_waits_is_said() -> None:
    chart, _ = judge_losses(Drift(), reference(), later([0.5] * 16, 20), flat)
    assert [len(chart.path), len(chart.waits)] == [2, 2]
    assert "7 nights with 140 outcomes are judged as one, where a reference night has 700." in chart.sentence
    assert "a rise of less than 2.0 reference sd is hardly seen" in chart.sentence
    assert "2 nights, from 2026-01-15 on, wait to be judged with the next: 40 outcomes" in chart.sentence
    assert json.loads(json.dumps(to_json(chart)))["waits"] == [*chart.waits]
    none, _ = judge_losses(Drift(), reference(), later([0.5], 20), flat)
    assert not none.judged
    assert none.sentence.startswith("Quality was not judged: 1 night, 2026-01-01, waits to be judged with the next: 20")


def test_nights_like_those_of_the_reference_are_judged_as_before() -> None:
    losses = drawn(np.random.default_rng(9), 30, ROWS)
    past = reference()
    chart, _ = judge_losses(Drift(), past, later(losses, ROWS), flat)
    dated = [(night.date, night.loss or 0.0) for night in later(losses, ROWS)]
    assert chart == judge_quality([*past.losses.values()], dated, 0.1, 90, flat)


def test_a_version_that_keeps_no_spread_is_judged_with_caution_and_says_so() -> None:
    scores = score_reference(
        tally_scores(np.full(ROWS, date), np.linspace(0.1, 0.9, ROWS), np.full(ROWS, 0.5)) for date in DATES
    )
    older = reference_from_json({k: v for k, v in reference(scores=scores).to_json().items() if k != "spread"})
    assert older.rows == dict.fromkeys(DATES, ROWS), "its scores tell how many rows there were"
    chart, _ = judge_losses(Drift(), older, later([0.5] * 8, 200), flat)
    assert len(chart.path) == 4
    assert "is kept from the next version on" in chart.sentence
    assert cautious_scale(older.losses, older.rows).needed == ROWS / 2


def test_a_night_that_was_kept_before_slices_had_counts_is_read() -> None:
    body = later([0.5], 100, slices={"origin=JFK": 0.5})[0].to_json()
    del body["slice_outcomes"]
    old = quality_from_json(body)
    assert old.slice_outcomes == {}
    policy, by = Drift(slices=("origin",)), {"origin=JFK": reference(2).losses}
    sizes = {WHOLE: ROWS, "origin=JFK": 70}
    spread = {name: LossSpread(VARIANCE, dict.fromkeys(DATES, rows)) for name, rows in sizes.items()}
    _, charts = judge_losses(policy, reference(slices=by, spread=spread), [old], flat)
    assert "10 outcomes, 3" in charts["origin=JFK"].sentence, "a seventh of the reference's rows, in the slice too"


def test_slices_share_half_of_the_false_alarms_and_only_those_that_can_be_judged() -> None:
    few = dict([*reference(3).losses.items()][:19])
    by = {"origin=EWR": reference(2).losses, "origin=JFK": reference(3).losses, "origin=LGA": few}
    parts = dict.fromkeys(by, 0.5)
    policy = Drift(slices=("origin",))
    whole, slices = judge_losses(policy, reference(slices=by), later([0.5], ROWS, slices=parts), flat)
    assert whole.threshold == pytest.approx(1 / 0.05)
    assert slices["origin=EWR"].threshold == slices["origin=JFK"].threshold == pytest.approx(1 / 0.025)
    assert "19 reference nights" in slices["origin=LGA"].sentence
    alone, _ = judge_losses(policy, reference(slices={"origin=LGA": few}), later([0.5], ROWS), flat)
    assert alone.threshold == pytest.approx(1 / 0.1), "a slice that cannot be judged takes no part of the alarms"


def test_a_slice_whose_small_nights_are_pooled_is_high_until_its_next_night() -> None:
    night = later([0.5] * 12, ROWS)
    whole = judge_quality([*reference().losses.values()], [(one.date, 0.5) for one in night], 0.1, 90, flat)
    path = tuple((night[n].date, 0.9, 50.0 if n < 8 else 0.0) for n in (2, 5, 8))
    pooled = replace_path(whole, path, (night[2].date, night[5].date))
    alarms = LateVerdict(whole, {"origin=JFK": pooled}, stale=False).quality_alarms
    assert [n for n, alarm in enumerate(alarms) if alarm] == [2, 3, 4, 5, 6, 7]
    gone = replace_path(whole, path[:1], (night[2].date,))
    alarms = LateVerdict(whole, {"origin=JFK": gone}, stale=False).quality_alarms
    assert sum(alarms) == MAX_NIGHTS, "one that has no rows any more does not ask for ever"


def replace_path(chart: Any, path: Any, over: tuple[str, ...]) -> Any:
    from dataclasses import replace

    return replace(chart, path=path, alarm_nights=over, alarm=True)


def test_nights_that_wait_are_no_end_of_outcomes() -> None:
    nights = [*later([0.5] * 8, ROWS), NightlyQuality("2026-01-20", 1, 0.5, 20, 20, 0)]
    assert not judge_late(Drift(), reference(), "", "2026-02-02", nights, flat).stale
    assert judge_late(Drift(), reference(), "", "2026-02-04", nights, flat).stale


def scores_of(chance: np.random.Generator, rows: int) -> Any:
    return sketch_scores(chance.beta(2, 6, rows))


def known_scores() -> Reference:
    chance = np.random.default_rng(4)
    scores = chance.beta(2, 6, NIGHTS * ROWS)
    lost = row_losses((chance.random(scores.size) < scores).astype(np.float64), scores, "classification")
    return Reference((), {}, {}, score_reference([tally_scores(np.repeat(DATES, ROWS), scores, lost)]))


def test_few_scores_are_no_score_drift_and_no_high_estimate() -> None:
    past, chance, policy = known_scores(), np.random.default_rng(6), Drift(one_in_nights=20)
    assert past.scores is not None
    nights = [Observed(f"2026-01-{n + 1:02d}", None, scores_of(chance, 50)) for n in range(28)]
    guesses = {n.date: past.scores.estimate(past.scores.profile(n.scores)) or 0.0 for n in nights if n.scores}
    verdict, high = judge_estimates(policy, past, nights, guesses)
    assert sum(high) <= 4, "one night in twenty is asked"
    assert "It is of 50 rows, a reference night of 700" in verdict.sentence
    whole = [Observed("2026-01-01", None, scores_of(chance, ROWS))]
    usual, _ = judge_estimates(policy, past, whole, {"2026-01-01": 0.4})
    assert (verdict.threshold or 0) > (usual.threshold or 9)
    waits = judge_scores(policy, past, nights[:2], Pool((nights[0].date, nights[1].date), 100, 350, True, ""))
    assert waits is not None
    assert not waits.judged
    assert "Scores were not judged: 100 rows wait and 350" in waits.sentence
    pool = Pool(tuple(one.date for one in nights[:6]), 300, 300, False, "")
    together = judge_scores(policy, past, nights[:6], pool)
    assert together is not None
    assert together.judged
    assert len(together.reference_statistics) == NIGHTS // 6, "held against blocks of as many days"


def test_thresholds_of_other_code_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    before = thresholds.method()
    monkeypatch.setattr(thresholds, "code_of", lambda modules: ["other bytes" for _ in modules])
    thresholds.method.cache_clear()
    assert thresholds.method() != before
    thresholds.method.cache_clear()
