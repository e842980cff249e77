"""Promotion requests: what waits, who has approved it, and the evidence as it lies now."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plimsoll.approval import (
    GONE,
    Request,
    RequestState,
    champion_of,
    find_approvals,
    find_request,
    open_requests,
    refusals_of,
    request_status,
)
from plimsoll.approval_page import evidence_markdown
from plimsoll.automatic import policy_declined
from plimsoll.bundle import check_bundle
from plimsoll.digest import sha256_hex
from plimsoll.errors import IntegrityError
from plimsoll.ledger import read_ledger
from plimsoll.people import PEOPLE, enrolments
from plimsoll.run_record import read_record
from plimsoll.store import get_json, object_key
from tasks.workspace import Workspace


@dataclass(frozen=True)
class RequestView:
    """A request as a person sees it."""

    status: RequestState
    sentence: str
    evidence: str  # markdown, headed by the last refusal of this Prefect run
    automatic: bool  # the policy is to decide, and has not left it to a person
    request: Request | None


def read_request(workspace: Workspace, model: str, version: int, run_id: str = "") -> RequestView:
    """Return a version's request with its evidence checked; run_id is the Prefect run whose refusals count."""
    entries = read_ledger(workspace.archive, model)
    request = find_request(entries, version)
    if request is None:
        return RequestView("unknown", no_request(model, version), "", False, None)
    now = datetime.now(UTC)
    status = request_status(entries, request, now)
    if status.state == "waiting":
        status = request_status(entries, request, now, current_evidence(workspace, request))
    refused = refusals_of(entries, request, run_id)
    given = [entry.by for entry in find_approvals(entries, request)]
    page = f"http://127.0.0.1:{workspace.platform.reports_port}/{request.summary.get('page', '')}"
    last = str(refused[-1].facts["sentence"]) if refused else ""
    approvers = workspace.approvers().names_for(model)
    enrolled = enrolments(read_ledger(workspace.archive, PEOPLE))
    shown = evidence_markdown(request, champion_of(entries), approvers, page, last, given, enrolled)
    automatic = request.policy.policy == "automatic" and not policy_declined(entries, request)
    return RequestView(status.state, status.sentence, shown, automatic, request)


def current_evidence(workspace: Workspace, request: Request) -> dict[str, str]:
    """Return the digests of a request's evidence as it lies now, empty where it is gone.

    bundle: the bytes in the store and their copy in MLflow; snapshot, config, gate_report: the objects in the
    store, and what the gate report names as evidence; code: what the record of the training run says.
    """
    record = read_record(workspace.archive, request.run) if request.run else None
    found = {name: _object_digest(workspace, digest) for name, digest in request.evidence.items()}
    if "gate_report" in request.evidence:
        found["gate_report"] = _report_digest(workspace, request.evidence["gate_report"])
    found["bundle"] = _bundle_digest(workspace, request)
    found["code"] = str(record["code"]["tree"]) if record else GONE
    return found


def list_pending(workspace: Workspace) -> list[dict[str, Any]]:
    """Return every request that waits for a person, as JSON; their evidence is checked when one decides."""
    found = []
    now = datetime.now(UTC)
    for model in workspace.models:
        entries = read_ledger(workspace.archive, model)
        found += [
            {
                "model": model,
                "version": request.version,
                "requested_by": request.requested_by,
                "expires_at": request.expires_at.isoformat(timespec="seconds"),
                "page": str(workspace.reports / str(request.summary.get("page", ""))),
                "may_decide": list(workspace.approvers().names_for(model)),
                "approved_by": [entry.by for entry in find_approvals(entries, request)],
                "approvals": request.policy.approvals,
            }
            for request in open_requests(entries, now)
        ]
    return found


def no_request(model: str, version: int) -> str:
    """Return what is said of a version that never asked."""
    return f"{model} v{version} has no promotion request. See what waits: plimsoll pending"


def _object_digest(workspace: Workspace, digest: str) -> str:
    data = workspace.store.get(object_key(digest))
    return GONE if data is None else sha256_hex(data)


def _report_digest(workspace: Workspace, digest: str) -> str:
    """Return the gate report's digest when it is whole together with the evidence that it names."""
    found = _object_digest(workspace, digest)
    if found != digest:
        return found
    shown = str(get_json(workspace.store, digest).get("evidence", ""))
    return found if not shown or _object_digest(workspace, shown) == shown else GONE


def _bundle_digest(workspace: Workspace, request: Request) -> str:
    """Return the bundle's digest when it is whole where it is served from, the store, and where people look, MLflow."""
    from tasks.bundles import read_bundle
    from tasks.mlflow_roles import check_copy

    model, digest = request.model, request.evidence["bundle"]
    try:
        stored = read_bundle(workspace.archive, model, digest, request.name)
        check_bundle(stored, model, digest, workspace.archive.seal, request.name)
        check_copy(workspace, model, request.version, digest)
    except IntegrityError:
        return GONE
    return digest
