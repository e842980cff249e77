"""The chart of one score as a way: each input's bar begins where the one before ended, from the base to the total."""

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.contribution_chart import signed
from plimsoll.page import Html, el

LEAST = 0.004  # of the width: a bar that would else be too thin to see


def waterfall_chart(steps: Sequence[Mapping[str, Any]], base: float, total: float, unit: str) -> Html:
    """Return a row per step, first the base and last the total; bars to the right raised the score."""
    places = [base, total, *(float(step[end]) for step in steps for end in ("before", "after"))]
    low, high = min(places), max(places)
    spread = float(high - low) or 1.0

    def at(value: float) -> float:
        return float(value - low) / spread

    cells: list[Html] = [el("span", "base", class_="input"), _mark(at(base)), el("span", signed(base), class_="push")]
    for step in steps:
        drawn = _bar(at(step["before"]), at(step["after"]), _error(step, spread))
        cells += [el("span", step["what"], class_="input"), drawn]
        cells.append(el("span", signed(step["push"]), class_="push"))
    cells += [el("span", el("b", "total"), class_="input"), _mark(at(total)), el("span", signed(total), class_="push")]
    return el("div", *cells, class_="pushes", role="group", aria_label=f"From base to total, in {unit}")


def _error(step: Mapping[str, Any], spread: float) -> float:
    return 2 * step["error"] / spread if step["error"] is not None else 0.0


def _bar(before: float, after: float, error: float) -> Html:
    left, width = min(before, after), max(abs(after - before), LEAST)
    shade = "up" if after >= before else "down"
    parts = [el("rect", x=left, y=0.12, width=width, height=0.76, class_=shade), _upright(after)]
    if error:
        low, high = max(after - error, 0.0), min(after + error, 1.0)
        parts.append(el("line", x1=low, x2=high, y1=0.5, y2=0.5, class_="whisker"))
    return _frame(*parts)


def _mark(place: float) -> Html:
    return _frame(_upright(place, "whisker"))


def _upright(place: float, css: str = "zero") -> Html:
    return el("line", x1=place, x2=place, y1=0, y2=1, class_=css)


def _frame(*parts: Html) -> Html:
    return el("svg", *parts, viewBox="-0.01 0 1.02 1", preserveAspectRatio="none", aria_hidden="true")
