"""The chart of many scores: a row per input, a dot per row of data, to the right where it raised the score."""

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.page import Html, el

BINS = 90  # across; dots of one bin are stacked
LANES = 9  # of a row
TONES = 5  # from a low value to a high one
NO_TONE = "t-"


def swarm_chart(features: Sequence[Mapping[str, Any]], unit: str) -> Html:
    """Return the chart; each feature has pushes, and places (0 to 1) of its values where they have an order."""
    longest = max((abs(push) for one in features for push in one["pushes"]), default=0.0) or 1.0
    cells: list[Html] = []
    for one in features:
        cells += [el("span", one["feature"], class_="input"), _swarm(one, longest)]
        cells.append(el("span", f"{one['mean']:.3f}", class_="push"))
    title = f"Contributions of {len(features)} inputs in {unit}; the number is the mean push either way"
    return el("div", *cells, class_="pushes swarm", role="group", aria_label=title)


def _swarm(one: Mapping[str, Any], longest: float) -> Html:
    places = one["places"] or [None] * len(one["pushes"])
    dots: dict[str, list[str]] = {}
    taken: dict[int, int] = {}
    for push, place in zip(one["pushes"], places, strict=True):
        share = push / longest
        at = round(share * BINS / 2)
        taken[at] = taken.get(at, 0) + 1
        dots.setdefault(_tone(place), []).append(f"M{share:.3f} {_lane(taken[at]):.2f}h0")
    middle = el("line", x1=0, x2=0, y1=0, y2=1, class_="zero")
    drawn = [el("path", d="".join(found), class_=f"dots {tone}") for tone, found in sorted(dots.items())]
    box = "-1.02 -0.05 2.04 1.1"
    return el("svg", middle, *drawn, viewBox=box, preserveAspectRatio="none", aria_hidden="true")


def _lane(number: int) -> float:
    """Return the height of the n-th dot of a bin: the middle first, then above and below in turn."""
    step = (number // 2) % (LANES // 2 + 1)
    return 0.5 + (step if number % 2 else -step) / LANES


def _tone(place: float | None) -> str:
    return NO_TONE if place is None else f"t{min(int(place * TONES), TONES - 1)}"
