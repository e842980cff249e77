"""The self-test finds what it planted, holds the stated level, and notices a judge that does not."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import plimsoll.drift_selftest as module
from plimsoll.drift_faults import FAULTS, field_of
from plimsoll.drift_level import level_of
from plimsoll.drift_selftest import reference_size, run_selftest
from plimsoll.errors import DataError
from plimsoll.selftest_result import Detection, SelfTest

KINDS = {"x": "number", "flat": "number", "kind": "category"}


def day(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mix = rng.dirichlet([40, 30, 10])
    x = rng.normal(0.05 * rng.normal(), 1, 200)
    return pd.DataFrame({"x": x, "flat": 1.0, "kind": rng.choice(["a", "b", "c"], 200, p=mix)})


DAYS = {f"{n:03}": day(n) for n in range(50)}
FOUND = run_selftest(DAYS, KINDS, 10, 80, 1)


def test_unchanged_days_alarm_as_often_as_stated() -> None:
    assert FOUND.reference_days == 29
    assert FOUND.level.rate == pytest.approx(0.1)
    assert FOUND.passed, FOUND.sentence
    assert FOUND.sentence.startswith("As stated: ")


def test_planted_faults_are_found_and_the_smallest_is_named() -> None:
    share = {(d.fault, d.strength): d.found / d.nights for d in FOUND.by_fault()}
    assert share["unit error", "× 10"] == 1
    assert share["new category", "10%"] == 1
    assert share["mean shift", "0.1 sd"] < share["mean shift", "1 sd"]
    assert FOUND.smallest_seen()["more nulls"] in {"+1 points", "+5 points"}
    assert FOUND.smallest_shifts()["x"] in {"0.25 sd", "0.5 sd", "1 sd"}
    assert "flat" not in FOUND.smallest_shifts(), "a constant column has no standard deviation to shift by"


def test_the_same_seed_gives_the_same_result() -> None:
    few = dict(list(DAYS.items())[:20])
    assert run_selftest(few, KINDS, 10, 3, 5) == run_selftest(few, KINDS, 10, 3, 5)


@pytest.mark.campaign
def test_a_judge_that_alarms_too_often_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = module.alarms
    monkeypatch.setattr(module, "alarms", lambda measures, one_in: honest(measures, max(one_in // 2, 2)))
    found = run_selftest(DAYS, KINDS, 10, 40, 1)
    assert not found.passed
    assert found.sentence.startswith("Not as stated: ")


@pytest.mark.parametrize(("days", "one_in", "held"), [(98, 20, 59), (90, 14, 55), (20, 14, 13), (60, 90, 36)])
def test_the_reference_is_so_long_that_ranks_meet_the_level(days: int, one_in: int, held: int) -> None:
    assert reference_size(days, one_in) == held


def test_too_few_days_are_refused() -> None:
    with pytest.raises(DataError, match="needs 15 days or more to shuffle, found 14"):
        reference_size(14, 10)


def test_a_level_that_the_days_do_not_support_is_said() -> None:
    found = SelfTest(60, 36, 90, 100, 0.03, 0.01, 0.0, ())
    assert "One in 90 was asked; 36 reference days support no rarer than one in 37." in found.sentence


@pytest.mark.parametrize(
    ("achieved", "error", "nights", "passed", "said"),
    [
        (0.119, 0, 1600, True, "As stated: "),
        (0.121, 0, 1600, False, "Not as stated: "),
        (0.13, 0.02, 1600, False, "Too few shuffles to tell: "),
        (0.3, 0.02, 1600, False, "Not as stated: "),
        (0.1, 0, 32, False, "Too few shuffles to tell: "),
        (0.0, 0, 32, False, "Too few shuffles to tell: "),
    ],
)
def test_two_points_are_allowed_on_enough_shuffles_to_tell(
    achieved: float, error: float, nights: int, passed: bool, said: str
) -> None:
    assert level_of(29, 10).rate == pytest.approx(0.1)
    found = SelfTest(50, 29, 10, nights, achieved, error, 0.0, ())
    assert found.passed is passed
    assert found.sentence.startswith(said)
    assert ("more, with --draws" in found.sentence) == said.startswith("Too few")


def test_json_is_json() -> None:
    body = json.loads(json.dumps(FOUND.to_json(), allow_nan=False))
    assert body["passed"]
    assert {fault["fault"] for fault in body["faults"]} == {fault.name for fault in FAULTS} - {"two columns swapped"}


def test_nothing_found_is_no_strength() -> None:
    missed = SelfTest(50, 29, 10, 100, 0.1, 0.01, 0.0, (Detection("mean shift", "1 sd", "x", 10, 7),))
    assert missed.smallest_seen() == {"mean shift": ""}
    assert missed.smallest_shifts() == {"x": ""}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.name} {fault.strength}")
def test_a_fault_strikes_what_it_says_and_nothing_else(fault: "module.Fault") -> None:
    rows = day(3).assign(y=range(200))
    field = field_of([rows], {**KINDS, "y": "number"})
    chance = np.random.default_rng(2)
    struck = fault.choose(field, 0, chance)
    assert struck
    broken = fault.plant(rows, struck, field, chance)
    same = [name for name in rows if broken[name].equals(rows[name].head(len(broken)))]
    expected = [] if fault.needs == "rows" else struck
    assert [name for name in rows if name not in same] == [name for name in rows if name in expected]
    assert len(broken) == (math.ceil(len(rows) / 2) if fault.needs == "rows" else len(rows))
