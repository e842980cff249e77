"""A date's rows from a snapshot, with the suite's verdict: the one way in for training, scoring and tracing."""

from pathlib import Path

import pandas as pd

from plimsoll import assembled, assembly, lookups
from plimsoll.assembled import Assembled
from plimsoll.assembly import assemble_rows, read_assembled
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import ALL, Snapshot
from plimsoll.validation import Verdict
from tasks.expectations import frame_source, judge_rows
from tasks.features import feature_file, load_feature_function
from tasks.workspace import Workspace

ASSEMBLING = [Path(str(module.__file__)) for module in (assembled, assembly, lookups)]  # the code that makes a frame
UNDIVIDED = ""  # the one "date" of a table without a time axis


def batch_partition(config: ModelConfig, date: str) -> str:
    """Return the partition that holds a batch date: itself, or the undivided table."""
    return date if config.source.kind == "dates" else UNDIVIDED


def reassemble(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, key: str | None = None
) -> pd.DataFrame:
    """Return a date's assembled rows from a snapshot; with a key that row among a few, which is quick."""
    function = load_feature_function(workspace.root, config)
    return read_assembled(workspace.store, snapshot, config, function, date, key)


def assemble_batch(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, scratch: Path
) -> tuple[Assembled, Verdict]:
    """Return a date's assembled rows from a snapshot and the suite's verdict on them; many rows lie in scratch."""
    function = load_feature_function(workspace.root, config)
    rows = assemble_rows(workspace.store, snapshot, config, function, date, scratch)
    feature = feature_file(workspace.root, config)
    source = frame_source(_files(snapshot, date), config, [*ASSEMBLING, *([feature] if feature else [])])
    return rows, judge_rows(workspace.archive, workspace.root, config.model, rows, source, scratch)


def _files(snapshot: Snapshot, date: str) -> list[str]:
    """Return the digests of the files that a date's rows come from: its own, its neighbours', undivided tables."""
    own = snapshot.file("batch", date)
    lookups = (files for table, files in sorted(snapshot.tables.items()) if table not in ("batch", "outcome"))
    near = [ref.digest for files in lookups for ref in files if _near(ref.name, date)]
    return [own.digest, *near] if own else near


def _near(name: str, date: str) -> bool:
    return name == ALL or not date or abs((pd.Timestamp(name) - pd.Timestamp(date)).days) <= 1
