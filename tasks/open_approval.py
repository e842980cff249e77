"""Opening an approval: a Prefect run that waits, where a worker can hold one, and again where it was lost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from plimsoll.approval import Request, open_requests, request_status
from plimsoll.errors import ServerError
from plimsoll.ledger import Entry, read_ledger
from plimsoll.model_config import ModelConfig
from tasks.judging import Report
from tasks.prefect_api import RunOf, runs_of, start_run
from tasks.records import Run
from tasks.requests import current_evidence
from tasks.stage import get_run_logger, stage
from tasks.workspace import Workspace

FLOW = "promote-model"
LONGEST_LOOK = timedelta(minutes=5)  # from taking a run up to its form; seconds, unless the machine is very busy


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


def reopen_approvals(workspace: Workspace, server_started: datetime | None = None) -> list[str]:
    """Start a run for every request of the ledger that waits while no run of it lives, and return the runs.

    A run is lost when it is cancelled, when it crashes, with Prefect's database, or with the machine it ran on. Two
    that do this at once start one run. A request whose evidence changed is void, so nobody is asked about it; one
    whose evidence cannot be looked at now is asked about, and looked at then. server_started: whoever started Prefect's
    server this moment knows that no process of before is there.
    """
    started, now = [], datetime.now(UTC)
    gone = max(now - LONGEST_LOOK, server_started or now - LONGEST_LOOK)
    for model in workspace.models:
        config, entries = workspace.model(model), read_ledger(workspace.archive, model)
        for request in open_requests(entries, now):
            runs = runs_of(FLOW, config.deployment, {"model": model, "version": request.version})
            if all(is_lost(run, gone) for run in runs) and not _is_void(workspace, entries, request, now):
                started.append(_open(config, request.version, f"{request.n}:{len(runs)}"))
    return [run for run in started if run]


def is_lost(run: RunOf, gone: datetime) -> bool:
    """Return whether nothing will come of a run: it ended, or was taken up before `gone` and never came to an end.

    A run that waits for a person is suspended and needs no process. Between, one looks at the evidence for seconds;
    whatever has been at it for minutes died without a word. Were it alive after all, two runs would ask about one
    request, and the ledger lets one of them decide.
    """
    return run.ended or (run.busy_since is not None and run.busy_since < gone)


def _is_void(workspace: Workspace, entries: Sequence[Entry], request: Request, now: datetime) -> bool:
    try:
        evidence = current_evidence(workspace, request)
    except ServerError:
        return False
    return request_status(entries, request, now, evidence).state == "void"


def _open(config: ModelConfig, version: int, cause: str) -> str | None:
    model = config.model
    key, name = f"promote:{model}:{version}:{cause}", f"APPROVE? {model} v{version}"
    return start_run(FLOW, config.deployment, {"model": model, "version": version}, key, ["approval"], name)
