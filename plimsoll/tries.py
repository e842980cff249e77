"""Tries: how many challengers of one champion were judged on the same rows. The best of many is better by chance."""

from collections.abc import Callable, Collection

from plimsoll.ledger import Entry
from plimsoll.standing import Standing


def tries_on(
    standing: Standing, bundle: str, dates: Collection[str], judged_on: Callable[[Entry], Collection[str]]
) -> int:
    """Return how many different bundles were judged on some of these dates since the champion came, this one counted.

    Those that the gates refused count too: whoever retrains until one passes pays for each try. judged_on returns the
    dates of a gates entry.
    """
    moves = standing.of_kind("promoted", "rolled_back")
    since = moves[-1].n if moves else -1
    seen = {bundle}
    for entry in standing.of_kind("gates_passed", "gates_failed"):
        version = standing.version(int(entry.facts["version"])) if entry.n > since else None
        if version and set(judged_on(entry)) & set(dates):
            seen.add(version.bundle)
    return len(seen)
