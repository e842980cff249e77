"""Events on a chart over dates: upright lines with short labels that keep clear of each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from plimsoll.axes import Scale, lanes, ordinal, short_date, text_width
from plimsoll.page import Html, Tone, el

LANE = 17  # height of a row of labels
Place = tuple[int | None, str]  # row, and the side of the line on which the label stands


@dataclass(frozen=True)
class Marker:
    """An event on a date."""

    date: str
    label: str
    tone: Tone = "calm"


def place_markers(markers: Sequence[Marker], x: Scale, font: float, rows: int) -> list[Place]:
    """Return where each label goes; one that would cover another has no row, and shows on hover only."""
    spans, sides = [], []
    for marker in markers:
        at, width = x(ordinal(marker.date)), text_width(marker.label, font) + 12
        fits = at + width <= x.end + font * 2
        spans.append((at, at + width) if fits else (at - width, at))
        sides.append("start" if fits else "end")
    return list(zip(lanes(spans, rows), sides, strict=True))


def draw_markers(markers: Sequence[Marker], places: Sequence[Place], x: Scale, top: float, base: float) -> Html:
    """Return lines from their label, or from top, down to base."""
    parts = []
    for marker, (row, side) in zip(markers, places, strict=True):
        at, y = x(ordinal(marker.date)), 12 + LANE * (row or 0)
        line = el("line", x1=at, x2=at, y1=top if row is None else y - 9, y2=base, class_="event")
        shift = 5 if side == "start" else -5
        text = None if row is None else el("text", marker.label, x=at + shift, y=y, text_anchor=side)
        title = el("title", f"{short_date(marker.date, year=True)}: {marker.label}")
        parts.append(el("g", title, line, text, class_=marker.tone))
    return el("g", *parts, class_="events")
