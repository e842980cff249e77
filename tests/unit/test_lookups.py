"""Lookups: every row sees the latest row of a side table that it could know, never a later one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.errors import DataError
from plimsoll.lookups import decision_time, join_lookups
from plimsoll.source_config import Lookup, Source

START = datetime(2013, 3, 10, tzinfo=UTC)
STATIONS = ["A", "B", None]


def at(minutes: int | None) -> datetime | None:
    return None if minutes is None else START + timedelta(minutes=minutes)


def source(*lookups: Lookup, lead: int = 120) -> Source:
    return Source(
        kind="dates", path="trips", key=["id"], event_time="starts", decision_lead_minutes=lead, lookups=list(lookups)
    )


def as_of(**changes: Any) -> Lookup:
    fields = {"name": "weather", "path": "weather", "by": ["station"], "columns": ["temp"], "observed_at": "seen"}
    return Lookup.model_validate({**fields, "published_after_minutes": 60, "max_age_hours": 6, **changes})


def equal(**changes: Any) -> Lookup:
    fields = {"name": "cars", "path": "cars.parquet", "by": ["car"], "columns": ["seats"]}
    return Lookup.model_validate({**fields, **changes})


def batch(*rows: tuple[str | None, int | None]) -> pd.DataFrame:
    stations, starts = [s for s, _ in rows], pd.Series([at(m) for _, m in rows], dtype="datetime64[us, UTC]")
    return pd.DataFrame({"station": pd.Series(stations, dtype="str"), "starts": starts})


def observations(*rows: tuple[str | None, int | None, float]) -> pd.DataFrame:
    table = batch(*((station, minutes) for station, minutes, _ in rows)).rename(columns={"starts": "seen"})
    return table.assign(temp=[temp for _, _, temp in rows])


def joined_temps(rows: pd.DataFrame, table: pd.DataFrame, **changes: Any) -> list[float | None]:
    temps = join_lookups(rows, source(as_of(**changes)), {"weather": table})["temp"]
    return [None if pd.isna(temp) else float(temp) for temp in temps]


def test_the_decision_is_asked_the_lead_before_the_event() -> None:
    asked = decision_time(batch(("A", 600), ("B", None)), source())
    assert asked.iloc[0] == at(480)
    assert pd.isna(asked.iloc[1])
    assert str(asked.dtype) == "datetime64[us, UTC]"


def test_naive_times_are_utc_and_other_zones_are_converted() -> None:
    rows = batch(("A", 600))
    naive, elsewhere = rows["starts"].dt.tz_localize(None), rows["starts"].dt.tz_convert("America/New_York")
    for times in (naive, elsewhere, naive.dt.as_unit("ns")):
        assert decision_time(rows.assign(starts=times), source()).iloc[0] == at(480)


def test_the_latest_published_row_is_taken() -> None:
    table = observations(("A", 360, 1.0), ("A", 420, 2.0), ("A", 421, 3.0), ("B", 420, 9.0))
    assert joined_temps(batch(("A", 600)), table) == [2.0]  # asked at 480, so published at 420 + 60 just counts


def test_an_old_row_is_missing_and_age_counts_from_the_observation() -> None:
    assert joined_temps(batch(("A", 600)), observations(("A", 120, 1.0))) == [1.0]
    assert joined_temps(batch(("A", 600)), observations(("A", 119, 1.0))) == [None]


def test_a_newer_unpublished_row_does_not_hide_an_older_one() -> None:
    assert joined_temps(batch(("A", 600)), observations(("A", 470, 9.0), ("A", 400, 1.0))) == [1.0]


def test_a_null_measure_of_the_latest_row_stays_null() -> None:
    assert joined_temps(batch(("A", 600)), observations(("A", 360, 1.0), ("A", 420, float("nan")))) == [None]


def test_of_two_rows_at_one_time_the_later_in_the_table_counts() -> None:
    assert joined_temps(batch(("A", 600)), observations(("A", 420, 1.0), ("A", 420, 2.0))) == [2.0]


def test_what_has_no_key_or_no_time_matches_nothing() -> None:
    table = observations((None, 420, 1.0), ("A", None, 2.0), ("B", 420, 3.0))
    assert joined_temps(batch((None, 600), ("A", 600), ("B", None), ("B", 600)), table) == [None, None, None, 3.0]


@pytest.mark.parametrize("rows", [batch(), batch(("A", 600))], ids=["no rows", "one row"])
def test_an_empty_batch_or_table_still_gets_the_column(rows: pd.DataFrame) -> None:
    joined = join_lookups(rows, source(as_of()), {"weather": observations()})
    assert list(joined.columns) == ["station", "starts", "temp"]
    assert joined["temp"].dtype == "float64"
    assert joined["temp"].isna().all()


moments = st.one_of(st.none(), st.integers(-500, 1500))
trips = st.lists(st.tuples(st.sampled_from(STATIONS), moments), max_size=12)
sightings = st.lists(st.tuples(st.sampled_from(STATIONS), moments), max_size=25)


@settings(max_examples=50)
@given(
    trips=trips, sightings=sightings, lead=st.integers(0, 300), published=st.integers(0, 180), age=st.integers(1, 12)
)
def test_as_of_agrees_with_a_plain_loop_and_never_looks_ahead(
    trips: list[tuple[str | None, int | None]],
    sightings: list[tuple[str | None, int | None]],
    lead: int,
    published: int,
    age: int,
) -> None:
    rows = batch(*trips).assign(trip=range(len(trips))).set_index(pd.Index(range(len(trips), 0, -1)))
    table = observations(*((s, m, float(n)) for n, (s, m) in enumerate(sightings)))
    lookup = as_of(columns=["temp", "seen"], published_after_minutes=published, max_age_hours=age)
    joined = join_lookups(rows, source(lookup, lead=lead), {"weather": table})
    pd.testing.assert_frame_equal(joined[list(rows.columns)], rows)  # same rows, same order, same index
    found = [None if pd.isna(n) else int(n) for n in joined["temp"]]
    assert found == [brute_force(s, m, sightings, lead, published, age * 60) for s, m in trips]
    known = joined.dropna(subset="seen")
    assert (known["seen"] + pd.Timedelta(minutes=published) <= known["starts"] - pd.Timedelta(minutes=lead)).all()


def brute_force(
    station: str | None,
    starts: int | None,
    sightings: list[tuple[str | None, int | None]],
    lead: int,
    published: int,
    max_age: int,
) -> int | None:
    best: tuple[int, int] | None = None
    for n, (where, seen) in enumerate(sightings):
        if station is None or where != station or starts is None or seen is None:
            continue
        asked = starts - lead
        if seen + published <= asked and asked - seen <= max_age and (best is None or (seen, n) > best):
            best = (seen, n)
    return best[1] if best else None


def test_equal_keys_are_joined_left_in_the_order_of_the_batch() -> None:
    rows = pd.DataFrame({"car": ["z", None, "a", "q", "z"]}, index=[9, 7, 7, 1, 0])
    table = pd.DataFrame({"car": ["a", None, "z", None], "seats": [4, 5, 6, 7], "other": 0})
    joined = join_lookups(rows, source(equal()), {"cars": table})
    assert joined["seats"].isna().tolist() == [False, True, False, True, False]
    assert joined["seats"].dropna().tolist() == [6.0, 4.0, 6.0]
    assert joined.index.tolist() == [9, 7, 7, 1, 0]
    assert list(joined.columns) == ["car", "seats"]
    assert list(rows.columns) == ["car"], "the batch itself is left alone"


def test_all_of_several_keys_must_be_equal() -> None:
    rows = pd.DataFrame({"car": ["a", "a", "b", None], "year": [1, 2, 1, 1]})
    table = pd.DataFrame({"car": ["a", "b", "a"], "year": [2.0, 1.0, None], "seats": ["two", "one", "null"]})
    joined = join_lookups(rows, source(equal(by=["car", "year"])), {"cars": table})
    assert joined["seats"].fillna("-").tolist() == ["-", "two", "one", "-"]


def test_words_and_times_come_over_as_they_are() -> None:
    table = pd.DataFrame({"car": ["a"], "seats": ["many"], "sold": [START]})
    joined = join_lookups(pd.DataFrame({"car": ["a", "b"]}), source(equal(columns=["seats", "sold"])), {"cars": table})
    assert joined["seats"].tolist()[0] == "many"
    assert joined["sold"].iloc[0] == START
    assert joined.iloc[1][["seats", "sold"]].isna().all()


def test_a_number_has_one_type_whether_every_row_finds_it_or_not() -> None:
    table = pd.DataFrame({"car": ["a"], "seats": [4], "electric": [True]})
    lookup = equal(columns=["seats", "electric"])
    for cars in (["a"], ["a", "b"]):
        joined = join_lookups(pd.DataFrame({"car": cars}), source(lookup), {"cars": table})
        assert joined[["seats", "electric"]].dtypes.tolist() == ["float64", "float64"]


def refused(rows: pd.DataFrame, lookup: Lookup, table: pd.DataFrame) -> str:
    with pytest.raises(DataError) as caught:
        join_lookups(rows, source(lookup), {lookup.name: table})
    return str(caught.value)


def test_two_rows_for_one_key_are_refused() -> None:
    table = pd.DataFrame({"car": ["a", "a", "b"], "seats": [4, 4, 5]})
    message = refused(pd.DataFrame({"car": ["b"]}), equal(), table)
    assert message.startswith("Lookup cars: 2 rows of its table share their car")
    assert "Send one row per key" in message


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ("car", "seat", "Lookup cars: its table has no column seats; it has car, seat. Did you mean seat?"),
        ("cat", "seats", "Lookup cars: the batch has no column car; it has cat. Did you mean cat?"),
        ("zzz", "seats", "Lookup cars: the batch has no column car; it has zzz."),
        ("seats", "seats", "the batch has no column car; it has seats."),
    ],
)
def test_a_missing_column_is_named_with_what_is_there(mine: str, theirs: str, expected: str) -> None:
    message = refused(pd.DataFrame({mine: ["a"]}), equal(), pd.DataFrame({"car": ["a"], theirs: [4]}))
    assert expected in message


def test_keys_of_another_type_are_refused_rather_than_never_found() -> None:
    message = refused(pd.DataFrame({"car": [1]}), equal(), pd.DataFrame({"car": ["1"], "seats": [4]}))
    assert "car is a number in the batch and text in its table" in message


def test_a_key_without_a_single_value_has_no_type_to_mistake() -> None:
    rows = pd.DataFrame({"car": pd.Series([None], dtype="float64")})
    assert (
        join_lookups(rows, source(equal()), {"cars": pd.DataFrame({"car": ["1"], "seats": [4]})})["seats"].isna().all()
    )


def test_other_mistakes_are_sentences_too() -> None:
    cars = pd.DataFrame({"car": ["a"], "seats": [4]})
    assert "already has seats" in refused(pd.DataFrame({"car": ["a"], "seats": [1]}), equal(), cars)
    with pytest.raises(DataError, match="Lookup cars: no table"):
        join_lookups(pd.DataFrame({"car": ["a"]}), source(equal()), {})
    text_times = observations(("A", 1, 1.0)).assign(seen="noon")
    said = refused(batch(("A", 600)), as_of(), text_times)
    assert "its table has seen as text such as 'noon'; it must be a UTC time" in said
    with pytest.raises(DataError, match="the batch has no column starts"):
        decision_time(pd.DataFrame({"start": [START]}), source())
    with pytest.raises(DataError, match="event_time is not set"):
        decision_time(batch(), Source(kind="table", path="trips.parquet", key=["id"]))


def joined(batch: list[object], table: list[object]) -> list[object]:
    """Return what rows find by a key: the position in the table, or nothing."""
    cars = pd.DataFrame({"car": table, "seats": np.arange(len(table), dtype="float64")})
    found = join_lookups(pd.DataFrame({"car": batch}), source(equal()), {"cars": cars})["seats"]
    return [None if np.isnan(value) else int(value) for value in found]


def test_number_keys_mean_the_same_whatever_stands_beside_them() -> None:
    assert joined([True, False], [1, 0]) == [0, 1]
    assert joined([True, None, False], [1, 0]) == [0, None, 1]
    assert joined([2.0, None, 3.0], [3, 2]) == [1, None, 0]
    assert joined([2**60 + 1, 2**60], [2**60, 2**60 + 1]) == [1, 0]
    with pytest.raises(DataError, match="cannot tell them apart"):
        joined([2**60 + 1], [2**60, None])


def test_times_are_one_moment_with_a_zone_or_without() -> None:
    aware, naive = pd.Timestamp("2026-03-01 10:00", tz="UTC"), pd.Timestamp("2026-03-01 10:00")
    assert joined([naive], [aware]) == [0]
    assert joined([aware.tz_convert("America/New_York")], [naive]) == [0]


def test_keys_that_are_no_plain_values_are_a_sentence() -> None:
    with pytest.raises(DataError, match="Column car is no plain text"):
        joined([["a"]], [["a"]])
