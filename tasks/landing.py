"""The landing folder: which dates are there, and the exact files that a run will see."""

import datetime as dt
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import FileRef, Snapshot, save_snapshot
from plimsoll.store import Store, put_object
from tasks.records import Run
from tasks.workspace import Workspace

ALL = "all"


def landed_dates(workspace: Workspace, config: ModelConfig) -> list[str]:
    """Return the dates that have a batch file, in order; empty for a table without a time axis."""
    folder = workspace.data / config.source.path
    if config.source.kind == "table":
        return []
    return sorted(path.stem for path in folder.glob("????-??-??.parquet"))


def dates_between(start: dt.date, end: dt.date | None) -> list[str]:
    """Return every date from start to end, or start alone; DataError when they are turned round."""
    last = end or start
    if last < start:
        raise DataError(f"Expected an end on or after the start {start}, found {last}.")
    return [(start + dt.timedelta(days=n)).isoformat() for n in range((last - start).days + 1)]


def training_dates(run: Run, start: dt.date | None, end: dt.date | None) -> list[str]:
    """Return the dates to train on: those asked, with outcomes known at the run's business date.

    Without a start all landed dates, or the last split.window_days; DataError when none is left.
    """
    config = run.config
    if config.source.kind == "table":
        return []
    known = dt.date.fromisoformat(run.as_of) - dt.timedelta(days=config.outcome.delay_days)
    last = min(end, known) if end else known
    if start is None and config.split.window_days:
        start = last - dt.timedelta(days=config.split.window_days - 1)
    landed = landed_dates(run.workspace, config)
    dates = [d for d in landed if (not start or d >= start.isoformat()) and d <= last.isoformat()]
    if not dates:
        there = f"{landed[0]} to {landed[-1]}" if landed else "no dates at all"
        raise DataError(
            f"{config.model}: no batch between {start or 'the beginning'} and {last} in "
            f"{run.workspace.data / config.source.path}, which holds {there}. Outcomes come "
            f"{config.outcome.delay_days} day(s) late, so as of {run.as_of} nothing after {known} can train."
        )
    return dates


@task(cache_policy=NO_CACHE)
def take_snapshot(run: Run, dates: list[str]) -> Snapshot:
    """Keep the exact bytes of the asked dates' batches, lookups and outcomes, and record the snapshot's id."""
    snapshot = keep_snapshot(run, dates, outcomes=True)
    files = sum(len(files) for files in snapshot.tables.values())
    get_run_logger().info("Snapshot %s: %d dates, %d files", snapshot.id[:12], len(dates), files)
    return snapshot


def keep_snapshot(run: Run, dates: list[str], *, outcomes: bool) -> Snapshot:
    """Store a snapshot of dates and note it in the run's record."""
    config, data, store = run.config, run.workspace.data, run.store
    days = [*dates] if config.source.kind == "dates" else []
    tables = {"batch": _keep(store, data / config.source.path, days)}
    for lookup in config.source.lookups:
        tables[lookup.name] = _keep(store, data / lookup.path, _with_neighbours(days))
    if outcomes:
        tables["outcome"] = _keep(store, data / config.outcome.path, days)
    snapshot = Snapshot(config.model, tuple(days), run.as_of, tables)
    run.snapshots.append(save_snapshot(store, snapshot))
    return snapshot


def keep_file(store: Store, path: Path, name: str) -> FileRef | None:
    """Store one file's bytes as an object; None when there is no such file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
    return FileRef(name, put_object(store, data), len(data))


def _keep(store: Store, path: Path, dates: list[str]) -> tuple[FileRef, ...]:
    if path.suffix == ".parquet":
        refs = [keep_file(store, path, ALL)]
    else:
        refs = [keep_file(store, path / f"{date}.parquet", date) for date in dates]
    return tuple(ref for ref in refs if ref)


def _with_neighbours(dates: list[str]) -> list[str]:
    """Return dates with the day before and after each: local dates and UTC days overlap."""
    days = [dt.date.fromisoformat(date) for date in dates]
    near = {day + dt.timedelta(days=shift) for day in days for shift in (-1, 0, 1)}
    return sorted(day.isoformat() for day in near)
