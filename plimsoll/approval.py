"""Approval: a person's decision about fixed evidence. It is void when a digest changes and it expires by itself.

Nothing here waits and nothing here remembers: a request, each approval and every refusal are ledger entries. That
whoever decides is who they say they are is shown elsewhere, by a one-time code (`plimsoll/people.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from plimsoll.approvers_config import approver_named, not_allowed
from plimsoll.ledger import Entry
from plimsoll.model_config import Approval
from plimsoll.people import Refusal
from plimsoll.standing import counted

DECISIONS = ("approve", "reject")
RequestState = Literal["waiting", "approved", "rejected", "expired", "void", "unknown"]
GONE = ""  # the digest of evidence that is no longer there


@dataclass(frozen=True)
class Request:
    """One promotion request: a version, the digests that it was judged by, and the policy of that day."""

    n: int  # its ledger entry
    model: str
    version: int
    as_of: str
    requested_by: str
    expires_at: datetime
    policy: Approval
    evidence: Mapping[str, str]
    summary: Mapping[str, Any]
    run: str  # id of the training run

    @property
    def name(self) -> str:
        """The version in words."""
        return f"{self.model} v{self.version}"


@dataclass(frozen=True)
class Status:
    """Where a request stands, in one word and one sentence."""

    state: RequestState
    sentence: str


def find_request(entries: Sequence[Entry], version: int) -> Request | None:
    """Return the latest promotion request of a version, None when there is none."""
    asked = [e for e in entries if e.kind == "promotion_requested" and e.facts["version"] == version]
    return _request(asked[-1]) if asked else None


def request_at(entries: Sequence[Entry], n: int) -> Request | None:
    """Return the promotion request that a ledger entry is, None when it is none."""
    return next((_request(e) for e in entries if e.n == n and e.kind == "promotion_requested"), None)


def find_approvals(entries: Sequence[Entry], request: Request) -> list[Entry]:
    """Return the approvals of a request that count, oldest first: each of another person, or one of the policy."""
    given = (e for e in entries if e.kind == "approved" and e.n > request.n)
    return counted([e for e in given if e.facts["version"] == request.version])


def find_decision(entries: Sequence[Entry], request: Request) -> Entry | None:
    """Return the entry that decided a request, None while it is open.

    That is the first rejection or the last approval that was needed, whichever came first; the policy's is enough.
    """
    approvals = find_approvals(entries, request)
    enough = next((e for e in approvals if by_policy(e)), None) or _nth(approvals, request.policy.approvals)
    said_no = [e for e in entries if e.kind == "rejected" and e.n > request.n]
    rejected = next((e for e in said_no if e.facts["version"] == request.version), None)
    return min((e for e in (enough, rejected) if e), key=lambda e: e.n, default=None)


def may_approve(request: Request, approvers: Sequence[str]) -> tuple[str, ...]:
    """Return who of a model's approvers may approve a request: not whoever asks, where the policy says so."""
    own = request.requested_by.strip().casefold() if request.policy.not_requester else None
    return tuple(name for name in approvers if name.casefold() != own)


def by_policy(entry: Entry) -> bool:
    """Return whether no person took a decision."""
    return entry.facts.get("identity") == "rule"


def changed_evidence(request: Request, current: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the names of evidence whose digest is no longer that of the request; None means not looked at."""
    return () if current is None else tuple(n for n, d in sorted(request.evidence.items()) if current.get(n) != d)


def request_status(
    entries: Sequence[Entry], request: Request, now: datetime, current_evidence: Mapping[str, str] | None = None
) -> Status:
    """Return where a request stands: a decision outranks all else, then comes that it was retired, then its expiry."""
    if decided := find_decision(entries, request):
        state: RequestState = "approved" if decided.kind == "approved" else "rejected"
        who = " and ".join(decided_by(entries, request))
        return Status(state, f"{request.name} was {state} by {who} on {_minute(decided.recorded_at)}.")
    if retired := next((e for e in entries if e.kind == "retired" and e.facts["version"] == request.version), None):
        said = f"{request.name} was retired by {retired.by} on {_minute(retired.recorded_at)}"
        return Status("void", f"The request is void: {said}. {_again(request)}")
    if now >= request.expires_at:
        when = _at(request.expires_at)
        return Status("expired", f"The request for {request.name} expired on {when}. {_again(request)}")
    if changed := changed_evidence(request, current_evidence):
        what = _listed(changed)
        return Status("void", f"The request for {request.name} is void: {what} changed since then. {_again(request)}")
    so_far = approvals_so_far(entries, request)
    return Status("waiting", f"{request.name} waits for a decision until {_at(request.expires_at)}.{so_far}")


def decided_by(entries: Sequence[Entry], request: Request) -> list[str]:
    """Return who decided: whoever rejected, or everyone whose approval was needed; empty while it is open."""
    decided = find_decision(entries, request)
    if decided is None or decided.kind == "rejected" or by_policy(decided):
        return [decided.by] if decided else []
    return [e.by for e in find_approvals(entries, request) if e.n <= decided.n]


def approvals_so_far(entries: Sequence[Entry], request: Request) -> str:
    """Return in words who has approved, where one approval is not enough; else nothing."""
    who = ", ".join(e.by for e in find_approvals(entries, request))
    needed = request.policy.approvals
    return f" Approved by {who or 'nobody'} so far; {needed} have to." if needed > 1 else ""


def check_decision(
    entries: Sequence[Entry],
    request: Request,
    who: str,
    approvers: Sequence[str],
    policy: Approval,
    now: datetime,
    current_evidence: Mapping[str, str] | None,
    decision: str = "approve",
) -> Refusal | None:
    """Return why this person's decision cannot be accepted now, None when it can.

    Requesters may not approve their own request where the policy says so; they may withdraw it by rejecting.
    """
    if decision not in DECISIONS:
        return Refusal("unclear", f"Expected the decision approve or reject, found {decision!r}. Nothing was decided.")
    status = request_status(entries, request, now, current_evidence)
    if status.state != "waiting":
        rule = "decided" if status.state in ("approved", "rejected") else status.state
        said = f"Already decided: {status.sentence}" if rule == "decided" else status.sentence
        return Refusal(rule, said)
    name = approver_named(who, approvers)
    if name is None:
        said = not_allowed(who, decision, request.model, approvers)
        return Refusal("unknown_approver", said)
    if decision == "reject":
        return None
    given = [e.by for e in find_approvals(entries, request)]
    others = [other for other in may_approve(request, approvers) if other not in (name, *given)]
    ask = f"Ask {' or '.join(others)}" if others else "Add another approver to configs/approvers.yaml"
    if name not in may_approve(request, approvers):
        return Refusal("own_request", f"{name} requested {request.name} and may not approve it alone. {ask}.")
    if name in given:
        needed = f"{policy.approvals} different people have to"
        return Refusal("approved_before", f"{name} has approved {request.name} already, and {needed}. {ask}.")
    return None


def refusals_of(entries: Sequence[Entry], request: Request, flow_run: str) -> list[Entry]:
    """Return the refusals of a request that one Prefect run led to, oldest first."""
    refused = (e for e in entries if e.kind == "approval_refused" and e.n > request.n)
    return [e for e in refused if e.facts["request"] == request.n and e.facts["prefect_run"] == flow_run]


def owed_promotion(entries: Sequence[Entry], request: Request) -> Entry | None:
    """Return the approval that no promotion has followed (a process died between the two), else None.

    Any later move of the champion settles it: an old approval never overtakes a newer decision.
    """
    decided = find_decision(entries, request)
    if decided is None or decided.kind != "approved":
        return None
    moved = any(e.kind in ("promoted", "rolled_back") and e.n > decided.n for e in entries)
    return None if moved else decided


def champion_of(entries: Sequence[Entry]) -> int | None:
    """Return the version that the ledger's last move made champion."""
    moves = [int(e.facts["version"]) for e in entries if e.kind in ("promoted", "rolled_back")]
    return moves[-1] if moves else None


def open_requests(entries: Sequence[Entry], now: datetime) -> list[Request]:
    """Return the requests that wait for a decision, oldest first; their evidence is not looked at."""
    versions = dict.fromkeys(int(e.facts["version"]) for e in entries if e.kind == "promotion_requested")
    found = [request for version in versions if (request := find_request(entries, version))]
    return [request for request in found if request_status(entries, request, now).state == "waiting"]


def _request(entry: Entry) -> Request:
    facts = entry.facts
    return Request(
        n=entry.n,
        model=entry.model,
        version=int(facts["version"]),
        as_of=entry.as_of,
        requested_by=str(facts["requested_by"]),
        expires_at=_utc(facts["expires_at"]),
        policy=Approval.model_validate(facts["policy"]),
        evidence=facts["evidence"],
        summary=facts.get("summary", {}),
        run=str(facts.get("run", "")),
    )


def _nth(approvals: Sequence[Entry], needed: int) -> Entry | None:
    return approvals[needed - 1] if len(approvals) >= needed else None


def _utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _at(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _minute(text: str) -> str:
    return _at(_utc(text))


def _listed(names: Sequence[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return f"the {' and the '.join(words)}"


def _again(request: Request) -> str:
    return f"Train it again to ask anew: plimsoll train {request.model}"
