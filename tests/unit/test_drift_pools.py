"""Small nights wait for each other, and two references are shown: the training days and the last nights."""

import datetime as dt
import json
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plimsoll.ledger import Entry
from plimsoll.pooling import blocks_of, nights_at_most, pool_nights, rows_needed, waiting_dates
from plimsoll.profile import Profile, merge, plan_profile, profile_batch
from plimsoll.standing import stand
from plimsoll.thinning import thin
from plimsoll.trailing import TRAILING_NIGHTS, InputsJudged, judge_both, trailing_dates, trailing_window

KINDS = {"x": "number", "kind": "category"}
FIRST = dt.date(2026, 1, 1)


def date(n: int) -> str:
    return str(FIRST + dt.timedelta(days=n))


def frame(seed: int, rows: int = 400, level: float = 0.0) -> pd.DataFrame:
    """Return a day whose rows hang together."""
    rng = np.random.default_rng(seed)
    x = rng.normal(level + 0.05 * rng.normal(), 1, rows)
    return pd.DataFrame({"x": x, "kind": rng.choice(["a", "b", "c"], rows)})


PLAN = plan_profile(pd.concat(frame(n) for n in range(60)), KINDS)


def night(seed: int, rows: int = 400, level: float = 0.0) -> Profile:
    return profile_batch(PLAN, frame(seed, rows, level))


REFERENCE = {date(n): night(n) for n in range(60)}
NIGHT = date(100)


def judged(
    tonight: Profile, committed: dict[str, Profile] | None = None, waiting: dict[str, Profile] | None = None
) -> InputsJudged:
    return judge_both(PLAN, REFERENCE, committed or {}, NIGHT, tonight, 20, waiting or {})


def test_a_night_like_any_other_is_judged_alone_and_quietly() -> None:
    found = judged(night(100))
    assert not found.training.alarm
    assert found.pool.nights == (NIGHT,)
    assert found.sentence == found.training.sentence
    assert len(found.trailing.reference_statistics) == TRAILING_NIGHTS


def test_a_new_season_is_strange_to_the_training_days_and_not_to_the_last_nights() -> None:
    season = {date(n): night(n, level=1) for n in range(70, 100)}
    found = judged(night(100, level=1), season)
    assert (found.training.alarm, found.trailing.alarm) == (True, False)
    assert "It is like the last 28 nights: a new season or level, and steady in it." in found.sentence


def test_a_jump_is_strange_to_both() -> None:
    found = judged(night(100, level=1), {date(n): night(n) for n in range(70, 100)})
    assert (found.training.alarm, found.trailing.alarm) == (True, True)
    assert found.verdict.alarm
    assert "It is as strange to the last 28 nights: a jump, or a change that goes on." in found.sentence


def test_only_the_training_days_can_alarm() -> None:
    season = {date(n): night(n, level=1) for n in range(70, 100)}
    found = judged(night(100), season)
    assert (found.verdict.alarm, found.trailing.alarm) == (False, True)
    assert "a return to what was trained on" in found.sentence


def test_the_window_ends_before_the_night_and_is_filled_up_with_training_days() -> None:
    committed = {date(n): night(n) for n in range(60, 103)}
    window = trailing_window(REFERENCE, committed, NIGHT)
    assert [*window] == [date(n) for n in range(72, 100)]
    early = trailing_window(REFERENCE, {date(60): night(60)}, date(61))
    assert [*early] == [date(n) for n in range(33, 61)]
    assert not trailing_window({"part-07": night(1)}, {}, NIGHT), "parts of a table are no nights"


def test_trailing_dates_are_those_of_batches_with_a_profile_of_the_version() -> None:
    kept = {n: {"date": date(n), "profiles": {"1": "digest"}, "versions": {"1": "champion"}} for n in range(40)}
    kept[5]["profiles"] = {"2": "digest"}
    told = [Entry(n, "m", "batch_committed", date(n), "", "", facts) for n, facts in kept.items()]
    standing = stand("m", told)
    assert trailing_dates(standing, 1, date(20)) == [date(n) for n in range(20) if n != 5]
    assert len(trailing_dates(standing, 1, date(99))) == TRAILING_NIGHTS
    assert trailing_dates(standing, 2, date(99)) == [date(5)]


def test_json_holds_both_references_and_the_pool() -> None:
    body = json.loads(json.dumps(judged(night(100)).to_json(), allow_nan=False))
    assert body["trailing"]["judged"]
    assert body["pool"] == {"nights": [NIGHT], "rows": 400, "needed": 200, "waits": False, "blind": ""}
    low, high = body["true_rate"]
    assert low < body["rate"] < high


def test_a_small_night_waits_and_says_for_how_many_rows() -> None:
    found = judged(night(100, rows=80))
    assert found.pool.waits
    assert not found.training.judged
    assert found.sentence == (
        "Inputs were not judged: the batch has 80 rows and 200 are needed. The next small nights are added to them."
    )


def test_small_nights_are_judged_together_against_blocks_of_as_many_days() -> None:
    waiting = {date(98): night(98, rows=80), date(99): night(99, rows=80)}
    found = judged(night(100, rows=80), waiting=waiting)
    assert found.pool.nights == (date(98), date(99), NIGHT)
    assert found.training.judged
    assert len(found.training.reference_statistics) == 20
    assert "3 nights are judged as one against 20 blocks of 3 reference days" in found.sentence


def test_what_all_pooled_nights_have_is_found() -> None:
    waiting = {date(99): night(99, rows=120, level=1.5)}
    assert judged(night(100, rows=120, level=1.5), waiting=waiting).training.alarm


def test_a_large_night_leaves_those_that_wait_waiting() -> None:
    pool, profile = pool_nights([*REFERENCE.values()], {date(99): night(99, rows=80)}, NIGHT, tonight := night(100))
    assert pool.nights == (NIGHT,)
    assert profile is tonight


def test_batches_that_stay_too_small_are_said_to_be_blind() -> None:
    waiting = {date(n): night(n, rows=4) for n in range(90, 100)}
    found = judged(night(100, rows=4), waiting=waiting)
    assert found.pool.nights == tuple(date(n) for n in range(95, 101))
    assert found.pool.waits
    assert "Batches this small cannot be judged by 60 reference days" in found.sentence


def test_a_night_without_rows_is_not_judged_and_waits_for_nothing() -> None:
    found = judged(night(100, rows=0))
    assert found.sentence == "Inputs were not judged: the batch has no rows."
    assert not found.pool.waits


@pytest.mark.parametrize(("days", "nights"), [(3, 1), (19, 1), (20, 2), (60, 6), (365, 7)])
def test_so_many_nights_are_pooled_that_ten_blocks_are_left(days: int, nights: int) -> None:
    assert nights_at_most(days) == nights


def test_blocks_are_of_days_that_follow_each_other_and_whole() -> None:
    days = [night(n) for n in range(7)]
    blocks = blocks_of(days, [400, 400, 400])
    assert blocks == [merge(merge(days[1], days[2]), days[3]), merge(merge(days[4], days[5]), days[6])]


def test_blocks_are_thinned_to_the_rows_of_the_nights() -> None:
    days = [night(n) for n in range(60)]
    blocks = blocks_of(days, [50, 80])
    assert {block.rows for block in blocks} == {130}
    columns = [column for block in blocks for column in block.columns.values()]
    counted = [sum(c.counts.values() if isinstance(c.counts, dict) else c.counts) + c.nulls for c in columns]
    assert set(counted) == {130}
    assert blocks == blocks_of(days, [50, 80])


def test_a_thinned_profile_is_a_fair_sample_and_never_more_than_there_was() -> None:
    whole = reduce(merge, [night(n) for n in range(20)])
    few = thin(whole, 2000, np.random.default_rng(1)).columns["kind"].counts
    assert isinstance(few, dict)
    assert all(abs(n / 2000 - 1 / 3) < 0.04 for n in few.values())
    assert thin(whole, 9000, np.random.default_rng(1)) is whole


@pytest.mark.campaign
def test_pooled_nights_alarm_about_as_often_as_stated() -> None:
    alarms = []
    for seed in range(1000, 1060, 3):
        held = {date(n): night(seed * 100 + n) for n in range(60)}
        waiting = {date(98): night(seed * 100 + 98, 80), date(99): night(seed * 100 + 99, 80)}
        found = judge_both(PLAN, held, {}, NIGHT, night(seed * 100, 80), 10, waiting)
        alarms.append(found.training.alarm)
    assert sum(alarms) <= 6  # of 20; two are expected, and blocks of whole days gave more than half


def test_without_a_reference_one_row_is_enough() -> None:
    assert rows_needed([]) == 1


def decision(n: int, version: int = 1, *, waits: bool, nights: tuple[int, ...] = ()) -> dict[str, Any]:
    pool = {"waits": waits, "nights": [date(i) for i in nights or (n,)]}
    return {"date": date(n), "version": version, "inputs": {"pool": pool}}


def test_a_date_waits_until_a_pool_judges_it() -> None:
    told = [decision(1, waits=True), decision(2, waits=False), decision(3, waits=True)]
    assert waiting_dates(told, 1) == [date(1), date(3)]
    assert waiting_dates([*told, decision(4, waits=False, nights=(1, 3, 4))], 1) == []
    assert waiting_dates(told, 2) == [], "another version has another plan"
    assert waiting_dates([{"date": date(1), "inputs": None}, {"date": date(2)}], 1) == []
