"""What can be said before anybody looks for a phone: a code that could only be refused is not asked for."""

from collections.abc import Sequence
from datetime import datetime

from plimsoll.approval import Request, check_decision
from plimsoll.approvers_config import approver_named
from plimsoll.family_approval import require_one_each
from plimsoll.ledger import read_ledger
from plimsoll.people import Refusal
from tasks.identity import useless_code
from tasks.requests import counted_now
from tasks.workspace import Workspace


def decides(workspace: Workspace, requests: Sequence[Request], decision: str, who: str, now: datetime) -> bool:
    """Return whether a code could decide any of some requests; their evidence is not looked at.

    Where none could, submitting the decision without a code enters and tells why. Raises ApprovalError where an
    approval covers two versions of one model.
    """
    if decision == "approve":
        require_one_each(requests)
    return any(_useless(workspace, request, decision, who, now) is None for request in requests)


def _useless(workspace: Workspace, request: Request, decision: str, who: str, now: datetime) -> Refusal | None:
    entries, _ = counted_now(workspace, read_ledger(workspace.archive, request.model), request)
    approvers = workspace.approvers().names_for(request.model, decision)
    refused = check_decision(entries, request, who, approvers, request.policy, now, None, decision)
    return refused or useless_code(workspace, approver_named(who, approvers) or who, now)
