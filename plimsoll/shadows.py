"""How long a shadow may take: it comes after the champion, but the next batch waits for it."""

LEAST_SECONDS = 60.0


def shadow_seconds(champion: float | None, times: float) -> float | None:
    """Return for how many seconds each shadow may predict; None for no limit, when no champion predicted before it."""
    return None if champion is None else max(LEAST_SECONDS, times * champion)
