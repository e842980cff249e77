"""Training rows: what is left of a snapshot after validation, with outcomes; the same for a run and its repetition."""

import hashlib
from dataclasses import dataclass

import pandas as pd

from plimsoll.assembly import attach_outcome, read_part
from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import ALL, Snapshot
from plimsoll.training import DATE, give_pseudo_days
from plimsoll.validation import too_many_bad_rows
from tasks.assemble import UNDIVIDED, assemble_batch
from tasks.scratch import scratch_folder
from tasks.workspace import Workspace


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows that train and judge, and what was left out of them."""

    frame: pd.DataFrame
    dates: int  # how many dates they come from
    excluded: dict[str, str]  # dates that validation stopped, with the reason
    quarantined: int  # rows set aside, of the dates that were not stopped


def assemble_training_rows(workspace: Workspace, config: ModelConfig, snapshot: Snapshot) -> TrainingRows:
    """Return a snapshot's rows that passed validation, in the order of dates and files, with their outcomes.

    Raises DataError when no date passed.
    """
    parts: list[pd.DataFrame] = []
    excluded: dict[str, str] = {}
    quarantined = 0
    for date in snapshot.dates or (UNDIVIDED,):
        try:
            with scratch_folder(workspace) as scratch:
                assembled, verdict = assemble_batch(workspace, config, snapshot, date, scratch)
                frame = assembled.frame()
            stop = "; ".join(verdict.stops) or too_many_bad_rows(verdict, config.scoring.max_quarantined_share)
        except DataError as error:
            stop = str(error)
        if stop:
            excluded[date or ALL] = stop
            continue
        quarantined += len({row.key for row in verdict.bad_rows})
        parts.append(_with_outcome(workspace, config, snapshot, verdict.keep_good(frame), date))
    if not parts:
        first = next((f"{date}: {reason}" for date, reason in excluded.items()), "")
        raise DataError(f"{config.model}: no batch passed validation, so there is nothing to train on. {first}")
    rows = pd.concat(parts, ignore_index=True)
    rows = rows if config.source.kind == "dates" else give_pseudo_days(rows)
    return TrainingRows(rows, len(parts), excluded, quarantined)


def rows_digest(frame: pd.DataFrame) -> str:
    """Return a digest of a frame: names and types of its columns, and every value in order.

    It tells apart whether two runs differ in their rows or in what they made of them; it proves nothing by itself,
    since the hash of a value is pandas' own.
    """
    digest = hashlib.sha256(repr([(str(name), str(kind)) for name, kind in frame.dtypes.items()]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _with_outcome(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, frame: pd.DataFrame, date: str
) -> pd.DataFrame:
    ref = snapshot.file("outcome", date)
    outcomes = read_part(workspace.store, ref, f"outcomes of {date}") if ref else None
    return attach_outcome(frame, outcomes, config).assign(**{DATE: date})
