"""A profile counts what a person would count, and merging profiles equals profiling the rows together."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.errors import DataError
from plimsoll.profile import (
    ColumnPlan,
    Profile,
    from_json,
    is_on_plan,
    merge,
    plan_from_json,
    plan_profile,
    plan_to_json,
    profile_batch,
    to_json,
)

KINDS = {"miles": "number", "carrier": "category"}
ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(-1e6, 1e6) | st.sampled_from([math.inf, -math.inf, 0.0]),
        st.none() | st.sampled_from(["AA", "DL", "new ✈", ""]),
    ),
    max_size=30,
)


def batch(rows: list[tuple[float | None, str | None]]) -> pd.DataFrame:
    miles = pd.Series([row[0] for row in rows], dtype="float64")
    return pd.DataFrame({"miles": miles, "carrier": pd.Series([row[1] for row in rows], dtype="str")})


PLAN = plan_profile(batch([(float(x), "AA") for x in range(-50, 50)]), KINDS)


def number(profile: Profile, name: str) -> tuple[int, ...]:
    counts = profile.columns[name].counts
    assert isinstance(counts, tuple)
    return counts


def plan_of(values: object, kind: str = "number") -> ColumnPlan:
    return plan_profile(pd.DataFrame({"x": values}), {"x": kind})[0]


@settings(max_examples=50)
@given(ROWS, ROWS, ROWS)
def test_merging_is_exact_in_any_order(
    x: list[tuple[float | None, str | None]],
    y: list[tuple[float | None, str | None]],
    z: list[tuple[float | None, str | None]],
) -> None:
    a, b, c = (profile_batch(PLAN, batch(rows)) for rows in (x, y, z))
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == profile_batch(PLAN, batch([*x, *y, *z]))


@settings(max_examples=50)
@given(ROWS)
def test_json_gives_the_same_profile_back(rows: list[tuple[float | None, str | None]]) -> None:
    profile = profile_batch(PLAN, batch(rows))
    assert from_json(json.loads(json.dumps(to_json(profile), allow_nan=False))) == profile


@settings(max_examples=50)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300))
def test_any_column_gives_a_plan_that_survives_json(values: list[float]) -> None:
    plan = (plan_of(pd.Series(values, dtype="float64")),)
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan), allow_nan=False))) == plan
    assert len(plan[0].edges) <= 128
    assert list(plan[0].edges) == sorted(set(plan[0].edges))
    assert sum(number(profile_batch(plan, pd.DataFrame({"x": values}, dtype="float64")), "x")) == sum(
        not math.isnan(value) for value in values
    )


def test_every_value_of_a_discrete_column_has_its_own_bin() -> None:
    plan = (plan_of([1, 2, 3, 5]),)
    counts = number(profile_batch(plan, pd.DataFrame({"x": [1, 2, 2, 3, 5, 5, 5]})), "x")
    assert [count for count in counts if count] == [1, 2, 1, 3]


def test_the_bins_of_a_continuous_column_hold_about_the_same() -> None:
    values = np.random.default_rng(1).lognormal(size=10_000)
    counts = number(profile_batch((plan_of(values),), pd.DataFrame({"x": values})), "x")
    assert max(counts) < 2 * 10_000 / 115


def test_what_lies_outside_the_reference_is_counted_apart() -> None:
    plan = (plan_of([7.0, 7.0, 7.0]),)
    counts = number(profile_batch(plan, pd.DataFrame({"x": [6.9, 7.0, 7.1, 7.2, -np.inf]})), "x")
    assert counts == (2, 1, 2)


def test_infinities_fall_into_the_outer_bins_and_nulls_are_counted_apart() -> None:
    frame = pd.DataFrame({"miles": [-np.inf, np.inf, np.nan], "carrier": ["AA", None, np.nan]})
    profile = profile_batch(PLAN, frame)
    counts = number(profile, "miles")
    assert (counts[0], counts[-1], sum(counts), profile.columns["miles"].nulls) == (1, 1, 2, 1)
    assert profile.columns["carrier"].counts == {"AA": 1}
    assert profile.columns["carrier"].nulls == 2


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([True, False, True]),
        pd.Series([1, 0, 1], dtype="int8"),
        pd.Series([True, False, True], dtype="boolean"),
        pd.Series([1, 0, 1], dtype="category"),
        pd.Series([1, 0, 1.0], dtype="object"),
    ],
)
def test_every_kind_of_number_is_counted_alike(values: pd.Series) -> None:
    counts = number(profile_batch((plan_of([0.0, 1.0]),), pd.DataFrame({"x": values})), "x")
    assert [count for count in counts if count] == [1, 2]


def test_a_null_does_not_rename_the_categories_of_an_integer_column() -> None:
    plan = (plan_of([1, 2], "category"),)
    whole = profile_batch(plan, pd.DataFrame({"x": [1, 2, 2]}))
    holed = profile_batch(plan, pd.DataFrame({"x": [1, 2, 2, None]}))
    assert whole.columns["x"].counts == holed.columns["x"].counts == {"1": 1, "2": 2}


def test_categories_of_a_dtype_that_no_row_has_are_not_counted() -> None:
    values = pd.Categorical(["b", "a", "b"], categories=["z", "b", "a"])
    profile = profile_batch((plan_of(["a"], "category"),), pd.DataFrame({"x": values}))
    assert profile.columns["x"].counts == {"a": 1, "b": 2}


def test_a_column_without_any_value_has_a_plan_and_a_profile() -> None:
    plan = (plan_of([None, None]),)
    profile = profile_batch(plan, pd.DataFrame({"x": [None, 3.0]}))
    assert (number(profile, "x"), profile.columns["x"].nulls) == ((1,), 1)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="found no carrier"):
        profile_batch(PLAN, pd.DataFrame({"miles": [1.0]}))


@pytest.mark.parametrize("values", [["12", "twelve"], [pd.Timestamp("2013-05-01")] * 2])
def test_what_is_no_number_is_refused_with_an_example(values: list[object]) -> None:
    with pytest.raises(DataError, match=r"Column x is declared a number, found .*(twelve|2013)"):
        plan_of(values)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the kind number or category, found 'text'"):
        plan_of([1], "text")


def test_profiles_of_different_plans_do_not_merge() -> None:
    frame = batch([(1.0, "AA")])
    whole, half = profile_batch(PLAN, frame), profile_batch(PLAN[:1], frame)
    other = profile_batch((plan_of([1.0]),), pd.DataFrame({"x": [1.0]}))
    renamed = Profile(1, {"miles": other.columns["x"], "carrier": whole.columns["carrier"]})
    with pytest.raises(ValueError, match="only one of them has carrier"):
        merge(whole, half)
    with pytest.raises(ValueError, match="column miles has other bins"):
        merge(whole, renamed)


@pytest.mark.parametrize(
    "body",
    [
        {"rows": 3, "columns": {"x": {"rows": 3, "nulls": 0}}},
        {"columns": {}},
        {"format": 2},
        {"rows": 3, "columns": []},
    ],
)
def test_a_profile_of_another_version_of_the_project_is_refused_in_words(body: dict[str, object]) -> None:
    with pytest.raises(DataError, match="profile was written by another version of Plimsoll"):
        from_json(body)


def test_a_profile_is_on_the_plan_that_it_was_made_on_and_on_no_other() -> None:
    plan = plan_profile(
        pd.DataFrame({"x": [1.0, 2.0, 3.0], "kind": ["a", "b", "a"]}), {"x": "number", "kind": "category"}
    )
    other = plan_profile(pd.DataFrame({"x": [1.0, 2.0], "kind": [1.0, 2.0]}), {"x": "number", "kind": "number"})
    found = profile_batch(plan, pd.DataFrame({"x": [5.0], "kind": ["c"]}))
    assert is_on_plan(found, plan)
    assert is_on_plan(found, plan[:1])
    assert not is_on_plan(found, other[:1]), "fewer bins"
    assert not is_on_plan(found, other[1:]), "another kind"
    assert not is_on_plan(found, [*plan, ColumnPlan("new", "category")])
