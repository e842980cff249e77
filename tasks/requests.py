"""Promotion requests: what waits, who has approved it, and the evidence as it lies now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plimsoll.approval import (
    GONE,
    Request,
    RequestState,
    Status,
    champion_of,
    find_approvals,
    find_request,
    open_requests,
    refusals_of,
    request_status,
)
from plimsoll.approval_page import evidence_markdown
from plimsoll.approvers_config import too_few
from plimsoll.automatic import policy_declined
from plimsoll.bundle import check_bundle
from plimsoll.digest import sha256_hex
from plimsoll.errors import ConfigError, IntegrityError, ServerError, UserError
from plimsoll.lapsed import Lapse, lapses, told_lapses, without
from plimsoll.ledger import Entry, read_ledger
from plimsoll.model_config import ModelConfig
from plimsoll.people import PEOPLE, enrolments
from plimsoll.run_record import read_record
from plimsoll.store import get_json, object_key, put_object
from tasks.features import changed_features
from tasks.pages import report_url
from tasks.readable import Fault, each_readable
from tasks.shown_pages import restore_pages
from tasks.snapshot_files import snapshot_is_whole
from tasks.version_config import predicts_another
from tasks.workspace import Workspace

DIGITS = 64  # of a digest


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
    counting, lapsed = counted_now(workspace, entries, request)
    status = request_status(counting, request, now)
    if status.state == "waiting":
        status = request_status(counting, request, now, current_evidence(workspace, request))
    refused = refusals_of(entries, request, run_id)
    given = [entry.by for entry in find_approvals(counting, request)]
    page = report_url(workspace, workspace.reports / str(request.summary.get("page", "")))
    last = str(refused[-1].facts["sentence"]) if refused else ""
    approvers = workspace.approvers().names_for(model)
    enrolled = enrolments(read_ledger(workspace.archive, PEOPLE))
    told = told_lapses(lapsed)
    mended = restore_pages(workspace, request) if status.state == "waiting" else ""
    shown = evidence_markdown(request, champion_of(entries), approvers, page, last, given, enrolled, mended, told)
    automatic = request.policy.policy == "automatic" and not policy_declined(entries, request)
    return RequestView(status.state, status.sentence, shown, automatic, request)


def counted_now(
    workspace: Workspace, entries: Sequence[Entry], request: Request
) -> tuple[Sequence[Entry], list[Lapse]]:
    """Return a ledger's entries without the approvals of an open request that count no more, and those."""
    if not find_approvals(entries, request):
        return entries, []
    enrolled = enrolments(read_ledger(workspace.archive, PEOPLE))
    lapsed = lapses(entries, request, enrolled, workspace.approvers().names_for(request.model))
    return without(entries, lapsed), lapsed


def keep_shown(workspace: Workspace, view: RequestView) -> str:
    """Keep the evidence as a person is shown it, and return the digest for the entry of what they decide."""
    return put_object(workspace.store, view.evidence.encode())


def shown_in_form(workspace: Workspace, form: str) -> str:
    """Return the digest that the key of a form begins with, nothing where no such evidence was kept."""
    digest = form.partition("-")[0]
    return digest if len(digest) == DIGITS and workspace.store.get(object_key(digest)) is not None else ""


def current_evidence(workspace: Workspace, request: Request) -> dict[str, str]:
    """Return the digests of a request's evidence as it lies now, empty where it is gone.

    bundle: the bytes in the store and their copy in MLflow; snapshot: the manifest with the files that it names;
    config, gate_report: the objects in the store, and what the gate report names as evidence; config also while what
    today's asks for is still the outcome that was learnt, since a version scores by the features and joins of its own;
    code: what the record of the training run says, while its feature function and lookups are still there.
    """
    found = {name: _object_digest(workspace, digest) for name, digest in request.evidence.items()}
    if "gate_report" in request.evidence:
        found["gate_report"] = _report_digest(workspace, request.evidence["gate_report"])
    if "snapshot" in request.evidence and not snapshot_is_whole(workspace.store, request.evidence["snapshot"]):
        found["snapshot"] = GONE
    if "config" in found and _predicts_another(workspace, request):
        found["config"] = GONE
    found["bundle"] = _bundle_digest(workspace, request)
    found["code"] = _code_digest(workspace, request)
    return found


def list_pending(workspace: Workspace) -> tuple[list[dict[str, Any]], tuple[Fault, ...]]:
    """Return every request that is open, as JSON, with its evidence looked at now; and models that cannot be read.

    state is waiting, or void where evidence changed and nobody can approve it any more, or unknown where a server
    that holds evidence does not answer; sentence says why, and what to do.
    """
    found, faults = each_readable(workspace, lambda config: [*_pending(workspace, config.model)])
    return [one for requests in found for one in requests], faults


def _pending(workspace: Workspace, model: str) -> Iterator[dict[str, Any]]:
    entries, now = read_ledger(workspace.archive, model), datetime.now(UTC)
    for request in open_requests(entries, now):
        counting, _ = counted_now(workspace, entries, request)
        status = _looked_at(workspace, counting, request, now)
        yield {
            "model": model,
            "version": request.version,
            "state": status.state,
            "sentence": status.sentence,
            "requested_by": request.requested_by,
            "expires_at": request.expires_at.isoformat(timespec="seconds"),
            "page": str(workspace.reports / str(request.summary.get("page", ""))),
            "may_decide": list(workspace.approvers().names_for(model)),
            "approved_by": [entry.by for entry in find_approvals(counting, request)],
            "approvals": request.policy.approvals,
        }


def _looked_at(workspace: Workspace, entries: Sequence[Entry], request: Request, now: datetime) -> Status:
    try:
        return request_status(entries, request, now, current_evidence(workspace, request))
    except ServerError as error:
        return Status("unknown", f"{request.name} waits, and its evidence cannot be looked at now: {error}")


def require_approvers(workspace: Workspace, config: ModelConfig, requester: str = "") -> None:
    """Raise ConfigError when fewer people may approve a model than have to: its requests could only expire."""
    if said := unpromotable(workspace, config, requester):
        raise ConfigError(said)


def unpromotable(workspace: Workspace, config: ModelConfig, requester: str) -> str:
    """Return in a sentence why nobody could promote what requester asks for; nothing where the policy may."""
    asked, approvers = config.approval, workspace.approvers().names_for(config.model)
    if asked.policy == "automatic":
        return ""
    return too_few(config.model, asked.approvals, approvers, requester, asked.not_requester)


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


def _code_digest(workspace: Workspace, request: Request) -> str:
    """Return the digest of the code that trained, when its feature function is the one that would score."""
    record = read_record(workspace.archive, request.run) if request.run else None
    if record is None:
        return GONE
    try:
        changed = changed_features(workspace, workspace.model(request.model), request.run, request.name)
    except UserError:  # a config or a function that cannot be read would not score either
        return GONE
    except IntegrityError:  # what it was trained with is lost: where that is the config alone, `config` says so
        return GONE if _object_digest(workspace, str(record["config"])) else str(record["code"]["tree"])
    return GONE if changed else str(record["code"]["tree"])


def _predicts_another(workspace: Workspace, request: Request) -> bool:
    """Return whether the model's config asks for another outcome now; one that cannot be read is told of as code."""
    try:
        return predicts_another(workspace, workspace.model(request.model), request.run)
    except (UserError, IntegrityError):
        return False


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
