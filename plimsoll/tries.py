"""Tries: how many challengers of one champion were judged on the same rows. The best of many is better by chance.

Each is entered before it is judged, so that trainings at the same time, and one that was stopped once its gates were
known, count as well. Ledgers of before hold no such entries; there the gates' own count.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from plimsoll.approval import champion_of
from plimsoll.ledger import Entry

TRIED = "challenger_tried"
Judged = tuple[int | None, Collection[str]]  # beside which champion, on which dates


def tried_facts(bundle: str, champion: int | None, dates: Collection[str], holdout: str | None) -> dict[str, Any]:
    """Return what is entered of a challenger before it is judged; holdout is the snapshot of one that judges too."""
    beside = f"beside v{champion}" if champion else "without a champion"
    days = f"{len(dates)} {'day' if len(dates) == 1 else 'days'}, {min(dates)} to {max(dates)}" if dates else "no day"
    sentence = f"bundle {bundle[:12]} is judged {beside} on {days}"
    return {"bundle": bundle, "champion": champion, "dates": sorted(dates), "holdout": holdout, "sentence": sentence}


def tries_on(entries: Sequence[Entry], tried: Entry, judged: Callable[[Entry], Judged]) -> int:
    """Return how many different bundles were judged beside a challenger's champion on some of its days, up to it.

    Those that the gates refused count too: whoever retrains until one passes pays for each try. A champion that was
    rolled back from and to again is the same one. judged returns the champion and the dates of a gates entry.
    """
    before, dates = entries[: tried.n], set(tried.facts["dates"])
    noted = _tried_before(before, tried)
    seen = {tried.facts["bundle"], *(e.facts["bundle"] for e in noted if dates & set(e.facts["dates"]))}
    return len(seen | _judged_before(before, tried, judged))


def tries_on_holdout(entries: Sequence[Entry], tried: Entry, looks: Sequence[Entry]) -> int:
    """Return how many different bundles were judged on a holdout beside a challenger's champion, up to it.

    looks are the entries of all looks at the holdout; one of before challengers were entered counts for the champion
    that stood then.
    """
    champion, holdout = tried.facts["champion"], tried.facts["holdout"]
    noted = [e for e in _tried_before(entries[: tried.n], tried) if e.facts["holdout"] == holdout]
    old = _unnoted([e for e in looks if e.n < tried.n], entries)
    stood = {e.facts["bundle"] for e in old if champion_of(entries[: e.n]) == champion}
    return len({tried.facts["bundle"], *stood, *(e.facts["bundle"] for e in noted)})


def _tried_before(before: Sequence[Entry], tried: Entry) -> list[Entry]:
    return [e for e in before if e.kind == TRIED and e.facts["champion"] == tried.facts["champion"]]


def _judged_before(before: Sequence[Entry], tried: Entry, judged: Callable[[Entry], Judged]) -> set[str]:
    """Return the bundles of gates entries that nothing was entered before, of an older ledger."""
    gates = _unnoted([e for e in before if e.kind in ("gates_passed", "gates_failed")], before)
    bundles: Mapping[int, str] = {e.facts["version"]: e.facts["bundle"] for e in before if e.kind == "trained"}
    found = set()
    for entry in gates if tried.facts["champion"] is not None else ():
        champion, dates = judged(entry)
        if champion == tried.facts["champion"] and set(dates) & set(tried.facts["dates"]):
            found.add(bundles.get(entry.facts["version"], ""))
    return found - {""}


def _unnoted(some: Sequence[Entry], entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of runs that entered no challenger before."""
    runs = {e.facts["run"] for e in entries if e.kind == TRIED and "run" in e.facts}
    return [e for e in some if e.facts.get("run") not in runs]
