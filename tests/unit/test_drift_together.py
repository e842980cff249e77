"""A number is held against the other columns, and a category against what it moves by itself."""

import numpy as np
import pandas as pd
import pytest

from plimsoll.drift import judge_inputs, measure_bag
from plimsoll.drift_measures import column_days
from plimsoll.profile import ColumnPlan, Profile, plan_profile, profile_batch

KINDS = {"temperature": "number", "dew_point": "number", "pressure": "number"}
SHOPS = np.array([f"shop {n}" for n in range(60)])
SHOP_PLAN = (ColumnPlan("shop", "category"),)


def weather(seed: int) -> pd.DataFrame:
    """Return a day of a year: its temperature is of its season, and its dew point goes with it."""
    rng = np.random.default_rng(seed)
    season = 55 + 20 * rng.uniform(-1, 1)
    temperature = season + rng.normal(0, 6, 300)
    dew_point = temperature - 15 + rng.normal(0, 1) + rng.normal(0, 3, 300)
    pressure = 1015 + 6 * rng.normal() + rng.normal(0, 1, 300)
    return pd.DataFrame({"temperature": temperature, "dew_point": dew_point, "pressure": pressure})


FRAMES = [weather(seed) for seed in range(60)]
PLAN = plan_profile(pd.concat(FRAMES), KINDS)
DAYS = [profile_batch(PLAN, frame) for frame in FRAMES]


def cold_night() -> pd.DataFrame:
    return next(frame for frame in map(weather, range(100, 200)) if 40 < frame.temperature.mean() < 42)


def test_a_unit_error_within_a_years_range_is_found_by_the_other_columns() -> None:
    night = cold_night()
    assert not judge_inputs(PLAN, DAYS, profile_batch(PLAN, night), 30).alarm
    warm = night.assign(temperature=night.temperature * 1.6)
    assert 60 < warm.temperature.mean() < 70, "a day like many of the year"
    alone = judge_inputs(PLAN[:1], DAYS, profile_batch(PLAN, warm), 30)
    assert not alone.alarm
    verdict = judge_inputs(PLAN, DAYS, profile_batch(PLAN, warm), 30)
    assert verdict.alarm
    pushed = {column.name: column for column in verdict.columns if column.measure == "given"}
    assert {"temperature", "dew_point"} <= set(pushed), "which of two is wrong, nobody can say"
    temperature = pushed["temperature"]
    assert temperature.tonight == pytest.approx(warm.temperature.mean(), rel=0.03)  # of bins
    assert temperature.usual == pytest.approx(night.temperature.mean(), abs=4)
    assert f"temperature: mean about {temperature.tonight:.3g}, by the other columns 4" in verdict.sentence


@pytest.mark.parametrize(("one_in_nights", "alarms"), [(2, 20), (10, 4), (40, 1)])
def test_no_day_of_a_bag_knows_whether_it_is_tonight(one_in_nights: int, alarms: int) -> None:
    nights = [[*DAYS[:n], *DAYS[n + 1 : 40], DAYS[n]] for n in range(40)]
    assert sum(judge_inputs(PLAN, night[:-1], night[-1], one_in_nights).alarm for night in nights) == alarms


def test_columns_that_say_the_same_and_more_columns_than_days_are_survived() -> None:
    names = {f"{name} {n}": name for n in range(20) for name in KINDS}
    plan = plan_profile(pd.concat(FRAMES).assign(flat=1.0)[["flat"]], {"flat": "number"})
    wide = plan_profile(pd.concat(FRAMES)[[*names.values()]].set_axis([*names], axis=1), dict.fromkeys(names, "number"))

    def seen(frame: pd.DataFrame) -> Profile:
        columns = frame[[*names.values()]].set_axis([*names], axis=1).assign(flat=1.0)
        return profile_batch((*wide, *plan), columns)

    bag = [seen(frame) for frame in FRAMES[:13]]
    measures = measure_bag([column_days(column, bag) for column in (*wide, *plan)])
    assert sum(measure.name == "given" for measure in measures) == 60, "a constant says nothing of others"
    assert all(np.isfinite(measure.excess).all() for measure in measures)
    verdict = judge_inputs((*wide, *plan), bag[:-1], bag[-1], 13)
    assert verdict.statistic is not None
    assert np.isfinite(verdict.statistic)


def test_a_number_without_values_tonight_says_nothing_of_the_others() -> None:
    night = weather(300).assign(dew_point=np.nan)
    verdict = judge_inputs(PLAN, DAYS, profile_batch(PLAN, night), 30)
    assert verdict.alarm
    assert verdict.columns[0].words.startswith("dew_point: share of nulls 100.0%")


def shops(seed: int, **more: int) -> Profile:
    """Return a day of sixty shops, a few rows each but for the large ones."""
    rng = np.random.default_rng(seed)
    mix = np.exp(0.1 * rng.normal(size=60)) / np.arange(1, 61)
    drawn = rng.choice(SHOPS, 600 - sum(more.values()), p=mix / mix.sum())
    rows = [*drawn, *(name.replace("_", " ") for name, times in more.items() for _ in range(times))]
    return profile_batch(
        plan_profile(pd.DataFrame({"shop": SHOPS}), {"shop": "category"}), pd.DataFrame({"shop": rows})
    )


def test_one_small_category_that_grows_is_found_among_sixty_and_named() -> None:
    days = [shops(seed) for seed in range(60)]
    quiet = [judge_inputs(SHOP_PLAN, days, shops(seed), 20).alarm for seed in range(100, 120)]
    assert sum(quiet) <= 3  # one is expected
    for seed in range(100, 120):
        verdict = judge_inputs(SHOP_PLAN, days, shops(seed, shop_40=18), 20)  # 3 % of the rows
        assert verdict.alarm
        assert (verdict.columns[0].measure, verdict.columns[0].what) == ("share", "share of shop 40")


def test_a_word_that_comes_once_is_no_drift() -> None:
    days = [shops(seed) for seed in range(60)]
    pushes = [
        next(c.push for c in judge_inputs(SHOP_PLAN, days, shops(seed, typo=times), 20).columns)
        for seed in range(100, 120)
        for times in (0, 1)
    ]
    assert np.mean(pushes[1::2]) < np.mean(pushes[::2]) + 0.1
