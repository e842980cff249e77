"""Evidently: the report that people look at. It takes no decision."""

import os
import warnings
from pathlib import Path

import pandas as pd

from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.standing import Standing
from tasks.assemble import UNDIVIDED, sample
from tasks.bundles import fetch_bundle
from tasks.records import Run
from tasks.training_days import trained_on

REFERENCE_DAYS = 10
MAX_ROWS = 5000  # a report over millions of rows takes minutes and gigabytes, and looks the same
SEED = 7


def report_name(model: str, batch: Entry) -> str:
    """Return the path under reports/ of the report about a batch."""
    return f"{model}/drift-{batch.facts['date']}-v{_champion(batch)}.html"


def draw_report(run: Run, standing: Standing, batch: Entry) -> None:
    """Draw one date against a bounded, seeded sample of the reference days, both as the version takes them."""
    version = next(v for v in standing.versions if v.number == _champion(batch))
    config, past = trained_on(run.workspace, version, run.config.model)
    bundle = fetch_bundle(run.workspace, config.model, version.number, version.bundle)
    dates = _spread(list(bundle.reference.days)) if past.dates else [UNDIVIDED]
    snapshot = load_snapshot(run.store, str(batch.facts["snapshot"]))
    tonight = _rows(run, config, snapshot, [str(batch.facts["date"]) if past.dates else UNDIVIDED])
    name = report_name(config.model, batch)
    _save(_rows(run, config, past, dates), tonight, config, run.workspace.reports / name)
    run.outputs.setdefault("drift_reports", []).append(name)


def _champion(batch: Entry) -> int:
    return next(int(v) for v, role in batch.facts["versions"].items() if role == "champion")


def _spread(dates: list[str]) -> list[str]:
    step = max(1, len(dates) // REFERENCE_DAYS)
    return dates[::step][:REFERENCE_DAYS]


def _rows(run: Run, config: ModelConfig, snapshot: Snapshot, dates: list[str]) -> pd.DataFrame:
    """Return a sample of dates' features: each date is sampled while it is read, so none is in memory whole."""
    there = [date for date in dates if not date or snapshot.file("batch", date)]
    days = (sample(run.workspace, config, snapshot, date, MAX_ROWS, SEED) for date in there)
    rows = pd.concat([day[list(config.feature_names)] for day in days], ignore_index=True)
    return rows.sample(min(len(rows), MAX_ROWS), random_state=SEED)


def _save(reference: pd.DataFrame, tonight: pd.DataFrame, config: ModelConfig, path: Path) -> None:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    empty = [c for c in config.feature_names if reference[c].isna().all() or tonight[c].isna().all()]
    kept = [f for f in config.features.columns if f.name not in empty]  # evidently raises on a column without values
    words = [f.name for f in kept if f.kind == "category"]
    numbers = [f.name for f in kept if f.kind == "number"]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=words)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        now, then = (Dataset.from_pandas(t[words + numbers], data_definition=definition) for t in (tonight, reference))
        snapshot = Report([DataDriftPreset()]).run(now, then)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        snapshot.save_html(str(partial))
    partial.replace(path)
