"""Automatic promotion: what a policy may decide without a person, and when it has to ask one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from plimsoll.approval import Request, by_policy, champion_of, request_status
from plimsoll.judged_against import other_champion
from plimsoll.ledger import Entry
from plimsoll.people import Refusal

POLICY = "policy"  # who decides where approval.policy is automatic; no person can have this name
MONTH = timedelta(days=30)


def check_policy(
    entries: Sequence[Entry], request: Request, now: datetime, current_evidence: Mapping[str, str] | None
) -> Refusal | None:
    """Return why the policy may not promote a version by itself, None when it may.

    It needs gates that all passed by the ledger's word and of which none warned, unchanged evidence, the champion that
    the version was judged against (where there is none yet, that `approval.first_by_policy` says so), and fewer than
    `approval.automatic_per_month` such promotions in the thirty days before; else a person is asked.
    """
    status = request_status(entries, request, now, current_evidence)
    if status.state != "waiting":
        return Refusal(status.state, status.sentence)
    if request.policy.policy != "automatic":
        return Refusal("not_automatic", f"approval.policy of {request.model} asks a person about {request.name}.")
    judged = [e for e in entries if e.kind in ("gates_passed", "gates_failed") and e.n < request.n]
    last = next((e for e in reversed(judged) if e.facts["version"] == request.version), None)
    if last is None or last.kind == "gates_failed":
        return Refusal("gates", f"The ledger has no passed gates of {request.name}, so a person is asked.")
    champion = champion_of(entries)
    if champion is None and not request.policy.first_by_policy:
        said = f"No gate compared {request.name} with a champion, since there is none yet"
        return Refusal("first_version", f"{said}: a person is asked, unless approval.first_by_policy is true.")
    if warned := _warned(last):
        return Refusal("warned", f"A gate of {request.name} warned, so a person is asked: {'; '.join(warned)}")
    month = [
        e
        for e in entries
        if e.kind == "approved" and by_policy(e) and datetime.fromisoformat(e.recorded_at) > now - MONTH
    ]
    if len(month) >= request.policy.automatic_per_month:
        said = f"{len(month)} versions of {request.model} were promoted by the policy in the last 30 days"
        limit = f"approval.automatic_per_month is {request.policy.automatic_per_month}"
        return Refusal("automatic_limit", f"{said}, and {limit}: a person is asked about {request.name}.")
    if other := other_champion(request, champion):
        return Refusal("other_champion", f"A person is asked about {request.name}: {other}")
    return None


def policy_declined(entries: Sequence[Entry], request: Request) -> bool:
    """Return whether the policy was asked about a request and left it to a person."""
    refused = (e for e in entries if e.kind == "approval_refused" and e.n > request.n and by_policy(e))
    return any(e.facts["request"] == request.n for e in refused)


def _warned(judged: Entry) -> list[str]:
    """Return what the gates said that did not simply pass; older entries hold sentences, and no gate that warned."""
    gates = [gate for gate in judged.facts.get("gates", ()) if isinstance(gate, Mapping)]
    return [str(gate["sentence"]) for gate in gates if gate.get("verdict", "pass") != "pass"]
