"""What has landed: which dates are there, and the exact bytes that a run will see."""

import datetime as dt
from typing import Any

from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import ALL, FileRef, Snapshot, save_snapshot
from tasks.records import Run
from tasks.sources import open_sources
from tasks.stage import get_run_logger, stage
from tasks.strays import stray_files
from tasks.workspace import Workspace


def landed_dates(workspace: Workspace, config: ModelConfig) -> list[str]:
    """Return the dates that have a batch, in order; empty for a table without a time axis."""
    if config.source.kind == "table":
        return []
    with open_sources(workspace, config) as sources:
        return sources.table("batch").dates()


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
            f"{_place(run)}, which holds {there}. Outcomes come "
            f"{config.outcome.delay_days} day(s) late, so as of {run.as_of} nothing after {known} can train."
            f"{stray_files(run.workspace, config.source)}"
        )
    return dates


def _place(run: Run) -> str:
    path = run.config.source.path
    return str(run.workspace.data / path) if path and "://" not in path else run.config.source.where


@stage
def take_snapshot(run: Run, dates: list[str]) -> Snapshot:
    """Keep the exact bytes of the asked dates' batches, lookups and outcomes, and record the snapshot's id."""
    snapshot = keep_snapshot(run, dates, outcomes=True)
    files = sum(len(files) for files in snapshot.tables.values())
    rows = snapshot.rows("batch")
    get_run_logger().info("Snapshot %s: %d dates, %d files, %d rows", snapshot.id[:12], len(dates), files, rows)
    return snapshot


def keep_snapshot(run: Run, dates: list[str], *, outcomes: bool) -> Snapshot:
    """Store a snapshot of dates, read at one moment of every database, and note it in the run's record."""
    snapshot = snapshot_of(run, dates, outcomes=outcomes)
    run.snapshots.append(save_snapshot(run.store, snapshot))
    return snapshot


def snapshot_of(run: Run, dates: list[str], *, outcomes: bool) -> Snapshot:
    """Return a snapshot of dates whose files are kept, read at one moment of every database; itself it is not kept."""
    config = run.config
    days = [*dates] if config.source.kind == "dates" else []
    tables: dict[str, tuple[FileRef, ...]] = {}
    places: dict[str, dict[str, Any]] = {}
    with open_sources(run.workspace, config) as sources:
        for table in config.feeds:
            if outcomes or table != "outcome":
                source = sources.table(table)
                tables[table] = source.keep(parts_of(config, table, days))
                places[table] = source.describe()
    return Snapshot(config.model, tuple(days), run.as_of, tables, places)


def keep_outcomes(workspace: Workspace, config: ModelConfig, dates: list[str]) -> dict[str, FileRef]:
    """Store the outcome feed's parts of dates and return them by date; a date that has none is left out."""
    with open_sources(workspace, config) as sources:
        kept = sources.table("outcome").keep(parts_of(config, "outcome", dates))
    found = {ref.name: ref for ref in kept}
    return {date: found.get(date) or found[ALL] for date in dates if date in found or ALL in found}


def parts_of(config: ModelConfig, table: str, dates: list[str]) -> list[str]:
    """Return the names of a table's parts that belong to dates; for a lookup also those of the days beside them.

    Local dates and UTC days overlap, so a lookup's day before and day after are part of a date.
    """
    if not config.feeds[table].dated:
        return [ALL]
    if table in ("batch", "outcome"):
        return dates
    days = [dt.date.fromisoformat(date) for date in dates]
    near = {day + dt.timedelta(days=shift) for day in days for shift in (-1, 0, 1)}
    return sorted(day.isoformat() for day in near)
