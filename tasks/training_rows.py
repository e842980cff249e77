"""Training rows: what is left of a snapshot after validation, with outcomes; the same for a run and its repetition."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from plimsoll.assembled import Assembled
from plimsoll.assembly import KEY, OUTCOME, outcome_values
from plimsoll.errors import DataError
from plimsoll.estimator_config import BYTES_A_CELL, EXTERNAL_CELLS, FIT_IN_MEMORY, Memory
from plimsoll.holdout import held_rows, keep_out, wholly_held
from plimsoll.model_config import ModelConfig
from plimsoll.own_features import put_beside, without_beside
from plimsoll.part_files import read_part
from plimsoll.row_parts import DATE, Rows
from plimsoll.segment_rows import segment_frame
from plimsoll.snapshot import ALL, Snapshot
from plimsoll.split_config import Holdout
from plimsoll.training import give_pseudo_days
from plimsoll.validation import Verdict, too_many_bad_rows
from tasks.assemble import UNDIVIDED, assemble_batch, assemble_whole
from tasks.scratch import scratch_folder
from tasks.workspace import Workspace


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows that train and judge, and what was left out of them."""

    rows: Rows
    digest: str  # of names and types of the columns, and every value in order, chunk by chunk
    memory: Memory  # where the rows lie
    dates: int  # how many dates they come from
    excluded: dict[str, str]  # dates that validation stopped, with the reason
    quarantined: int  # rows set aside, of the dates that were not stopped
    held: int  # rows left out because a holdout has them, of dates that are not wholly held out
    beside_failed: dict[str, str]  # dates on which the other config's features could not be computed, with the reason
    warning: str = ""  # what a person should know before it takes long


def assemble_training_rows(
    workspace: Workspace,
    config: ModelConfig,
    snapshot: Snapshot,
    scratch: Path,
    only: Holdout | None = None,
    beside: ModelConfig | None = None,
) -> TrainingRows:
    """Return a snapshot's rows that passed validation, in the order of dates and files, with their outcomes.

    Rows of a holdout are left out, or with `only` all others. With `beside` they have the features of that config too,
    for a version that is judged on them: null on a date on which they cannot be computed. Neither the digest nor a fit
    looks at those. Where they are many they lie in scratch, which has to be
    there as long as they are used. Raises DataError when no date passed.
    """
    size = snapshot.rows("batch"), len(config.feature_names)
    memory = config.estimator.memory_for(*size)
    rows, digest = Rows(None if memory == "in_memory" else scratch), hashlib.sha256()
    excluded: dict[str, str] = {}
    failed: dict[str, str] = {}
    dates = quarantined = held = 0
    for date in snapshot.dates or (UNDIVIDED,):
        if not only and wholly_held(date, config.split.holdout):
            continue
        with scratch_folder(workspace) as place:
            found, verdict, stop = judge_date(workspace, config, snapshot, date, place)
            if found is None or verdict is None:
                excluded[date or ALL] = stop
                continue
            dates += 1
            quarantined += verdict.bad_keys
            chunks = found.chunks()
            if beside:
                others, why = _unjudged(workspace, beside, snapshot, date, place)
                failed |= {date or ALL: why} if why else {}
                chunks = put_beside(chunks, others, beside)
            for chunk in with_outcomes(workspace, config, snapshot, map(verdict.keep_good, chunks), date):
                kept = chunk[held_rows(chunk, only)] if only else keep_out(chunk, config.split.holdout)
                held += len(chunk) - len(kept)
                if len(kept):
                    digest.update(_digest_of(without_beside(kept, beside)))
                    rows.add(kept)
    if not dates and not only and all(wholly_held(date, config.split.holdout) for date in snapshot.dates or ("",)):
        raise DataError(f"{config.model}: split.holdout holds out every date there is, so nothing is left to train on.")
    if not dates:
        first = next((f"{date}: {reason}" for date, reason in excluded.items()), "")
        raise DataError(f"{config.model}: no batch passed validation, so there is nothing to train on. {first}")
    warning = "" if only else _warning(config, *size)
    return TrainingRows(rows, digest.hexdigest(), memory, dates, excluded, quarantined, held, failed, warning)


def judge_date(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, place: Path
) -> tuple[Assembled | None, Verdict | None, str]:
    """Return a date's rows and verdict, or none and the reason why validation stopped it; rows lie in place."""
    try:
        found, verdict = assemble_batch(workspace, config, snapshot, date, place)
        stop = "; ".join(verdict.stops) or too_many_bad_rows(verdict, config.scoring.max_quarantined_share)
    except DataError as error:
        return None, None, str(error)
    return (None, None, stop) if stop else (found, verdict, "")


def _unjudged(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, place: Path
) -> tuple[Iterator[pd.DataFrame] | None, str]:
    """Return a date's rows of a config's segment as its features make them, or none and the reason.

    No suite judges them: it judges the rows that they stand beside.
    """
    try:
        rows, _ = assemble_whole(workspace, config, snapshot, date, place)
    except DataError as error:
        return None, str(error)
    names = [KEY, *config.feature_names, *([config.segment.column] if config.segment else [])]
    return (segment_frame(chunk, config) for chunk in rows.chunks([*dict.fromkeys(names)])), ""


def with_outcomes(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, chunks: Iterable[pd.DataFrame], date: str
) -> Iterator[pd.DataFrame]:
    """Yield chunks with outcome and date; of a table without a time axis the parts that stand in for days."""
    ref = snapshot.file("outcome", date)
    values = outcome_values(read_part(workspace.store, ref, f"outcomes of {date}"), config) if ref else pd.Series()
    for chunk in chunks:
        known = chunk.assign(**{OUTCOME: chunk[KEY].map(values).astype("float64")}).assign(**{DATE: date})
        yield known if config.source.kind == "dates" else give_pseudo_days(known)


def _digest_of(frame: pd.DataFrame) -> bytes:
    """Return a digest of a chunk: names and types of its columns, and every value in order.

    It tells apart whether two runs differ in their rows or in what they made of them; it proves nothing by itself,
    since the hash of a value is pandas' own.
    """
    digest = hashlib.sha256(repr([(str(name), str(kind)) for name, kind in frame.dtypes.items()]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.digest()


def _warning(config: ModelConfig, rows: int, columns: int) -> str:
    """Return what to know of a learner that needs all rows in memory although they are many, else nothing."""
    kind = config.estimator.kind
    if kind not in FIT_IN_MEMORY or rows * columns < EXTERNAL_CELLS:
        return ""
    return (
        f"{rows:,} rows × {columns} features are many for {kind}, which scikit-learn fits in memory: count on some "
        f"{rows * columns * BYTES_A_CELL / 2**30:.0f} GiB. Kind xgboost trains them from files."
    )
