"""Quality before outcomes: scores of a batch against those of unseen reference days, and what it all means."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from plimsoll.assembly import OUTCOME
from plimsoll.diagnosis import diagnose
from plimsoll.drift import judge_inputs
from plimsoll.estimate import EstimateVerdict, judge_estimate
from plimsoll.metrics import row_losses
from plimsoll.quality import QualityVerdict
from plimsoll.row_parts import DATE, rows_of
from plimsoll.score_reference import ScoreReference, score_reference, score_reference_from_json, tally_scores
from plimsoll.score_sketch import merge_sketches, sketch_scores
from plimsoll.unseen_losses import Unseen

Floats = NDArray[np.float64]
ROWS, DAYS = 400, 60


def night(seed: int, hard: float = 0.0) -> tuple[Floats, Floats]:
    """Scores of one night and what came true; a hard night has more of them in the middle."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(2 + hard, 6 - hard, ROWS)
    return scores, (rng.random(ROWS) < scores).astype(np.float64)


def reference() -> tuple[ScoreReference, dict[str, float]]:
    tallies, losses = [], {}
    for day in range(DAYS):
        scores, truth = night(day, hard=day % 5 / 4)
        lost = row_losses(truth, scores, "classification")
        losses[f"day {day:02d}"] = float(lost.mean())
        tallies.append(tally_scores(np.full(ROWS, f"day {day:02d}"), scores, lost))
    found = score_reference(tallies)
    assert found is not None
    return found, losses


REFERENCE, LOSSES = reference()
ESTIMATES = {date: REFERENCE.estimate(day) or 0.0 for date, day in REFERENCE.days.items()}


def judged(hard: float, one_in_nights: int = 20) -> EstimateVerdict:
    scores, _ = night(1000, hard)
    return judge_estimate(
        REFERENCE.estimate(REFERENCE.profile(sketch_scores(scores))), ESTIMATES, LOSSES, one_in_nights
    )


def test_the_estimate_is_near_the_loss_that_comes() -> None:
    for hard in (0.0, 0.5, 1.0):
        nights = [night(seed, hard) for seed in range(2000, 2030)]
        guessed = [REFERENCE.estimate(REFERENCE.profile(sketch_scores(scores))) or 0.0 for scores, _ in nights]
        came = [row_losses(truth, scores, "classification").mean() for scores, truth in nights]
        assert np.mean(guessed) == pytest.approx(np.mean(came), abs=0.015)


def test_a_hard_night_alarms_before_any_outcome_and_says_how_good_the_guess_is() -> None:
    usual, hard = judged(0.5), judged(2.0)
    assert (usual.judged, usual.alarm, hard.alarm) == (True, False, True)
    assert hard.sentence.startswith("Estimated loss is high: 0.6")
    assert "before outcomes" in hard.sentence
    assert "missed the real loss by" in hard.sentence
    assert hard.correlation is not None
    assert hard.correlation > 0.5


def test_the_level_holds_over_references() -> None:
    """Of exchangeable nights the last is the highest as often as any other."""
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(2000):
        values = rng.gamma(2, size=61)
        alarms += judge_estimate(float(values[-1]), {str(i): v for i, v in enumerate(values[:-1])}, {}, 20).alarm
    assert alarms / 2000 == pytest.approx(0.05, abs=0.015)


def test_the_level_is_whole_ranks_and_no_rounding_adds_one() -> None:
    past = {str(n): float(n) for n in range(34)}
    assert judge_estimate(29.5, past, {}, 7).alarm, "of 35 ranks the highest five alarm"
    assert not judge_estimate(28.5, past, {}, 7).alarm


def test_what_cannot_be_estimated_is_said() -> None:
    assert "trained before they were kept" in judge_estimate(0.4, {}, {}, 20).sentence
    assert (
        "5 reference nights have scores, 20 are needed"
        in judge_estimate(0.4, {str(n): 0.4 for n in range(5)}, {}, 20).sentence
    )
    assert judge_estimate(None, ESTIMATES, LOSSES, 20).sentence == "No loss was estimated: the batch has no scores."
    with pytest.raises(ValueError, match="expected 2 or more"):
        judge_estimate(0.4, ESTIMATES, LOSSES, 1)


def test_a_number_is_estimated_from_its_score_too() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(0, 50, 4000)
    lost = np.abs(rng.normal(0, 5 + np.abs(scores) / 10))  # far from zero the model is worse
    found = score_reference([tally_scores(np.repeat(np.arange(40), 100), scores, lost)])
    assert found is not None
    near, far = (
        found.estimate(found.profile(sketch_scores(at))) or 0.0 for at in (np.full(50, 1.0), np.full(50, 120.0))
    )
    assert far > 2 * near


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(1, 5))
def test_a_day_counts_the_same_from_its_rows_and_from_its_sketch(scores: list[float], parts: int) -> None:
    values = np.array(scores)
    found = score_reference([tally_scores(np.zeros(len(values)), values, np.abs(values))])
    assert found is not None
    sketch = sketch_scores(values[:0])
    for part in np.array_split(values, parts):
        sketch = merge_sketches(sketch, sketch_scores(part))
    assert found.profile(sketch) == found.days["0.0"]
    assert score_reference_from_json(json.loads(json.dumps(found.to_json()))).days == found.days


def test_scores_of_nobody_are_no_reference() -> None:
    assert score_reference([]) is None


def test_scores_that_move_are_seen_like_an_input_that_moves() -> None:
    days = list(REFERENCE.days.values())
    for hard, alarm in ((0.5, False), (3.0, True)):
        tonight = REFERENCE.profile(sketch_scores(night(1001, hard)[0]))
        assert judge_inputs([REFERENCE.plan], days, tonight, 20).alarm is alarm


@pytest.mark.parametrize(
    ("moved", "rose", "high", "gap", "said"),
    [
        (False, False, False, 0.0, "Nothing moved."),
        (True, False, False, 0.0, "Inputs moved and losses did not rise: data drift without harm so far."),
        (True, False, True, 0.0, "expect some when outcomes come"),
        (False, False, True, 0.0, "Inputs and losses as usual. The scores of tonight have meant high losses before"),
        (False, True, False, 0.3, "by more than the scores explain: concept drift"),
        (True, True, True, 0.0, "Inputs moved and losses rose, as much as the scores explain: harder nights"),
    ],
)
def test_data_drift_and_concept_drift_are_told_apart(
    moved: bool, rose: bool, high: bool, gap: float, said: str
) -> None:
    nights = {f"night {n}": (0.4, 0.4 + gap) for n in range(5)}
    assert said in meaning(moved, rose, high, nights)


@pytest.mark.parametrize("nights", [3, 5])
def test_a_short_rise_is_not_hidden_by_the_quiet_nights_before_it(nights: int) -> None:
    dates = [f"2013-05-{day:02}" for day in range(1, 31)]
    rose = dates[-nights:]
    guessed = {date: (0.4, 0.46 if date in rose else 0.4) for date in dates}
    path = tuple((date, guessed[date][1], float(date in rose)) for date in dates)
    assert "by more than the scores explain: concept drift" in meaning(False, True, False, guessed, path=path)
    assert "harder nights" in meaning(False, True, False, {d: (loss, loss) for d, (_, loss) in guessed.items()})


def test_high_losses_of_late_and_of_a_slice_are_not_called_harmless() -> None:
    late = "Inputs moved and losses of the last nights are high, with no lasting rise so far"
    assert late in meaning(True, False, False, {}, recent=True)
    assert meaning(False, False, False, {}, recent=True).startswith("Losses of the last nights are high")
    part = meaning(True, False, False, {}, recent=True, slices=["origin=JFK"])
    assert part.startswith("Inputs moved and losses rose for origin=JFK, and not as a whole")


def test_without_estimates_concept_drift_is_only_likely() -> None:
    assert "likely concept drift: the same inputs lead to other outcomes" in meaning(False, True, False, {})
    assert "data drift that harms" in meaning(True, True, False, {})


def meaning(
    moved: bool, rose: bool, high: bool, nights: Mapping[str, tuple[float, float]], path: Any = (), **more: Any
) -> str:
    days = list(REFERENCE.days.values())
    tonight = REFERENCE.profile(sketch_scores(night(1001, 3.0 if moved else 0.5)[0]))
    inputs = judge_inputs([REFERENCE.plan], days, tonight, 20)
    quality = QualityVerdict(True, rose, path, 1.0, 2.0, 0.0, 0.4, (), "")
    return diagnose(inputs, None, quality, judged(2.0 if high else 0.5), nights, **more)


def test_slices_are_kept_where_they_have_rows_enough() -> None:
    frame = pd.DataFrame(
        {"origin": ["JFK"] * 90 + ["LGA"] * 10 + [None] * 20, OUTCOME: [0.0] * 120, DATE: ["d1"] * 60 + ["d2"] * 60}
    )
    unseen = Unseen(rows_of(frame), "classification", ["origin"])
    unseen.add(np.ones(120, dtype=bool), np.full(120, 0.5))
    assert unseen.by_slice() == {"origin=JFK": {"d1": pytest.approx(np.log(2)), "d2": pytest.approx(np.log(2))}}
    assert list(unseen.losses) == ["d1", "d2"]
