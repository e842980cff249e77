"""A date's rows from a snapshot, with the suite's verdict: the one way in for training, scoring and tracing."""

from functools import partial
from pathlib import Path

import pandas as pd

from plimsoll import assembled, assembly, batch_checks, batch_times, column_kinds, keys, lookups
from plimsoll.assembled import Assembled
from plimsoll.assembly import assemble_rows, read_assembled
from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig
from plimsoll.segment_rows import segment_batch, segment_frame
from plimsoll.snapshot import FileRef, Snapshot
from plimsoll.validation import Verdict
from tasks.expectations import frame_source, judge_rows
from tasks.features import feature_file, load_feature_function
from tasks.shared_rows import shared_rows
from tasks.strays import no_batch, stray_files
from tasks.workspace import Workspace

CODE = (assembled, assembly, batch_checks, batch_times, column_kinds, keys, lookups)
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


def assemble_batch(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, scratch: Path
) -> tuple[Assembled, Verdict]:
    """Return a date's assembled rows from a snapshot and the suite's verdict on them; many rows lie in scratch.

    Many rows are assembled once for all models and runs of a night that need the same. A batch is assembled and
    judged as a whole, once for a family; a segment's rows are taken from it then.
    """
    if snapshot.file("batch", date) is None:
        raise DataError(no_batch(workspace, config, date) + stray_files(workspace, config.source))
    function = load_feature_function(workspace.root, config)
    source = source_of(workspace, config, snapshot, date)
    make = partial(assemble_rows, workspace.store, snapshot, config, function, date, scratch)
    rows = shared_rows(workspace, source, scratch, make)
    verdict = judge_rows(workspace.archive, workspace.root, config, rows, source, scratch)
    return segment_batch(rows, verdict.with_infinite(rows.infinite), config, scratch)


def source_of(workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str) -> str:
    """Return the digest of all that a date's rows are made of: files, config, feature function, code."""
    feature = feature_file(workspace.root, config)
    return frame_source(_files(snapshot, date, config), config, [*ASSEMBLING, *([feature] if feature else [])])


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
