"""A decision about all members of a family that wait: one person, one code, an entry in the ledger of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plimsoll.approval import Request, check_decision, open_requests
from plimsoll.approvers_config import approver_named
from plimsoll.errors import ApprovalError, PlimsollError
from plimsoll.ledger import read_ledger
from tasks.approvals import release_waiting, submit_decision
from tasks.identity import Verified, verify_code
from tasks.requests import current_evidence
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Decided:
    """What became of one member's request."""

    model: str
    version: int
    accepted: bool
    sentence: str


def family_requests(workspace: Workspace, family: str) -> list[Request]:
    """Return the requests of a family's members that wait for a decision, in the order of its values."""
    now = datetime.now(UTC)
    return [
        request
        for model in workspace.members(family)
        for request in open_requests(read_ledger(workspace.archive, model), now)
    ]


def decide_family(
    workspace: Workspace,
    family: str,
    requests: Sequence[Request],
    decision: str,
    who: str,
    comment: str,
    code: str,
    now: datetime | None = None,
) -> list[Decided]:
    """Enter a person's decision about requests that they were shown, and return what became of each.

    One code is used up for all of them, and the entry that uses it up names each. A request that the person may not
    decide, or whose evidence changed, is left as it is with the reason. Raises ApprovalError when no request can be
    decided or the code is not accepted: then nothing was decided.
    """
    now = now or datetime.now(UTC)
    refused = {request.name: said for request, said in _refusals(workspace, requests, decision, who, now)}
    mine = [request for request in requests if request.name not in refused]
    if not mine:
        raise ApprovalError(next(iter(refused.values()), f"No model of {family} waits for a decision."))
    name = approver_named(who, workspace.approvers().names) or who
    about = [[request.model, request.version, request.n] for request in mine]
    verified = verify_code(workspace, name, code, {"act": decision, "family": family, "requests": about}, now)
    decided = []
    for request in requests:
        said, accepted = refused.get(request.name, ""), False
        if not said:
            said, accepted = _decide(workspace, request, decision, who, comment, code, now, verified)
        decided.append(Decided(request.model, request.version, accepted, f"{said} {verified.warning}".strip()))
    return decided


def _decide(
    workspace: Workspace,
    request: Request,
    decision: str,
    who: str,
    comment: str,
    code: str,
    now: datetime,
    verified: Verified,
) -> tuple[str, bool]:
    """Enter one decision by a code that was used up; what goes wrong with one member ends no other's."""
    about = workspace, request.model, request.version
    try:
        outcome = submit_decision(*about, decision, who, comment, code=code, now=now, verified=verified)
    except PlimsollError as error:
        return str(error), False
    try:
        if outcome.accepted:
            release_waiting(*about)
    except PlimsollError as error:  # the ledger has decided
        return f"{outcome.sentence} Its waiting run was not released: {error}", True
    return outcome.sentence, outcome.accepted


def _refusals(
    workspace: Workspace, requests: Sequence[Request], decision: str, who: str, now: datetime
) -> Iterator[tuple[Request, str]]:
    """Yield the requests that a person may not decide now, each with the sentence that says why."""
    for request in requests:
        entries = read_ledger(workspace.archive, request.model)
        approvers = workspace.approvers().names_for(request.model, decision)
        by, evidence = approver_named(who, approvers) or who, current_evidence(workspace, request)
        if said := check_decision(entries, request, by, approvers, request.policy, now, evidence, decision):
            yield request, said.sentence
