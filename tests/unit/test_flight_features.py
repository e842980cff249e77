"""The flights' feature function: right on known flights, null where its sources are, at home on no rows at all."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

FILE = Path(__file__).parents[2] / "configs/features/flights.py"
FEATURES = ["departure_minute", "weekday", "scheduled_minutes", "plane_age"]
Build = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def build() -> Build:
    spec = importlib.util.spec_from_file_location("configs_features_flights", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Build = module.build
    return function


def flights(*rows: tuple[str | None, int | None, int | None]) -> pd.DataFrame:
    """Return flights by local departure, arrival minute and the plane's year."""
    departures, arrivals, built = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame(
        {
            "scheduled_departure_local": pd.Series(departures, dtype="datetime64[us]"),
            "scheduled_arrival_minute": pd.Series(arrivals, dtype="float64"),
            "built": pd.Series(built, dtype="float64"),
        }
    )


def test_a_flight_of_the_morning(build: Build) -> None:
    row = build(flights(("2013-03-12 06:30", 8 * 60 + 15, 2001))).iloc[0]
    assert row[FEATURES].tolist() == [390.0, 1.0, 105.0, 12.0]  # a Tuesday


def test_a_flight_that_lands_after_midnight(build: Build) -> None:
    assert build(flights(("2013-12-31 23:59", 30, 2013)))["scheduled_minutes"].tolist() == [31.0]


def test_the_age_counts_from_the_year_of_the_flight(build: Build) -> None:
    ages = build(flights(("2013-12-31 10:00", 700, 2013), ("2014-01-01 10:00", 700, 2013)))["plane_age"]
    assert ages.tolist() == [0.0, 1.0]


def test_null_sources_give_null_features(build: Build) -> None:
    built = build(flights((None, 700, 2001), ("2013-03-12 06:30", None, None)))
    assert built[FEATURES].isna().to_numpy().tolist() == [[True] * 4, [False, False, True, True]]


def test_types_do_not_depend_on_the_rows(build: Build) -> None:
    several = build(flights(("2013-03-12 06:30", 495, 2001)))
    for frame in (several, build(flights()), build(flights((None, None, None)))):
        assert set(frame[FEATURES].dtypes.astype(str)) == {"float64"}


def test_rows_and_columns_of_the_batch_stay(build: Build) -> None:
    batch = flights(("2013-03-12 06:30", 495, 2001), ("2013-03-12 05:30", 495, 2002)).set_index(pd.Index([5, 3]))
    built = build(batch)
    assert built.index.tolist() == [5, 3]
    assert built.columns.tolist() == [*batch.columns, *FEATURES]
    assert "weekday" not in batch
