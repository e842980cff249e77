"""The outcome feed: late losses of every version, computed once per batch and outcome file."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from plimsoll.archive import get_sealed, put_sealed
from plimsoll.assembly import KEY, outcome_values, read_part, read_row
from plimsoll.errors import DataError
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import (
    NightlyQuality,
    Remembered,
    WithChampion,
    beside_champion,
    nightly_quality,
    quality_from_json,
)
from plimsoll.snapshot import FileRef, load_snapshot
from plimsoll.standing import Standing, by_champion
from tasks.assemble import batch_partition, reassemble
from tasks.committed_rows import committed_rows
from tasks.former_outcomes import former_delivery
from tasks.landing import keep_outcomes
from tasks.workspace import Workspace

AGREED_ROWS = 20_000  # of a night, that agreement with the champion is told by


def late_losses(
    workspace: Workspace,
    config: ModelConfig,
    standing: Standing,
    version: int,
    as_of: str,
    read: Remembered | None = None,
    since: str = "",
) -> list[NightlyQuality]:
    """Return a version's quality on every date it scored whose outcomes have come by a business date, in order.

    Dates before since are left out. read is what the run has read already, and is added to: a run sees every date's
    outcomes as it first saw them. A date whose outcomes break their form has none, and read.refused says why: one
    bad file must not hide what all the others say.
    """
    read = read if read is not None else Remembered()
    known = (dt.date.fromisoformat(as_of) - dt.timedelta(days=config.outcome.delay_days)).isoformat()
    batches = [e for e in standing.of_kind("batch_committed") if str(version) in e.facts["versions"]]
    scored = {str(e.facts["date"]): e for e in batches if since <= str(e.facts["date"]) <= known}
    dates = sorted(scored)
    read.files |= _kept(workspace, config, [date for date in dates if date not in read.files], read)
    found = []
    for date in (date for date in dates if date in read.files and date not in read.refused):
        entries = [scored[date], *standing.cleared(scored[date], version)]
        more = f"-cleared{len(entries) - 1}" if len(entries) > 1 else ""  # these rows belong to the night too
        apart = f"-by-{'-'.join(config.drift.slices)}" if config.drift.slices else ""
        key = f"quality/{config.model}/v{version}/{date}/{read.files[date].digest}{more}{apart}.json"
        try:
            if key not in read.nights:
                rival = _champions(standing, date, version)
                read.nights[key] = _night(workspace, config, version, entries, read.files[date], key, rival)
            found.append(read.nights[key])
        except DataError as error:
            read.refused[date] = str(error)
    return found


def _kept(workspace: Workspace, config: ModelConfig, dates: list[str], read: Remembered) -> dict[str, FileRef]:
    try:
        return keep_outcomes(workspace, config, dates)
    except DataError as error:
        if len(dates) == 1:
            read.refused[dates[0]] = str(error)
            return {}
    return {d: ref for date in dates for d, ref in _kept(workspace, config, [date], read).items()}


def _night(
    workspace: Workspace,
    config: ModelConfig,
    version: int,
    entries: Sequence[Entry],
    ref: FileRef,
    key: str,
    rival: Entry | None,
) -> NightlyQuality:
    date = str(entries[0].facts["date"])
    if kept := get_sealed(workspace.archive, key):
        return quality_from_json(kept)
    table = read_part(workspace.store, ref, f"outcomes of {date}")
    values = outcome_values(table, config)
    rows = pd.concat([committed_rows(workspace, entry) for entry in entries], ignore_index=True)
    mine = rows.loc[rows["version"] == version, ["key", "score"]]
    night = nightly_quality(mine, values, date, version, config.task, _slices(workspace, config, entries))
    former = former_delivery(workspace, config, ref, key, values, mine["key"])
    beside = _with_champion(workspace, rival, mine, values, config.task) if rival else None
    night = replace(night, digest=ref.digest, former=former, beside=beside)
    put_sealed(workspace.archive, key, night.to_json())
    return night


def _champions(standing: Standing, date: str, version: int) -> Entry | None:
    """Return the champion's commit of a date that another version scored too."""
    batch = standing.batch(date)
    return None if batch is None or not by_champion(batch) or str(version) in batch.facts["versions"] else batch


def _with_champion(
    workspace: Workspace, batch: Entry, mine: pd.DataFrame, values: pd.Series, task: str
) -> WithChampion:
    """Return how far a version agrees with the champion, on the same few rows of every version by their keys."""
    share = AGREED_ROWS / max(int(batch.facts["rows"]), 1)
    rows = committed_rows(workspace, batch, share)
    champion = next(int(version) for version, role in batch.facts["versions"].items() if role == "champion")
    theirs = rows.loc[rows["version"] == champion, ["key", "score"]]
    return WithChampion(champion, beside_champion(mine, theirs, values, task))


def _slices(workspace: Workspace, config: ModelConfig, entries: Sequence[Entry]) -> pd.DataFrame | None:
    """Return the keys of a batch's rows with the columns that are watched by value, None when there are none."""
    if not config.drift.slices:
        return None
    snapshots = dict.fromkeys(str(entry.facts["snapshot"]) for entry in entries)
    partition = batch_partition(config, str(entries[0].facts["date"]))
    frames = [reassemble(workspace, config, load_snapshot(workspace.store, one), partition) for one in snapshots]
    return pd.concat(frames, ignore_index=True)[[KEY, *config.drift.slices]].drop_duplicates(KEY, keep="last")


def outcome_of(workspace: Workspace, config: ModelConfig, key: str, date: str) -> float | None:
    """Return what really happened to one row, None while it is not known."""
    ref = keep_outcomes(workspace, config, [date]).get(date)
    if ref is None:
        return None
    found = outcome_values(read_row(workspace.store, ref, f"outcomes of {date}", config, key), config).get(key)
    return None if found is None or pd.isna(found) else float(found)
