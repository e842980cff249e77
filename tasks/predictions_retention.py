"""Taking expired batches out of the predictions table."""

from collections.abc import Collection
from typing import NamedTuple

from tasks.delta_layout import partitions
from tasks.prediction_files import live_files, reading
from tasks.upkeep_survey import Batch
from tasks.workspace import Workspace


class Dropped(NamedTuple):
    """Predictions that are, or would be, taken out: names of their partitions, rows and bytes."""

    names: list[str]
    rows: int
    bytes: int


def drop_batches(workspace: Workspace, batches: Collection[Batch], *, dry_run: bool = False) -> Dropped:
    """Take batches out of the table, one commit per model; those that are not there are passed over.

    The commit only drops whole partitions, so it disturbs nobody who writes another; the bytes go with a later vacuum.
    """
    live = live_files(workspace, anew=True)
    asked = {batch[:3] for batch in batches}
    if live is None or not asked:
        return Dropped([], 0, 0)
    found = [part for part in partitions(live) if (part.model, part.batch_date, part.version) in asked]
    if not dry_run:
        for model in sorted({part.model for part in found}):
            where = [
                f"(batch_date = '{part.batch_date}' AND version = {part.version})"
                for part in found
                if part.model == model
            ]
            with reading(live.url):
                live.table.update_incremental()
                live.table.delete(f"model = '{model}' AND ({' OR '.join(where)})")
    names = [f"{part.model} {part.batch_date} v{part.version}" for part in found]
    return Dropped(names, sum(part.rows for part in found), sum(f["bytes"] for part in found for f in part.files))


def dead_bytes(workspace: Workspace, retention_hours: int) -> int:
    """Return the bytes of the files that have not been part of the table for some hours."""
    live = live_files(workspace, anew=True)
    if live is None:
        return 0
    with reading(live.url):
        gone = live.table.vacuum(retention_hours, dry_run=True, enforce_retention_duration=False, full=True)
        return sum(info.size for info in live.filesystem.get_file_info(gone) if info.is_file)
