"""Lapsed approvals: while a request is open an approval counts as long as its giver could give it today."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plimsoll.approval import Request, by_policy, find_approvals, find_decision
from plimsoll.approvers_config import FILE
from plimsoll.ledger import Entry
from plimsoll.people import Enrolment


@dataclass(frozen=True)
class Lapse:
    """An approval that counts no more, and why."""

    n: int  # its ledger entry
    by: str
    why: str


def lapses(
    entries: Sequence[Entry], request: Request, enrolled: Mapping[str, Enrolment], approvers: Sequence[str]
) -> list[Lapse]:
    """Return the approvals of an undecided request that count no more, oldest first; of a decided one none.

    enrolled: everyone with a secret now, by name; approvers: who may approve the model now. An approval falls with the
    enrolment that its code was of, also where its giver has enrolled anew.
    """
    if find_decision(entries, request):
        return []
    given = ((entry, _why(entry, enrolled, approvers)) for entry in find_approvals(entries, request))
    return [Lapse(entry.n, entry.by, why) for entry, why in given if why]


def without(entries: Sequence[Entry], lapsed: Sequence[Lapse]) -> list[Entry]:
    """Return a ledger's entries without approvals that count no more."""
    gone = {one.n for one in lapsed}
    return [entry for entry in entries if entry.n not in gone]


def told_lapses(lapsed: Sequence[Lapse]) -> str:
    """Return in words whose approval counts no more, and what that asks for; nothing where all count."""
    said = [f"The approval of {one.by} (entry {one.n}) does not count any more: {one.why}." for one in lapsed]
    return " ".join([*said, "Somebody who may approve now is asked instead."]) if said else ""


def _why(entry: Entry, enrolled: Mapping[str, Enrolment], approvers: Sequence[str]) -> str:
    if by_policy(entry):
        return ""
    if entry.by not in approvers:
        return f"{entry.by} may not approve {entry.model} any more ({FILE})"
    by_code = (entry.facts.get("verified") or {}).get("enrolment")
    person = enrolled.get(entry.by)
    if by_code is None or (person and person.n == by_code):
        return ""
    return f"{entry.by} enrolled anew since" if person else f"{entry.by} is not enrolled any more"
