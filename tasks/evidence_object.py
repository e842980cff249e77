"""Evidence: measured while a candidate is judged, and kept as one object that the gate report names."""

from dataclasses import asdict
from functools import partial
from typing import Any

from plimsoll.bundle import Bundle
from plimsoll.candidate_changes import changes_between
from plimsoll.errors import PlimsollError
from plimsoll.evidence import gather_evidence
from plimsoll.judged_rows import Judged
from plimsoll.part_files import read_part
from plimsoll.row_parts import Mask, Rows
from plimsoll.run_difference import RunView
from plimsoll.snapshot import FileRef, load_snapshot
from plimsoll.standing import Version
from plimsoll.store import get_json, object_key, put_json
from tasks.environments import recorded_packages
from tasks.records import Run
from tasks.run_views import named_variables, read_run_view
from tasks.source_tree import recorded_tree

LARGEST = 32 * 2**20  # bytes of a rewritten file that is looked into row by row


def keep_evidence(run: Run, judged: Judged, bundle: Bundle, rows: Rows, mask: Mask, champion: Version | None) -> str:
    """Store the evidence about a candidate and return its digest."""
    body = gather_evidence(judged, bundle, rows, mask)
    return put_json(run.store, {**body, "changes": _changes(run, champion)})


def _changes(run: Run, champion: Version | None) -> dict[str, Any]:
    """Return what differs from the champion's training run; where that cannot be read, only why."""
    if champion is None:
        return {}
    try:
        before = read_run_view(run.workspace, str(champion.trained.facts["run"]))
        if not before.snapshots:
            return {"missing": f"The run that trained v{champion.number} names no snapshot."}
        return changes_between(before, _view(run), champion.number, partial(_rows_by_key, run))
    except PlimsollError as error:
        return {"missing": f"The run that trained v{champion.number} cannot be read: {error}"}


def _rows_by_key(run: Run, table: str, ref: FileRef) -> dict[str, int] | None:
    """Return a hash of each row of a file by its key; None for one that is large, gone, or has none of that key."""
    import pandas as pd

    names = run.config.row_names(table)
    there = {name for name, _ in ref.columns}
    if ref.flaw or ref.bytes > LARGEST or not {*names} <= there or run.store.get(object_key(ref.digest)) is None:
        return None
    frame = read_part(run.store, ref, f"{table} of {ref.name}")
    keys = frame[names].astype(str).agg("|".join, axis=1)
    return dict(zip(keys, pd.util.hash_pandas_object(frame, index=False).tolist(), strict=True))


def _view(run: Run) -> RunView:
    """Return the run as it is now, which has no end yet."""
    record = asdict(run.start)
    named = named_variables(record["environment"]["variables"])
    return RunView(
        {**record, "environment": {**record["environment"], "variables": named}, "end": None},
        get_json(run.store, record["config"]),
        recorded_tree(run.store, record["code"]),
        recorded_packages(run.store, record["environment"]),
        [load_snapshot(run.store, snapshot) for snapshot in run.snapshots],
        {},
    )
