"""The outcome feed: late losses of every version, computed once per batch and outcome file."""

import datetime as dt

import pandas as pd

from plimsoll.archive import get_sealed, put_sealed
from plimsoll.assembly import outcome_values, read_part
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import NightlyQuality, nightly_quality, quality_from_json
from plimsoll.snapshot import FileRef
from plimsoll.standing import Standing
from tasks.delta import read_predictions
from tasks.landing import keep_outcomes
from tasks.workspace import Workspace


def late_losses(
    workspace: Workspace, config: ModelConfig, standing: Standing, version: int, as_of: str
) -> list[NightlyQuality]:
    """Return a version's quality on every date it scored whose outcomes have come by a business date, in order."""
    known = (dt.date.fromisoformat(as_of) - dt.timedelta(days=config.outcome.delay_days)).isoformat()
    scored = {e.facts["date"] for e in standing.of_kind("batch_committed") if str(version) in e.facts["versions"]}
    dates = sorted(date for date in scored if date <= known)
    files = keep_outcomes(workspace, config, dates)
    nights = (_night(workspace, config, version, date, files.get(date)) for date in dates)
    return [night for night in nights if night is not None]


def _night(
    workspace: Workspace, config: ModelConfig, version: int, date: str, ref: FileRef | None
) -> NightlyQuality | None:
    if ref is None:
        return None
    key = f"quality/{config.model}/v{version}/{date}/{ref.digest}.json"
    if kept := get_sealed(workspace.archive, key):
        return quality_from_json(kept)
    table = read_part(workspace.store, ref, f"outcomes of {date}")
    values = outcome_values(table, config)
    rows = read_predictions(workspace, config.model, date=date, version=version, columns=["key", "score"])
    night = nightly_quality(rows, values, date, version, config.task)
    put_sealed(workspace.archive, key, night.to_json())
    return night


def outcome_of(workspace: Workspace, config: ModelConfig, key: str, date: str) -> float | None:
    """Return what really happened to one row, None while it is not known."""
    ref = keep_outcomes(workspace, config, [date]).get(date)
    if ref is None:
        return None
    values = outcome_values(read_part(workspace.store, ref, f"outcomes of {date}"), config)
    found = values.get(key)
    return None if found is None or pd.isna(found) else float(found)
