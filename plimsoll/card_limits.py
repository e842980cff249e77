"""Limits of use: what a version was not judged on, and where it is known to be worse; from its reports alone."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plimsoll.model_card import CardFacts

YEAR = 360  # days from which all seasons were seen
NAMED = 12


def limits_of(facts: "CardFacts") -> Iterator[str]:
    """Yield, as lines of a list, what is known not to be known of a version."""
    shown = facts.report.get("shown") or {}
    yield from _seasons(facts.snapshot)
    yield from _warnings(facts)
    yield from _small(shown)
    yield from _tied(facts.evidence)
    yield from _words(facts.config)
    if not shown.get("fairness"):
        yield "- Fairness was not judged: its config names no protected columns (`gates.fairness`)."
    if facts.config["estimator"].get("external"):
        yield "- It was trained elsewhere: nobody here knows on which rows."
    yield "- The intervals hold for days like those that judged."


def _seasons(snapshot: Mapping[str, Any]) -> Iterator[str]:
    if not snapshot.get("dates"):
        return
    first, last = (dt.date.fromisoformat(snapshot[name]) for name in ("from", "to"))
    if (days := (last - first).days + 1) < YEAR:
        yield f"- It has seen {days} days, {first} to {last}: of other seasons nobody knows."


def _warnings(facts: "CardFacts") -> Iterator[str]:
    for gate in facts.judged:
        if gate.get("verdict") == "warn":
            yield f"- {gate['gate']}: {gate['sentence']}"


def _small(shown: Mapping[str, Any]) -> Iterator[str]:
    small = (shown.get("slices") or {}).get("small") or ()
    if small:
        more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
        yield f"- Too few rows to judge: {', '.join(small[:NAMED])}{more}."
    groups = [
        f"{r['metric'].replace('_', ' ')} of {r['group']}" for r in shown.get("fairness") or () if not r["judged"]
    ]
    if groups:
        more = f" and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
        yield f"- Rates over too few rows to judge: {', '.join(groups[:NAMED])}{more}."


def _tied(evidence: Mapping[str, Any]) -> Iterator[str]:
    pairs = {
        tuple(sorted((one["feature"], other))): rank
        for one in evidence.get("dependence", ())
        for other, rank in one["tied"]
    }
    if pairs:
        named = [f"{a} and {b} ({rank:+.2f})" for (a, b), rank in sorted(pairs.items(), key=lambda p: -abs(p[1]))]
        yield f"- Inputs that hang together, so that importance is shared among them: {', '.join(named[:NAMED])}."


def _words(config: Mapping[str, Any]) -> Iterator[str]:
    named = [f["name"] for f in config["features"]["columns"] if f["kind"] == "category"]
    if named:
        share = (config.get("scoring") or {}).get("max_unseen_share")
        stop = f"; more than {share:.0%} of them in one column stop a batch" if share is not None else ""
        yield f"- A word of {', '.join(named)} that training never saw is read as missing{stop}."
