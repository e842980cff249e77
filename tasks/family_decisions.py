"""A decision about members of a family that wait: one person, one code, an entry in the ledger of each."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from plimsoll.approval import DECISIONS, Request, check_decision, find_request, open_requests
from plimsoll.approvers_config import approver_named, not_allowed
from plimsoll.business_date import wrong_date
from plimsoll.errors import ApprovalError, PlimsollError
from plimsoll.family_approval import require_one_each
from plimsoll.ledger import read_ledger
from plimsoll.model_config import ModelConfig
from plimsoll.people import Refusal
from tasks.approvals import TERMINAL, Outcome, release_family, release_waiting, submit_decision
from tasks.identity import Verified, verify_code
from tasks.readable import Fault, each_readable
from tasks.requests import counted_now, current_evidence
from tasks.typed_text import as_typed
from tasks.workspace import Workspace

SHOWN = 3  # refusals that a sentence tells of


@dataclass(frozen=True)
class Decided:
    """What became of one member's request."""

    model: str
    version: int
    accepted: bool
    sentence: str


@dataclass(frozen=True)
class Answer:
    """What a person said about several requests, and where."""

    decision: str
    who: str
    comment: str
    code: str
    via: str = TERMINAL
    run_id: str = ""  # of Prefect
    entered: datetime | None = None  # when the form was filled in; None: now
    shown: str = ""  # the object that holds what the person was shown
    as_of: str | None = None  # business date; None: each model's own


def family_requests(workspace: Workspace, family: str) -> tuple[list[Request], tuple[Fault, ...]]:
    """Return the requests of a family's members that wait for a decision, in the order of its values.

    Beside them stand the members that cannot be read.
    """
    now = datetime.now(UTC)

    def asked(config: ModelConfig) -> list[Request]:
        return open_requests(read_ledger(workspace.archive, config.model), now)

    found, faults = each_readable(workspace, asked, workspace.members(family))
    return [request for requests in found for request in requests], faults


def decide_family(
    workspace: Workspace, family: str, requests: Sequence[Request], given: Answer, now: datetime | None = None
) -> list[Decided]:
    """Enter a person's decision about requests that they were shown, and return what became of each.

    One code is used up for all of them, and the entry that uses it up names each. A request that the person may not
    decide, or whose evidence changed, is refused in its ledger with the reason. Raises ApprovalError when no request
    can be decided or the code is not accepted: then nothing was decided.
    """
    now = now or datetime.now(UTC)
    given = _readable(workspace, family, given)
    if given.decision == "approve":
        require_one_each(requests)
    refused = {one.name: said for one in requests if (said := _refusal(workspace, family, one, given, now))}
    mine = [request for request in requests if request.name not in refused]
    decided = [_refuse(workspace, one, given, now, refused[one.name]) for one in requests if one.name in refused]
    if not mine:
        first = " ".join(one.sentence for one in decided[:SHOWN]) or f"No model of {family} waits for a decision."
        raise ApprovalError(f"{first} And {len(decided) - SHOWN} more." if len(decided) > SHOWN else first)
    about = [[request.model, request.version, request.n] for request in mine]
    act = {"act": given.decision, "family": family, "requests": about}
    verified = verify_code(workspace, given.who, given.code, act, now, given.entered)
    decided += [_decide(workspace, request, given, now, verified) for request in mine]
    with suppress(PlimsollError):  # the ledgers have decided, whether a server answers or not
        release_family(family)
    found = {(one.model, one.version): one for one in decided}
    return [found[request.model, request.version] for request in requests]


def _readable(workspace: Workspace, family: str, given: Answer) -> Answer:
    """Return an answer with decision and name as they are meant; ApprovalError where they mean nothing."""
    decision, approvers = as_typed(given.decision, given.code).casefold(), workspace.approvers()
    if decision not in DECISIONS:
        said = f"Expected the decision approve or reject, found {decision!r}. Nothing was decided."
        raise ApprovalError(said)
    if (name := approver_named(given.who, approvers.names)) is None:
        may = sorted({who for model in workspace.members(family) for who in approvers.names_for(model, decision)})
        raise ApprovalError(not_allowed(as_typed(given.who, given.code), decision, family, may))
    return replace(given, decision=decision, who=name)


def _refusal(workspace: Workspace, family: str, request: Request, given: Answer, now: datetime) -> Refusal | None:
    """Return why a person may not decide about one request now; what goes wrong with one member ends no other's."""
    if request.model not in workspace.members(family):
        return Refusal("no_member", f"{request.model} is no model of {family} any more.")
    try:
        entries = read_ledger(workspace.archive, request.model)
        latest = find_request(entries, request.version)
        if latest is None or latest.n != request.n:
            return Refusal("asked_anew", f"{request.name} asked anew since this was shown. Look at it again.")
        if given.as_of and (wrong := wrong_date(request.model, entries, given.as_of, now)):
            return Refusal("business_date", wrong)
        approvers = workspace.approvers().names_for(request.model, given.decision)
        evidence = current_evidence(workspace, request)
        about = (approvers, request.policy, now, evidence, given.decision)
        return check_decision(counted_now(workspace, entries, request)[0], request, given.who, *about)
    except PlimsollError as error:
        return Refusal("unreadable", f"{request.name}: {error}")


def _refuse(workspace: Workspace, request: Request, given: Answer, now: datetime, why: Refusal) -> Decided:
    """Enter why one request was not decided, where that can be entered; no code is used up for it."""
    with suppress(PlimsollError):  # where its ledger cannot be written the person is told all the same
        _submit(workspace, request, given, now, None, why)
    return Decided(request.model, request.version, False, why.sentence)


def _decide(workspace: Workspace, request: Request, given: Answer, now: datetime, verified: Verified) -> Decided:
    """Enter one decision by a code that was used up; what goes wrong with one member ends no other's."""
    model, version = request.model, request.version
    try:
        outcome = _submit(workspace, request, given, now, verified, None)
    except PlimsollError as error:
        return Decided(model, version, False, f"{error} {verified.warning}".strip())
    said = f"{outcome.sentence} {verified.warning}".strip()
    try:
        if outcome.accepted:
            release_waiting(workspace, model, version, with_family=False)
    except PlimsollError as error:  # the ledger has decided
        said = f"{said} Its waiting run was not released: {error}"
    return Decided(model, version, outcome.accepted, said)


def _submit(
    workspace: Workspace,
    request: Request,
    given: Answer,
    now: datetime,
    verified: Verified | None,
    refused: Refusal | None,
) -> Outcome:
    about = workspace, request.model, request.version
    said = given.decision, given.who, given.comment, given.run_id, given.via
    code, shown, day = given.code, given.shown, given.as_of
    return submit_decision(*about, *said, day, code=code, now=now, verified=verified, refused=refused, shown=shown)
