"""Opening an approval: a Prefect run that waits, where a worker can hold one, and again where it was lost."""

from datetime import UTC, datetime

from prefect.logging import get_run_logger

from plimsoll.approval import open_requests
from plimsoll.ledger import read_ledger
from plimsoll.model_config import ModelConfig
from tasks.judging import Report
from tasks.prefect_api import runs_of, start_run
from tasks.records import Run
from tasks.stage import stage
from tasks.workspace import Workspace

FLOW = "promote-model"


@stage
def open_approval(run: Run, version: int, report: Report) -> str | None:
    """Start the run that waits for a person and return its id; without a deployment the ledger alone waits."""
    if not report.passed:
        return None
    model = run.config.model
    flow_run = _open(run.config, version, run.id)
    where = f"Prefect run {flow_run}" if flow_run else f"plimsoll approve {model} {version} --as NAME"
    get_run_logger().info("%s v%d waits for a person: %s", model, version, where)
    return flow_run


def reopen_approvals(workspace: Workspace) -> list[str]:
    """Start a run for every request of the ledger that waits while no run of it lives, and return the runs.

    A run is lost when it is cancelled, when it crashes, or with Prefect's database. Two that do this at once start
    one run.
    """
    started = []
    for model in workspace.models:
        config = workspace.model(model)
        for request in open_requests(read_ledger(workspace.archive, model), datetime.now(UTC)):
            runs = runs_of(FLOW, config.deployment, {"model": model, "version": request.version})
            if all(run.ended for run in runs):
                started.append(_open(config, request.version, f"{request.n}:{len(runs)}"))
    return [run for run in started if run]


def _open(config: ModelConfig, version: int, cause: str) -> str | None:
    model = config.model
    key, name = f"promote:{model}:{version}:{cause}", f"APPROVE? {model} v{version}"
    return start_run(FLOW, config.deployment, {"model": model, "version": version}, key, ["approval"], name)
