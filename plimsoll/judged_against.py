"""Against whom a version was judged, and whether that is still the champion: a comparison is about two models."""

from plimsoll.approval import Request


def champion_judged(request: Request) -> int | None:
    """Return the champion that a request's version was compared with, None where there was none."""
    version = (request.summary.get("champion") or {}).get("version")
    return None if version is None else int(version)


def other_champion(request: Request, champion: int | None) -> str:
    """Return a sentence that says so when another champion stands now than the version was judged against."""
    if champion_judged(request) == champion:
        return ""
    stands = f"The champion is v{champion} now" if champion else "There is no champion now"
    return f"{stands}, and {request.name} was judged {_against(request)}. Training again compares them."


def never_compared(request: Request, champion: int | None) -> str:
    """Return the same about a decision that was taken while `champion` stood: it is told and kept after the fact."""
    if champion_judged(request) == champion:
        return ""
    stood = f"v{champion}, the champion at that time" if champion else "no champion stood at that time"
    was = f"never compared with {stood}" if champion else stood
    return f"{request.name} was judged {_against(request)}, and {was}."


def _against(request: Request) -> str:
    judged = champion_judged(request)
    return f"against v{judged}" if judged else "without a champion to compare with"
