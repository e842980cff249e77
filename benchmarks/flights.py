"""The flights of 2013 as the benchmarks need them: assembled by Plimsoll's own code, with a trained bundle."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flows.demo_data import lay_out_flights
from plimsoll.assembly import assemble, attach_outcome
from plimsoll.bundle import SIGNATURE, Bundle, load_bundle, sign_bundle
from plimsoll.model_config import ModelConfig
from plimsoll.seal import seal_of
from plimsoll.training import DATE, train_bundle
from tasks.features import load_feature_function
from tasks.workspace import PROJECT, open_workspace

MODEL = "flight_delay"
TRAINED_BEFORE = "2013-03-01"
SEAL = seal_of(bytes(range(32)))


@dataclass(frozen=True)
class Flights:
    """A landing folder, and every flight of its year assembled, with its outcome and date."""

    landing: Path
    config: ModelConfig
    rows: pd.DataFrame

    @property
    def days(self) -> dict[str, pd.DataFrame]:
        """The year's rows by date."""
        return {str(date): rows for date, rows in self.rows.groupby(DATE, sort=True)}


def lay_out(landing: Path) -> Flights:
    """Lay the demo's data out in a folder and return it assembled."""
    lay_out_flights(landing)
    config = open_workspace().model(MODEL)
    tables = {"weather": read_days(landing / "weather"), "planes": pd.read_parquet(landing / "planes.parquet")}
    batch = read_days(landing / "flights")
    rows = assemble(batch, tables, config, load_feature_function(PROJECT, config))
    rows = attach_outcome(rows, read_days(landing / "outcomes"), config)
    return Flights(landing, config, rows.assign(**{DATE: rows["flight_date"]}))


def read_days(folder: Path) -> pd.DataFrame:
    """Return all files of a folder of days as one table."""
    return pd.concat([pd.read_parquet(path) for path in sorted(folder.iterdir())], ignore_index=True)


def train_on_winter(flights: Flights, folder: Path, before: str = TRAINED_BEFORE) -> Path:
    """Train as the demo's first version is, on January and February or until another day, and keep the bundle's files.

    Returns their folder.
    """
    bundle = train_bundle(flights.rows[flights.rows[DATE] < before], flights.config)
    target = folder / bundle.digest
    target.mkdir()
    signature = {SIGNATURE: sign_bundle(SEAL, MODEL, bundle.digest)}
    for name, data in {**bundle.files, **signature}.items():
        (target / name).write_bytes(data)
    return target


def open_bundle(folder: Path) -> Bundle:
    """Return a bundle kept by train_on_winter, checked as it is when fetched from the registry."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return load_bundle(files, MODEL, folder.name, SEAL, "a benchmark's folder")
