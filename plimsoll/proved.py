"""Proved decisions: each rests on the one code that was used up for it, or on a policy that asks nobody."""

from collections.abc import Iterator, Sequence

from plimsoll.approval import by_policy
from plimsoll.automatic import POLICY
from plimsoll.ledger import Entry, entry_key
from plimsoll.people import PEOPLE
from plimsoll.verification import Finding

ACTS = {"approved": "approve", "rejected": "reject", "rolled_back": "roll back", "retired": "retire"}
FORGED = "Whoever wrote it held the signing key and no code."


def unproved(entries: Sequence[Entry], people: Sequence[Entry]) -> Iterator[Finding]:
    """Yield a finding for each decision of a model's ledger that neither a code nor an automatic policy stands behind.

    A code has to be of the same person, for the same act about the same model and version, and for one decision about
    it; a code for the members of a family names every version that it is for. Where
    an entry claims none, that was allowed until the first person had enrolled; one that follows an entry of a later
    time was written later, whatever its own time says.
    """
    codes = {entry.n: entry for entry in people if entry.kind == "code_accepted"}
    enrolled = min((entry.recorded_at for entry in people if entry.kind == "approver_enrolled"), default=None)
    spent: set[tuple[int | None, object]] = set()
    latest = ""
    for at, entry in enumerate(entries):
        latest, wrong = max(latest, entry.recorded_at), ""
        if entry.kind not in ACTS:
            continue
        if entry.facts.get("identity") == "verified":
            n, about = _proof(entry), entry.facts.get("version")
            if n is None or (n, about) in spent or not _fits(entry, codes.get(n)):
                proof = "the entry that it names" if n is None else entry_key(PEOPLE, n)
                wrong = f"{entry.by} proved to be {entry.by}, but {proof} is no such proof"
            spent.add((n, about))
        elif by_policy(entry):
            wrong = (
                "" if _automatic(entries[:at], entry) else "the policy decided, but that of its request asks a person"
            )
        elif enrolled is not None and latest > enrolled:
            wrong = f"{entry.by} decided, but names no proof of it, though people had enrolled by then"
        if wrong:
            where = entry_key(entry.model, entry.n)
            yield Finding(where, f"{where} says that {wrong}. {FORGED}")


def _proof(entry: Entry) -> int | None:
    """Return the entry of the ledger of people that a decision names, None when it names none."""
    verified = entry.facts.get("verified")
    n = verified.get("entry") if isinstance(verified, dict) else None
    return n if isinstance(n, int) else None


def _fits(entry: Entry, code: Entry | None) -> bool:
    asked = code.facts.get("for", {}) if code and code.by == entry.by else {}
    version, act = entry.facts.get("version"), ACTS[entry.kind]
    one = {"act": act, "model": entry.model, "version": version}
    several = asked.get("act") == act and [entry.model, version, entry.facts.get("request")] in asked.get(
        "requests", []
    )
    return one.items() <= asked.items() or several


def _automatic(before: Sequence[Entry], entry: Entry) -> bool:
    """Return whether an entry is an approval by the policy of a request that lets it."""
    version = entry.facts.get("version")
    asked = [e for e in before if e.kind == "promotion_requested" and e.facts.get("version") == version]
    policy = asked[-1].facts.get("policy", {}) if asked else {}
    return entry.kind == "approved" and entry.by == POLICY and policy.get("policy") == "automatic"
