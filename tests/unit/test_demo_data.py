"""The demo's landing folder: what is in it, what must not be in it, and that it is the same every time."""

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from flows import demo_data
from flows.demo_data import cut_at_noon, lay_out_breast_cancer, lay_out_flights, redeliver
from plimsoll.errors import DataError

DAY = "2013-03-12"
FLIGHTS_OF_2013 = 336_776


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """The year of flights is a second's work to read, and the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_data, "_read_flights", cache(demo_data._read_flights))
        yield


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    lay_out_flights(folder)
    lay_out_breast_cancer(folder)
    return folder


@pytest.fixture
def one_day(landing: Path, tmp_path: Path) -> Path:
    """A landing folder with the flights of one day, sharing its bytes with the whole one."""
    (tmp_path / "flights").mkdir()
    os.link(landing / f"flights/{DAY}.parquet", tmp_path / f"flights/{DAY}.parquet")
    return tmp_path


def read(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    return frame


def test_there_is_one_file_per_local_date(landing: Path) -> None:
    days = [f"{day:%Y-%m-%d}.parquet" for day in pd.date_range("2013-01-01", "2013-12-31")]
    for folder in ("flights", "outcomes"):
        assert sorted(os.listdir(landing / folder)) == days  # noqa: PTH208  # nothing else, hidden files included
    assert sorted(os.listdir(landing / "weather")) == days[:-1]  # noqa: PTH208  # its source ends on 30 December


def test_every_flight_is_there_once_and_under_its_own_date(landing: Path) -> None:
    parts = {
        path.stem: pq.ParquetFile(path).read(["flight_id", "flight_date"]) for path in (landing / "flights").iterdir()
    }
    ids = [flight_id for part in parts.values() for flight_id in part["flight_id"].to_pylist()]
    assert len(ids) == len(set(ids)) == FLIGHTS_OF_2013
    assert all(part["flight_date"].unique().to_pylist() == [date] for date, part in parts.items())


def test_a_flight_is_what_the_timetable_says_and_nothing_more(landing: Path) -> None:
    flights = read(landing / f"flights/{DAY}.parquet")
    row = flights.set_index("flight_id").loc[f"{DAY}/UA1545/EWR"]
    assert row.to_dict() == {
        "flight_date": DAY,
        "scheduled_departure": pd.Timestamp("2013-03-12 09:15", tz="UTC"),  # summer time began two days before
        "scheduled_departure_local": pd.Timestamp("2013-03-12 05:15"),
        "scheduled_arrival_minute": 8 * 60 + 14,
        "carrier": "UA",
        "flight": 1545,
        "tailnum": "N73251",
        "origin": "EWR",
        "dest": "IAH",
        "distance": 1400,
    }
    assert flights["scheduled_departure"].is_monotonic_increasing
    assert str(flights["scheduled_departure"].dtype) == "datetime64[us, UTC]"


def test_local_time_is_new_york_time_on_both_sides_of_the_clock_change(landing: Path) -> None:
    for day, hours in (("2013-03-09", 5), ("2013-03-10", 4), ("2013-11-02", 4), ("2013-11-03", 5)):
        flights = read(landing / f"flights/{day}.parquet")
        ahead = flights["scheduled_departure"].dt.tz_localize(None) - flights["scheduled_departure_local"]
        assert (ahead == pd.Timedelta(hours=hours)).all(), day


def test_outcomes_are_a_feed_of_their_own_for_the_same_flights(landing: Path) -> None:
    flights, outcomes = (read(landing / f"{folder}/{DAY}.parquet") for folder in ("flights", "outcomes"))
    assert outcomes.columns.tolist() == ["flight_id", "arrival_delay_minutes"]
    assert outcomes["flight_id"].tolist() == flights["flight_id"].tolist()
    assert 0 < outcomes["arrival_delay_minutes"].isna().sum() < 100  # cancelled or diverted


def test_weather_is_by_utc_date(landing: Path) -> None:
    weather = read(landing / f"weather/{DAY}.parquet")
    assert (weather["observed_at"].dt.strftime("%Y-%m-%d") == DAY).all()
    assert weather.groupby("origin")["observed_at"].nunique().to_dict() == {"EWR": 24, "JFK": 24, "LGA": 24}


def test_planes_are_in_the_register_once(landing: Path) -> None:
    planes = read(landing / "planes.parquet")
    assert planes.columns.tolist() == ["tailnum", "built", "seats", "engines", "manufacturer"]
    assert planes["tailnum"].is_unique
    assert planes["built"].isna().any()


def test_samples_and_diagnoses_belong_together(landing: Path) -> None:
    samples, diagnoses = (read(landing / f"breast_cancer/{name}.parquet") for name in ("samples", "diagnoses"))
    assert samples.shape == (569, 31)
    assert samples["sample_id"].tolist() == diagnoses["sample_id"].tolist()
    assert diagnoses["malignant"].value_counts().to_dict() == {0: 357, 1: 212}  # as the data set's description says
    malignant = diagnoses["malignant"] == 1
    assert samples.loc[malignant, "mean_radius"].mean() > samples.loc[~malignant, "mean_radius"].mean()


def test_the_feed_is_cut_at_noon_and_delivered_again(landing: Path, one_day: Path) -> None:
    path = one_day / f"flights/{DAY}.parquet"
    whole = path.read_bytes()
    cut_at_noon(one_day, DAY)
    cut = read(path)
    assert 0 < len(cut) < pq.ParquetFile(landing / f"flights/{DAY}.parquet").metadata.num_rows / 2
    assert cut["scheduled_departure_local"].max() < pd.Timestamp(f"{DAY} 12:00")
    cut_at_noon(one_day, DAY)
    assert read(path).equals(cut), "cutting twice cuts once"
    redeliver(one_day, DAY)
    assert path.read_bytes() == whole, "the same bytes as at first, so a snapshot of them is the same snapshot"
    assert (landing / f"flights/{DAY}.parquet").read_bytes() == whole, "a linked file is replaced, not written into"
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_night_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected the flights of 2013-03-12 at .*found none"):
        cut_at_noon(tmp_path, DAY)
    with pytest.raises(DataError, match="Expected a date of 2013"):
        redeliver(tmp_path, "2014-01-01")


def test_a_second_layout_is_the_same_bytes_and_mends_what_was_damaged(landing: Path, tmp_path: Path) -> None:
    shutil.copytree(landing / "breast_cancer", tmp_path / "breast_cancer")
    (tmp_path / "breast_cancer/samples.parquet").write_bytes(b"half")
    lay_out_breast_cancer(tmp_path)
    for name in ("samples", "diagnoses"):
        path = Path(f"breast_cancer/{name}.parquet")
        assert (tmp_path / path).read_bytes() == (landing / path).read_bytes()
