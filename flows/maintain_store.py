"""maintain_store: what the policy lets go is removed, the rest is laid out well and checked."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.maintenance import (
    check_store,
    drop_keys,
    drop_unfinished,
    expire_batches,
    expire_runs,
    lay_out_predictions,
    note_freed,
    sweep_orphans,
)
from tasks.records import recording_platform
from tasks.upkeep_page import publish_freed
from tasks.upkeep_survey import survey


@flow(name="maintain-store", flow_run_name="maintain store")
def maintain_store(dry_run: bool = False) -> State[Any]:
    """Remove what the retention policy lets go, compact the predictions, and check what is kept.

    Args:
        dry_run: Say what would be freed; remove nothing.
    """
    with recording_platform("maintain_store", None, {"dry_run": dry_run}) as run:
        found = survey(run.workspace, datetime.now(UTC), run.id)
        records = expire_runs(run, found, dry_run)
        batches = expire_batches(run, found, dry_run)
        caches = drop_keys(run, "caches", found.caches, dry_run)
        marks = drop_keys(run, "head marks", found.marks, dry_run)
        unfinished = drop_unfinished(run, found, dry_run)
        layout, dead = lay_out_predictions(run, dry_run)
        orphans = sweep_orphans(run, found, dry_run)
        note_freed(run, [records, batches, caches, marks, unfinished, dead, orphans], layout, dry_run)
        check_store(run)
        publish_freed(run)
    return Completed(message=run.sentence, data=run.outputs)
