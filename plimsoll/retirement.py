"""Retirement: a version stops scoring in the shadow and can never be champion; its predictions stay where they are."""

from collections.abc import Sequence

from plimsoll.approval import find_request, owed_promotion
from plimsoll.ledger import Entry
from plimsoll.people import Refusal
from plimsoll.standing import stand


def retired_entry(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return the entry that retired a version, None while none did."""
    return next((e for e in entries if e.kind == "retired" and e.facts["version"] == version), None)


def check_retirement(model: str, entries: Sequence[Entry], version: int) -> Refusal | None:
    """Return why a version cannot be retired now, None when it can; that it is retired already is no reason."""
    standing = stand(model, entries)
    name, there = f"{model} v{version}", standing.version(version)
    if there is None:
        known = ", ".join(f"v{v.number}" for v in standing.versions) or "none yet"
        return Refusal("unknown_version", f"{name} was never trained. Versions of {model}: {known}.")
    if standing.champion == version:
        back = f"plimsoll rollback {model} --as NAME" if standing.previous else f"plimsoll train {model}"
        said = "is champion, and whatever scores for people is not retired"
        return Refusal("champion", f"{name} {said}. An approver makes another one champion first: {back}")
    request = find_request(entries, version)
    if request and owed_promotion(entries, request):
        said = "was approved and is about to be champion: a process died in between, or has not finished yet"
        return Refusal("owed", f"{name} {said}. Look again, or finish it: plimsoll repair {model}")
    return None
