"""A date's rows from a snapshot, with the suite's verdict: the one way in for training, scoring and tracing."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from plimsoll import (
    assembled,
    assembled_parts,
    assembly,
    batch_checks,
    batch_times,
    column_kinds,
    keys,
    lookups,
    part_files,
)
from plimsoll.assembled import Assembled
from plimsoll.assembly import assemble_rows, read_assembled
from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig
from plimsoll.segment_rows import segment_batch, segment_frame
from plimsoll.snapshot import FileRef, Snapshot
from plimsoll.validation import Verdict
from tasks.expectations import frame_source, judge_rows
from tasks.features import feature_files, load_feature_function
from tasks.scratch import scratch_folder
from tasks.shared_rows import shared_rows
from tasks.strays import no_batch, stray_files
from tasks.workspace import Workspace

CODE = (assembled, assembly, batch_checks, batch_times, column_kinds, keys, lookups, part_files)
ASSEMBLING = [Path(str(module.__file__)) for module in CODE]  # the code that makes a frame
UNDIVIDED = ""  # the one "date" of a table without a time axis


def batch_partition(config: ModelConfig, date: str) -> str:
    """Return the partition that holds a batch date: itself, or the undivided table."""
    return date if config.source.kind == "dates" else UNDIVIDED


def reassemble(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, key: str | None = None
) -> pd.DataFrame:
    """Return a date's assembled rows from a snapshot; with a key that row among a few, which is quick."""
    function = load_feature_function(workspace.root, config)
    return segment_frame(read_assembled(workspace.store, snapshot, config, function, date, key), config)


def column_parts(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, columns: Sequence[str], scratch: Path
) -> Iterator[pd.DataFrame]:
    """Yield keys and some columns of a date's assembled rows, part by part; of a segment's batch all rows."""
    function = load_feature_function(workspace.root, config)
    return assembled_parts.column_parts(workspace.store, snapshot, config, function, date, columns, scratch)


def sample(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, most: int, seed: int
) -> pd.DataFrame:
    """Return at most so many of a date's assembled rows, of a segment's batch its own, drawn while they are read."""
    function = load_feature_function(workspace.root, config)
    about = workspace.store, snapshot, config, function, date
    with scratch_folder(workspace) as scratch:
        if config.segment is None:
            return assembled_parts.sampled_rows(*about, scratch, most, seed)
        parts = assembled_parts.assembled_parts(*about, scratch)
        return assembled_parts.draw((segment_frame(part, config) for part in parts), most, seed)


def assemble_batch(
    workspace: Workspace,
    config: ModelConfig,
    snapshot: Snapshot,
    date: str,
    scratch: Path,
    not_asked: frozenset[str] = frozenset(),
) -> tuple[Assembled, Verdict]:
    """Return a date's assembled rows from a snapshot and the suite's verdict on them; many rows lie in scratch.

    Many rows are assembled once for all models and runs of a night that need the same. A batch is assembled and
    judged as a whole, once for a family; a segment's rows are taken from it then. What the suite asks of features that
    are not asked for, and not there, is left out.
    """
    rows, source = assemble_whole(workspace, config, snapshot, date, scratch)
    absent = not_asked - set(rows.names)
    verdict = judge_rows(workspace.archive, workspace.root, config, rows, source, scratch, absent)
    return segment_batch(rows, verdict.with_infinite(rows.infinite), config, scratch)


def assemble_whole(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, scratch: Path
) -> tuple[Assembled, str]:
    """Return a date's assembled rows of all segments, unjudged, and the digest of all that they are made of."""
    if snapshot.file("batch", date) is None:
        raise DataError(no_batch(workspace, config, date) + stray_files(workspace, config.source))
    function = load_feature_function(workspace.root, config)
    source = source_of(workspace, config, snapshot, date)
    make = partial(assemble_rows, workspace.store, snapshot, config, function, date, scratch)
    return shared_rows(workspace, source, scratch, make), source


def source_of(workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str) -> str:
    """Return the digest of all that a date's rows are made of: files, config, feature function, code."""
    features = feature_files(workspace.root, config).values()
    return frame_source(_files(snapshot, date, config), config, [*ASSEMBLING, *features])


def _files(snapshot: Snapshot, date: str, config: ModelConfig) -> list[str]:
    """Return the digests of the files that a date's rows come from: its own, its neighbours', undivided tables."""
    own = snapshot.file("batch", date)
    lookups = [table for table in sorted(snapshot.tables) if table not in ("batch", "outcome")]
    near = [ref.digest for table in lookups for ref in _near(snapshot, table, date)]
    dated = [date] if date and config.source.event_within_days is not None else []  # the same bytes, another judgement
    return [own.digest, *near, *dated] if own else near


def _near(snapshot: Snapshot, table: str, date: str) -> list[FileRef]:
    """Return the files of a lookup that matter for a date, in order: those of the days beside it too."""
    if not date:
        return [*snapshot.tables[table]]
    days = [pd.Timestamp(date) + pd.Timedelta(days=shift) for shift in (-1, 0, 1)]
    found = (snapshot.file(table, day.date().isoformat()) for day in days)
    return [*{ref.digest: ref for ref in found if ref}.values()]
