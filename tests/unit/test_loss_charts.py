"""Late losses: why nothing is judged, which slices wait, what a later delivery corrected; and a bounded sample."""

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plimsoll.bundle import Reference
from plimsoll.drift_config import Drift
from plimsoll.loss_charts import judge_losses
from plimsoll.outcomes import (
    Former,
    NightlyQuality,
    correction_words,
    late_facts,
    quality_from_json,
)
from plimsoll.quality_threshold import RHOS, ThresholdCurve
from tasks import evidently_report

PAST = {f"2013-01-{day:02}": 0.4 + day % 7 / 100 for day in range(1, 31)}
SLICED = Reference((), {}, PAST, slices={"origin=EWR": PAST, "origin=JFK": PAST})


def flat(nights: int, horizon: int, share: float) -> ThresholdCurve:
    return ThresholdCurve(nights, horizon, share, (1 / share,) * len(RHOS))


def night(day: int, outcomes: int, **slices: float) -> NightlyQuality:
    parts = {f"origin={name}": loss for name, loss in slices.items()}
    return NightlyQuality(f"2013-02-{day:02}", 1, 0.5 if outcomes else None, 900, outcomes, 0, parts)


@pytest.mark.parametrize(
    ("nights", "said"),
    [
        ([], "no outcomes have arrived since the reference nights."),
        ([night(1, 0)], "no outcomes have arrived since the reference nights."),
        (
            [night(1, 449)],
            "1 night has outcomes, none for drift.min_coverage (50 %) of its rows; the newest, 2013-02-01, "
            "for 449 of 900.",
        ),
        ([night(1, 90), night(2, 90), night(3, 0)], "2 nights have outcomes, none for drift.min_coverage (50 %)"),
    ],
)
def test_the_reason_for_no_judgement_is_the_true_one_for_the_whole_and_every_slice(
    nights: list[NightlyQuality], said: str
) -> None:
    whole, slices = judge_losses(Drift(slices=("origin",)), SLICED, nights, flat)
    for chart in (whole, *slices.values()):
        assert not chart.judged
        assert chart.sentence.startswith(f"Quality was not judged: {said}")


def test_a_slice_that_is_too_small_every_night_says_so() -> None:
    whole, slices = judge_losses(Drift(slices=("origin",)), SLICED, [night(1, 900, EWR=0.5)], flat)
    assert whole.judged
    assert slices["origin=EWR"].judged
    assert "no night has 30 rows of origin=JFK with an outcome" in slices["origin=JFK"].sentence


def test_slices_that_were_declared_after_the_training_are_said_to_wait_for_the_next_version() -> None:
    declared = Drift(slices=("origin", "carrier"))
    whole, slices = judge_losses(declared, SLICED, [night(1, 900, EWR=0.5)], flat)
    assert "Slices by carrier are watched from the next version on" in whole.sentence
    assert set(slices) == set(SLICED.slices)
    assert "watched" not in judge_losses(Drift(slices=("origin",)), SLICED, [night(1, 900)], flat)[0].sentence


def test_slices_that_are_no_longer_declared_take_no_part_of_the_false_alarms() -> None:
    whole, slices = judge_losses(Drift(), SLICED, [night(1, 900, EWR=0.5)], flat)
    assert slices == {}
    assert whole.threshold == pytest.approx(10)
    assert judge_losses(Drift(slices=("origin",)), SLICED, [night(1, 900)], flat)[0].threshold == pytest.approx(20)


@pytest.mark.parametrize(("changed", "said"), [(0, ""), (1, "1 outcome, loss 0.49 before"), (None, "")])
def test_a_correction_is_kept_beside_the_newest_night_and_told(changed: int | None, said: str) -> None:
    former = Former("f" * 64, 0.49, 800, changed)
    again = dataclasses.replace(night(1, 900), loss=1.6, digest="e" * 64, former=former)
    assert quality_from_json(json.loads(json.dumps(again.to_json()))) == again
    told = late_facts([again, night(2, 900)])
    assert told is not None
    assert told["date"] == "2013-02-02"
    kept = {"date": "2013-02-01", "loss": 1.6, "digest": "e" * 64, "former": dataclasses.asdict(former)}
    assert told["corrected"] == ([kept] if said else [])
    words = correction_words([again, night(2, 900)])
    assert words.startswith(" Corrected by a later delivery: 2013-02-01 (") if said else words == ""
    assert said in words
    assert late_facts([]) is None


def test_a_reports_sample_is_of_the_days_that_are_there_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def sampled(_workspace: object, _config: object, _snapshot: object, date: str, most: int, _seed: int) -> Any:
        asked.append((date, most))
        return pd.DataFrame({"x": np.arange(most), "wide": 0.0})

    monkeypatch.setattr(evidently_report, "sample", sampled)
    run: Any = SimpleNamespace(workspace=None, config=SimpleNamespace(feature_names=["x"]))
    snapshot: Any = SimpleNamespace(file=lambda _table, date: date != "2013-01-02")
    rows = evidently_report._rows(run, run.config, snapshot, ["2013-01-01", "2013-01-02", "2013-01-03"])
    assert asked == [("2013-01-01", evidently_report.MAX_ROWS), ("2013-01-03", evidently_report.MAX_ROWS)]
    assert rows.shape == (evidently_report.MAX_ROWS, 1)
    assert rows.equals(evidently_report._rows(run, run.config, snapshot, ["2013-01-01", "2013-01-02", "2013-01-03"]))
