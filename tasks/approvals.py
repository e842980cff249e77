"""Approvals: what a person is shown, and how a decision becomes ledger entries and a champion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plimsoll.approval import (
    GONE,
    POLICY,
    Request,
    RequestState,
    approver_named,
    champion_of,
    check_decision,
    find_request,
    open_requests,
    owed_promotion,
    refusals_of,
    request_status,
)
from plimsoll.approval_page import evidence_markdown
from plimsoll.bundle import check_bundle
from plimsoll.digest import sha256_hex
from plimsoll.errors import ApprovalError, IntegrityError
from plimsoll.ledger import Entry, append, read_ledger
from plimsoll.run_record import read_record
from plimsoll.store import object_key
from tasks.champion import mirror_aliases, promote
from tasks.records import utc_now
from tasks.secrecy import without_secrets
from tasks.workspace import Workspace

TERMINAL = "command line"
PLACEHOLDER = {"decision": "reject", "who": "(decided in the ledger)", "comment": ""}


@dataclass(frozen=True)
class RequestView:
    """A request as a person sees it."""

    status: RequestState
    sentence: str
    evidence: str  # markdown, headed by the last refusal of this Prefect run
    refusals: int  # of this Prefect run
    request: Request | None


@dataclass(frozen=True)
class Outcome:
    """What became of a submitted decision."""

    accepted: bool
    sentence: str


class _RefusedError(ApprovalError):
    """A decision that was refused, with the rule that refused it."""

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule


def read_request(workspace: Workspace, model: str, version: int, run_id: str = "") -> RequestView:
    """Return a version's request with its evidence checked; run_id is the Prefect run whose refusals count."""
    entries = read_ledger(workspace.archive, model)
    request = find_request(entries, version)
    if request is None:
        return RequestView("unknown", _no_request(model, version), "", 0, None)
    status = request_status(entries, request, _now())
    if status.state == "waiting":
        status = request_status(entries, request, _now(), current_evidence(workspace, request))
    refused = refusals_of(entries, request, run_id)
    page = f"http://127.0.0.1:{workspace.platform.reports_port}/{request.summary.get('page', '')}"
    last = str(refused[-1].facts["sentence"]) if refused else ""
    approvers = workspace.approvers().names_for(model)
    shown = evidence_markdown(request, champion_of(entries), approvers, page, last)
    return RequestView(status.state, status.sentence, shown, len(refused), request)


def current_evidence(workspace: Workspace, request: Request) -> dict[str, str]:
    """Return the digests of a request's evidence as it lies now, empty where it is gone.

    bundle: the bytes in the store and their copy in MLflow; snapshot, config, gate_report: the objects in the
    store; code: what the record of the training run says.
    """
    record = read_record(workspace.archive, request.run) if request.run else None
    found = {name: _object_digest(workspace, digest) for name, digest in request.evidence.items()}
    found["bundle"] = _bundle_digest(workspace, request)
    found["code"] = str(record["code"]["tree"]) if record else GONE
    return found


def submit_decision(
    workspace: Workspace,
    model: str,
    version: int,
    decision: str,
    who: str,
    comment: str,
    run_id: str = "",
    via: str = TERMINAL,
    as_of: str | None = None,
) -> Outcome:
    """Enter a person's decision in the ledger, or the refusal of it; an approval promotes at once."""
    request = find_request(read_ledger(workspace.archive, model), version)
    if request is None:
        return Outcome(False, _no_request(model, version))
    decision = decision.strip().casefold()
    facts = {
        "version": version,
        "request": request.n,
        "evidence": dict(request.evidence),
        "comment": without_secrets(comment.strip()),
        "via": via,
        "identity": "rule" if who == POLICY else "stated",  # nobody has proved to be who they say they are
        "prefect_run": run_id,
    }
    day = as_of or request.as_of
    approvers = workspace.approvers().names_for(model)
    name = approver_named(who, approvers) or who.strip()
    kind: Any = "approved" if decision == "approve" else "rejected"
    guard = _guard(workspace, request, who, approvers, decision)
    try:
        entry = append(
            workspace.archive, model, kind, facts=facts, as_of=day, recorded_at=utc_now(), by=name, guard=guard
        )
    except _RefusedError as refused:
        facts |= {"decision": decision, "rule": refused.rule, "sentence": str(refused)}
        append(workspace.archive, model, "approval_refused", facts=facts, as_of=day, recorded_at=utc_now(), by=name)
        return Outcome(False, str(refused))
    settle(workspace, model, version)
    became = "and is champion now: it scores the next batch" if decision == "approve" else "and will never score"
    return Outcome(True, f"{model} v{version} was {entry.kind} by {entry.by} {became}.")


def settle(workspace: Workspace, model: str, version: int) -> None:
    """Do what a decision still owes: promote an approved version, and let MLflow's aliases follow."""
    entries = read_ledger(workspace.archive, model)
    request = find_request(entries, version)
    if request and (approved := owed_promotion(entries, request)):
        promote(workspace, model, version, by=approved.by, as_of=approved.as_of)
    elif request:
        mirror_aliases(workspace, model)


def release_waiting(model: str, version: int) -> list[str]:
    """Resume every Prefect run that waits for this decision and return their ids; each finds it in the ledger."""
    from tasks.prefect_api import current_api_url, resume_run, server_answers, waiting_runs

    if not server_answers(current_api_url()):
        return []
    runs = waiting_runs("promote-model", model, {"model": model, "version": version})
    for run_id in runs:
        resume_run(run_id, PLACEHOLDER)
    return runs


def decide_from_terminal(
    workspace: Workspace, model: str, version: int, decision: str, who: str, comment: str
) -> Outcome:
    """Submit a decision from the command line and let every run that waits for it end."""
    outcome = submit_decision(workspace, model, version, decision, who, comment)
    if outcome.accepted:
        release_waiting(model, version)
    return outcome


def list_pending(workspace: Workspace) -> list[dict[str, Any]]:
    """Return every request that waits for a person, as JSON; their evidence is checked when one decides."""
    return [
        {
            "model": model,
            "version": request.version,
            "requested_by": request.requested_by,
            "expires_at": request.expires_at.isoformat(timespec="seconds"),
            "page": str(workspace.reports / str(request.summary.get("page", ""))),
            "may_decide": list(workspace.approvers().names_for(model)),
        }
        for model in workspace.models
        for request in open_requests(read_ledger(workspace.archive, model), _now())
    ]


def _guard(
    workspace: Workspace, request: Request, who: str, approvers: Sequence[str], decision: str
) -> Callable[[Sequence[Entry]], None]:
    evidence = current_evidence(workspace, request)

    def refuse(entries: Sequence[Entry]) -> None:
        refusal = check_decision(entries, request, who, approvers, request.policy, _now(), evidence, decision)
        if refusal:
            raise _RefusedError(refusal.rule, refusal.sentence)

    return refuse


def _object_digest(workspace: Workspace, digest: str) -> str:
    data = workspace.store.get(object_key(digest))
    return GONE if data is None else sha256_hex(data)


def _bundle_digest(workspace: Workspace, request: Request) -> str:
    """Return the bundle's digest when it is whole where it is served from, the store, and where people look, MLflow."""
    from tasks.bundles import read_bundle
    from tasks.mlflow_registry import check_copy

    model, digest = request.model, request.evidence["bundle"]
    try:
        stored = read_bundle(workspace.archive, model, digest, request.name)
        check_bundle(stored, model, digest, workspace.archive.seal, request.name)
        check_copy(workspace, model, request.version, digest)
    except IntegrityError:
        return GONE
    return digest


def _no_request(model: str, version: int) -> str:
    return f"{model} v{version} has no promotion request. See what waits: plimsoll pending"


def _now() -> datetime:
    return datetime.now(UTC)
