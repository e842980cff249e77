"""Opening an approval: the policy's word where it is automatic, else a Prefect run that waits where a worker holds it.

A model of its own has a run for each request. A family has one run for all that its members ask.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from plimsoll.approval import Request, find_request, open_requests, request_status
from plimsoll.errors import ServerError
from plimsoll.ledger import Entry, read_ledger
from plimsoll.model_config import ModelConfig
from tasks.approvals import release_family, submit_policy
from tasks.family_decisions import family_requests
from tasks.judging import Report
from tasks.prefect_api import RunOf, runs_of, start_run
from tasks.readable import readable_models
from tasks.records import Run
from tasks.requests import current_evidence
from tasks.stage import get_run_logger, stage
from tasks.workspace import Workspace

FLOW, OF_FAMILY = "promote-model", "promote-family"
LONGEST_LOOK = timedelta(minutes=5)  # from taking a run up to its form; seconds, unless the machine is very busy
# who has asked of a family whose members are all run before anybody is
_TOGETHER: ContextVar[list[str] | None] = ContextVar("together", default=None)


@stage
def open_approval(run: Run, version: int, report: Report) -> str | None:
    """Let the policy decide where it is automatic, else start the run that waits for a person, and return its id.

    Without a deployment the ledger alone waits. A family's member is shown in the family's run.
    """
    model, family = run.config.model, run.config.family
    if not report.passed or _policy_decided(run, version):
        return None
    flow_run = _ask_family(family) if family else _open(run.config, version, run.id)
    where = f"Prefect run {flow_run}" if flow_run else f"plimsoll approve {model} {version} --as NAME"
    get_run_logger().info("%s v%d waits for a person: %s", model, version, where)
    return flow_run


def _policy_decided(run: Run, version: int) -> bool:
    """Ask the policy where it is automatic, say what it said, and return whether it promoted the version.

    Where promotions have a pool of their own, whoever trains may not promote: the run of the approval asks the policy.
    """
    model, request = run.config.model, find_request(run.standing().entries, version)
    apart = len(run.workspace.platform.prefect.pools) > 1
    if request is None or request.policy.policy != "automatic" or apart:
        return False
    outcome = submit_policy(run.workspace, model, version, run.start.prefect_run_id)
    ask = "" if outcome.accepted else f" Decide: plimsoll approve {model} {version} --as NAME"
    run.sentence = f"{run.sentence.removesuffix('.')}. {outcome.sentence}{ask}"
    get_run_logger().info(outcome.sentence)
    return outcome.accepted


@contextmanager
def asked_together(family: str) -> Iterator[None]:
    """Let whatever a family's members ask within be asked at the end, at once."""
    asked: list[str] = []
    before = _TOGETHER.set(asked)
    try:
        yield
    finally:
        _TOGETHER.reset(before)
    if asked:
        _ask_family(family)


def _ask_family(family: str) -> str | None:
    """Let the run that asks about a family look again, or start one where none lives, and return it.

    Of two that do this at once the second finds the first one's run.
    """
    if (together := _TOGETHER.get()) is not None:
        together.append(family)
        return None
    runs = runs_of(OF_FAMILY, family, {"family": family})
    gone = datetime.now(UTC) - LONGEST_LOOK
    if living := [run.id for run in runs if not is_lost(run, gone)]:
        release_family(family)
        return living[0]
    return _open_family(family, len(runs))


def reopen_approvals(workspace: Workspace, server_started: datetime | None = None) -> list[str]:
    """Start a run for every request of the ledger that waits while no run of it lives, and return the runs.

    A run is lost when it is cancelled, when it crashes, with Prefect's database, or with the machine it ran on. Two
    that do this at once start one run. A request whose evidence changed is void, so nobody is asked about it; one
    whose evidence cannot be looked at now is asked about, and looked at then. server_started: whoever started Prefect's
    server this moment knows that no process of before is there. Models whose config cannot be read are left out.
    """
    now = datetime.now(UTC)
    gone = max(now - LONGEST_LOOK, server_started or now - LONGEST_LOOK)
    configs = readable_models(workspace).configs
    started = [_reopen_model(workspace, one, gone, now) for one in configs if not one.family]
    families = dict.fromkeys(one.family for one in configs if one.family)
    started += [[_reopen_family(workspace, family, gone, now)] for family in families]
    return [run for runs in started for run in runs if run]


def _reopen_model(workspace: Workspace, config: ModelConfig, gone: datetime, now: datetime) -> list[str | None]:
    entries, started = read_ledger(workspace.archive, config.model), []
    for request in open_requests(entries, now):
        runs = runs_of(FLOW, config.deployment, {"model": config.model, "version": request.version})
        if all(is_lost(run, gone) for run in runs) and not _is_void(workspace, entries, request, now):
            started.append(_open(config, request.version, f"{request.n}:{len(runs)}"))
    return started


def _reopen_family(workspace: Workspace, family: str, gone: datetime, now: datetime) -> str | None:
    requests, _ = family_requests(workspace, family)
    runs = runs_of(OF_FAMILY, family, {"family": family}) if requests else []
    if not all(is_lost(run, gone) for run in runs):
        return None
    ledgers = {model: read_ledger(workspace.archive, model) for model in {one.model for one in requests}}
    if all(_is_void(workspace, ledgers[one.model], one, now) for one in requests):
        return None
    return _open_family(family, len(runs))


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


def _open_family(family: str, runs: int) -> str | None:
    """Start the run that asks about a family after so many others; of two that do this at once one is made."""
    key, name = f"promote:{family}:{runs}", f"APPROVE? {family}"
    return start_run(OF_FAMILY, family, {"family": family}, key, ["approval"], name)
