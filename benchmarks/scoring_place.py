"""Where scoring is measured: a bundle, parts of flights as numbers and as words, and one large night."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.children import ROOT
from benchmarks.flights import MODEL, lay_out, open_bundle, train_on_winter
from plimsoll.assembly import KEY

PART_ROWS = 250_000
WARM_ROWS = 2_000
MOST_ROWS = 100_000_000
NIGHT, WARM_NIGHT = "2013-06-03", "2013-06-05"


def prepare(folder: Path, rows: int) -> None:
    """Make the bundle, parts of rows as numbers and as words, and a project whose suite allows many."""
    flights = lay_out(folder / "landing")
    bundle = open_bundle(train_on_winter(flights, folder))
    (folder / "bundle").write_text(bundle.digest)
    flights.rows.to_parquet(folder / "flights.parquet", index=False)
    for number in range(-1, rows // PART_ROWS):
        words = repeated(flights.rows[[KEY, *flights.config.feature_names]], number)
        words[KEY] = words[KEY] + "#" + (words.index + number * PART_ROWS).astype("str")
        coded = pd.DataFrame(bundle.encoder.encode(words), columns=bundle.encoder.columns)
        coded[KEY] = words[KEY]
        words.to_parquet(folder / f"words-{number}.parquet", index=False)
        coded.to_parquet(folder / f"numbers-{number}.parquet", index=False)
    for part in ("configs", "great_expectations"):
        shutil.copytree(ROOT / part, folder / "project" / part, ignore=shutil.ignore_patterns("uncommitted", "__py*"))
    shutil.copy(ROOT / "requirements.lock", folder / "project")
    allow_rows(folder / f"project/great_expectations/expectations/{MODEL}.json")


def repeated(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return one part of the given rows again and again; part -1 is small, to warm up on."""
    many = WARM_ROWS if number < 0 else PART_ROWS
    return rows.iloc[(np.arange(many) + number * PART_ROWS) % len(rows)].reset_index(drop=True)


def write_night(folder: Path, rows: int, date: str = NIGHT) -> None:
    """Write one night's export with so many flights at their times of day, a part at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    flights, path = pd.read_parquet(folder / "flights.parquet"), folder / f"landing/flights/{date}.parquet"
    schema = pq.read_schema(folder / f"landing/flights/{WARM_NIGHT}.parquet").remove_metadata()
    flights = flights[schema.names]
    with pq.ParquetWriter(path, schema) as writer:
        for number in range(rows // PART_ROWS):
            night = repeated(flights, number)
            of_day = night["scheduled_departure_local"] - night["scheduled_departure_local"].dt.normalize()
            local = (pd.Timestamp(date) + of_day).dt.as_unit("us")
            night["scheduled_departure_local"] = local
            night["scheduled_departure"] = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
            night["flight_id"] += "#" + (night.index + number * PART_ROWS).astype("str")
            night["flight_date"] = date
            writer.write_table(pa.Table.from_pandas(night, schema, preserve_index=False))


def allow_rows(suite: Path) -> None:
    """Let a suite pass a batch of as many rows as are measured; all its other expectations stay."""
    body = json.loads(suite.read_text())
    for one in body["expectations"]:
        if one["type"] == "expect_table_row_count_to_be_between":
            one["kwargs"]["max_value"] = MOST_ROWS
    suite.write_text(json.dumps(body, indent=2))


def bundle_folder(folder: Path) -> Path:
    """Return the folder of the one bundle that prepare made."""
    return folder / (folder / "bundle").read_text()
