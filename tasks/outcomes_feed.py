"""The outcome feed: late losses of every version, computed once per batch and outcome file."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from plimsoll.archive import get_sealed, put_sealed
from plimsoll.assembly import outcome_values
from plimsoll.errors import ConfigError, DataError, IntegrityError
from plimsoll.joined import count_changed, nightly_quality
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import NightlyQuality, Remembered, WithChampion, beside_champion, quality_from_json
from plimsoll.part_files import read_row
from plimsoll.snapshot import FileRef
from plimsoll.standing import Standing, by_champion
from tasks.committed_rows import committed_rows, outcome_share
from tasks.former_outcomes import former_delivery
from tasks.landing import keep_outcomes
from tasks.late_join import joined_parts
from tasks.version_config import own_config
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
    see_outcomes(workspace, config, dates, read)
    own, found = _sliced(workspace, config, standing, version), []
    for date in (date for date in dates if date in read.files and date not in read.refused):
        entries = [scored[date], *standing.cleared(scored[date], version)]
        more = f"-cleared{len(entries) - 1}" if len(entries) > 1 else ""  # these rows belong to the night too
        apart = f"-by-{'-'.join(config.drift.slices)}" if config.drift.slices else ""
        key = f"quality/{config.model}/v{version}/{date}/{read.files[date].digest}{more}{apart}.json"
        try:
            if key not in read.nights:
                rival = _champions(standing, date, version)
                read.nights[key] = _night(workspace, own, version, entries, read.files[date], key, rival)
            found.append(read.nights[key])
        except DataError as error:
            read.refused[date] = str(error)
    return found


def _sliced(workspace: Workspace, config: ModelConfig, standing: Standing, version: int) -> ModelConfig:
    """Return the config whose features make the slices that a version is watched by: its own, of its own columns."""
    found = standing.version(version)
    if not config.drift.slices or found is None:
        return config
    try:
        own = own_config(workspace, config, str(found.trained.facts["run"]))
    except (ConfigError, IntegrityError):  # scoring refuses such a version and says so; its late losses are still told
        return config
    watched = tuple(name for name in config.drift.slices if name in own.feature_names)
    return own.model_copy(update={"drift": config.drift.model_copy(update={"slices": watched})})


def see_outcomes(workspace: Workspace, config: ModelConfig, dates: Sequence[str], read: Remembered) -> None:
    """Keep the outcomes of dates that were not read yet, and remember their files, or why they cannot be used."""
    read.files |= _kept(workspace, config, [d for d in dates if d not in read.files and d not in read.refused], read)


def _kept(workspace: Workspace, config: ModelConfig, dates: list[str], read: Remembered) -> dict[str, FileRef]:
    try:
        return keep_outcomes(workspace, config, dates) if dates else {}
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
    former, file = former_delivery(workspace, ref, key)
    parts = joined_parts(workspace, config, version, entries, ref, file)
    former = replace(former, changed=count_changed(parts) if file else None) if former else None
    beside = _with_champion(workspace, config, version, entries, ref, rival) if rival else None
    night = replace(nightly_quality(parts, date, version), digest=ref.digest, former=former, beside=beside)
    put_sealed(workspace.archive, key, night.to_json())
    return night


def _champions(standing: Standing, date: str, version: int) -> Entry | None:
    """Return the champion's commit of a date that another version scored too."""
    batch = standing.batch(date)
    return None if batch is None or not by_champion(batch) or str(version) in batch.facts["versions"] else batch


def _with_champion(
    workspace: Workspace, config: ModelConfig, version: int, entries: Sequence[Entry], ref: FileRef, batch: Entry
) -> WithChampion:
    """Return how far a version agrees with the champion, on the same few rows of every version by their keys."""
    share = AGREED_ROWS / max(int(batch.facts["rows"]), 1)
    champion = next(int(number) for number, role in batch.facts["versions"].items() if role == "champion")
    mine = pd.concat([_scores(workspace, entry, version, share) for entry in entries], ignore_index=True)
    theirs = _scores(workspace, batch, champion, share)
    values = outcome_share(workspace, config, ref, f"outcomes of {batch.facts['date']}", share)
    return WithChampion(champion, beside_champion(mine, theirs, values, config.task))


def _scores(workspace: Workspace, entry: Entry, version: int, share: float) -> pd.DataFrame:
    rows = committed_rows(workspace, entry, share)
    return pd.DataFrame(rows.loc[rows["version"] == version, ["key", "score"]])


def outcome_of(workspace: Workspace, config: ModelConfig, key: str, date: str) -> float | None:
    """Return what really happened to one row, None while it is not known."""
    ref = keep_outcomes(workspace, config, [date]).get(date)
    if ref is None:
        return None
    found = outcome_values(read_row(workspace.store, ref, f"outcomes of {date}", config, key), config).get(key)
    return None if found is None or pd.isna(found) else float(found)
