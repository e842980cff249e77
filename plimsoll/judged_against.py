"""Against whom a version was judged, and whether that is still the champion: a comparison is about two models."""

from plimsoll.approval import Request
from plimsoll.ledger import Entry


def champion_judged(request: Request) -> int | None:
    """Return the champion that a request's version was compared with, None where there was none."""
    version = (request.summary.get("champion") or {}).get("version")
    return None if version is None else int(version)


def other_champion(request: Request, champion: int | None) -> str:
    """Return a sentence that says so when another champion stands now than the version was judged against."""
    if champion_judged(request) == champion:
        return ""
    stands = f"The champion is v{champion} now" if champion else "There is no champion now"
    return (
        f"{stands}, and {request.name} was judged {_against(champion_judged(request))}. Training again compares them."
    )


def never_compared(request: Request, champion: int | None) -> str:
    """Return the same about a decision that was taken while `champion` stood: it is told and kept after the fact."""
    return _unlike(request.name, champion_judged(request), champion)


def never_compared_then(entry: Entry) -> str:
    """Return the same from the entry of an approval; nothing of one that keeps no champions, as old ones do not."""
    facts = entry.facts
    if entry.kind != "approved" or "judged_against" not in facts:
        return ""
    return _unlike(f"{entry.model} v{facts['version']}", facts["judged_against"], facts.get("champion"))


def _unlike(name: str, judged: int | None, champion: int | None) -> str:
    if judged == champion:
        return ""
    stood = f"v{champion}, the champion at that time" if champion else "no champion stood at that time"
    was = f"never compared with {stood}" if champion else stood
    return f"{name} was judged {_against(judged)}, and {was}."


def _against(judged: int | None) -> str:
    return f"against v{judged}" if judged else "without a champion to compare with"
