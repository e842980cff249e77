"""The frame of a chart: the picture that holds it, its upright axis with lines across, and the key below it."""

from collections.abc import Iterable, Sequence

from plimsoll.axes import Scale, tick_labels
from plimsoll.page import Html, el

STROKE = "M0 6H30"  # of a line in a key


def picture(title: str, parts: Iterable[Html | None], css: str, size: tuple[float, float], font: float) -> Html:
    """Return a chart as one picture with a title; size is its width and height in the units that parts are drawn in."""
    box = f"0 0 {size[0]} {size[1]}"
    return el("svg", el("title", title), *parts, class_=css, viewBox=box, role="img", font_size=font)


def value_axis(ticks: Sequence[float], y: Scale, start: float, end: float) -> list[Html]:
    """Return a line across at every tick from start to end, with its label before it."""
    parts = []
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        parts.append(el("line", x1=start, x2=end, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(el("text", label, x=start - 8, y=y(tick) + 4, text_anchor="end"))
    return parts


def foot_labels(ticks: Sequence[float], x: Scale, foot: float) -> list[Html]:
    """Return the labels of the ticks that lie within a level axis, at a height."""
    labels = zip(ticks, tick_labels(ticks), strict=True)
    return [
        el("text", label, x=x(tick), y=foot, text_anchor="middle") for tick, label in labels if x.low <= tick <= x.high
    ]


def key_of(marks: Iterable[tuple[Html, str]]) -> Html:
    """Return the key below a chart: each mark, drawn in a box of 30 by 12, with its name."""
    return el(
        "figcaption", *(el("span", el("svg", mark, viewBox="0 0 30 12"), name, class_="key") for mark, name in marks)
    )


def stroke_key(names: Sequence[str], strokes: Sequence[tuple[str, str]]) -> Html:
    """Return the key of lines, each with its colour and role."""
    pairs = zip(names, strokes, strict=False)
    return key_of((el("path", d=STROKE, class_=f"trace {role} {colour}"), name) for name, (colour, role) in pairs)
