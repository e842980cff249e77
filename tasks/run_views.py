"""Run views: a run's record with everything that it refers to, read back from the store."""

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.errors import UserError
from plimsoll.run_difference import RunView
from plimsoll.run_record import read_record
from plimsoll.snapshot import load_snapshot
from plimsoll.store import get_json
from tasks.environments import recorded_packages
from tasks.mlflow_registry import QUIET
from tasks.servers import quiet_console, telemetry_off
from tasks.source_tree import recorded_tree
from tasks.workspace import Workspace

OURS = {*telemetry_off(), *quiet_console(), *QUIET, "PREFECT_API_URL"}  # that commands set on their way, every time
PREFECTS_OWN = "PREFECT__"  # how variables begin that a worker gives to the run that it starts


def read_run_view(workspace: Workspace, run_id: str) -> RunView:
    """Return a run with its config, source tree, packages, snapshots and metrics.

    Raises UserError without a record, IntegrityError when something that it refers to was changed or is gone.
    """
    store, record = workspace.store, read_record(workspace.archive, run_id)
    if record is None:
        raise UserError(f"Run {run_id} has no record. The runs that have one: plimsoll runs")
    named = named_variables(record["environment"]["variables"])
    return RunView(
        {**record, "environment": {**record["environment"], "variables": named}},
        get_json(store, record["config"]),
        recorded_tree(store, record["code"]),
        recorded_packages(store, record["environment"]),
        [load_snapshot(store, snapshot) for snapshot in (record["end"] or {}).get("snapshots", ())],
        _metrics(workspace, record),
    )


def named_variables(variables: Sequence[str]) -> list[str]:
    """Return the variables that somebody set: neither ours nor Prefect's own."""
    return [name for name in variables if name not in OURS and not name.startswith(PREFECTS_OWN)]


def _metrics(workspace: Workspace, record: Mapping[str, Any]) -> dict[str, float | None]:
    report = ((record["end"] or {}).get("outputs") or {}).get("gate_report")
    return dict(get_json(workspace.store, report)["candidate"]["metrics"]) if report else {}
