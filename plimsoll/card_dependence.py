"""How a score moves, in a line per input: partial dependence as a model card says it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

NAMED = 8  # inputs, the most important first
ONE_WAY = 0.9  # share of all its movement from which a curve is said to rise or to fall
SAID = (
    "\nThe mean score of the same rows when one input is set to one value after another: what the model would do, not "
    "what the world does. The curves are on the version's page."
)


def moves_of(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Yield, as lines of a list, from where to where each of the most important inputs moves the mean score."""
    found = evidence.get("dependence") or ()
    for one in found[:NAMED]:
        yield f"- `{one['feature']}`: {_category(one) if one['kind'] == 'category' else _number(one['points'])}"
    if found:
        yield SAID


def _number(points: Sequence[Mapping[str, Any]]) -> str:
    first, last = points[0], points[-1]
    ends = f"from {first['at']:g} to {last['at']:g} the mean score goes from {first['mean']:.4f} to {last['mean']:.4f}"
    steps = [after["mean"] - before["mean"] for before, after in pairwise(points)]
    up, down = sum(s for s in steps if s > 0), -sum(s for s in steps if s < 0)
    if not (all_of_it := up + down):
        return f"from {first['at']:g} to {last['at']:g} the mean score stays {first['mean']:.4f}"
    if max(up, down) >= ONE_WAY * all_of_it:
        return f"{ends}: it {'rises' if up > down else 'falls'}"
    low, high = _ends(points)
    return f"{ends}, both ways: {low['mean']:.4f} at {low['at']:g}, {high['mean']:.4f} at {high['at']:g}"


def _category(one: Mapping[str, Any]) -> str:
    low, high = _ends(one["points"])
    lowest, highest = (" ".join(str(point["at"]).split()) for point in (low, high))  # a line stays a line
    said = f"lowest for {lowest} ({low['mean']:.4f}), highest for {highest} ({high['mean']:.4f})"
    return f"a category, {said} of {len(one['points'])} words"


def _ends(points: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return min(points, key=lambda p: p["mean"]), max(points, key=lambda p: p["mean"])
