"""What it costs to score with a version, as its batches recorded it."""

from collections.abc import Iterable

from plimsoll.ledger import Entry


def seconds_per_million(batches: Iterable[Entry]) -> float | None:
    """Return how long a version predicted for a million rows of its batches; None where none of them recorded it."""
    timed = [entry.facts for entry in batches if "predict_seconds" in entry.facts]
    rows = sum(int(facts["rows"]) for facts in timed)
    return sum(float(facts["predict_seconds"]) for facts in timed) / rows * 1e6 if rows else None


def cost_words(seconds: float) -> str:
    """Return seconds for a million rows in words."""
    return f"{seconds:.1f} s per million rows"
