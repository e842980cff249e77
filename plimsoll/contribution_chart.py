"""The chart of one score: what each input pushed, up or down, from the base to the total."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.page import Html, el


def contribution_chart(parts: Sequence[Mapping[str, Any]], unit: str) -> Html:
    """Return contributions as bars to both sides of nothing, in the order given; words and numbers stand beside."""
    longest = max((abs(float(part["contribution"])) for part in parts), default=0.0) or 1.0
    cells: list[Html] = []
    for part in parts:
        push = float(part["contribution"])
        name = el("span", part["feature"], el("span", shown_value(part["value"]), class_="soft"), class_="input")
        cells += [name, _bar(push / longest), el("span", signed(push), class_="push")]
    title = f"Contributions in {unit}: bars to the right raised the score, bars to the left lowered it"
    return el("div", *cells, class_="pushes", role="group", aria_label=title)


def _bar(share: float) -> Html:
    """Return one bar; share is between -1 and 1."""
    width = max(abs(share), 0.004)
    bar = el(
        "rect", x=0 if share >= 0 else -width, y=0.12, width=width, height=0.76, class_="up" if share >= 0 else "down"
    )
    middle = el("line", x1=0, x2=0, y1=0, y2=1, class_="zero")
    return el("svg", bar, middle, viewBox="-1 0 2 1", preserveAspectRatio="none", aria_hidden="true")


def signed(value: float) -> str:
    """Return a number with its sign, three decimals."""
    return f"{value:+.3f}".replace("-", "−")


def shown_value(value: Any) -> str:
    """Return an input's value as a person reads it."""
    if value is None:
        return "not known"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if math.isfinite(value) and float(value).is_integer():
        return str(int(value))
    return f"{value:.4g}"
