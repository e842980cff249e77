"""Charts of one number against another as inline SVG, drawn twice like those over time: for a desk and for a phone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from plimsoll.axes import Scale, round_ticks
from plimsoll.chart_frame import STROKE, foot_labels, key_of, picture, value_axis
from plimsoll.page import Html, el

Point = tuple[float, float]
Drawn = Literal["line", "steps", "dots", "rings"]


@dataclass(frozen=True)
class Series:
    """Points of one name; what is drawn tells series apart as well as the colour does."""

    name: str
    points: tuple[Point, ...]
    colour: int = 0
    drawn: Drawn = "line"


@dataclass(frozen=True)
class PointChart:
    """What a chart shows."""

    title: str
    x_name: str
    unit: str  # of the upright axis
    series: tuple[Series, ...]
    level: tuple[str, float] | None = None  # a line across, with its name
    clip: float | None = None  # values above are drawn at the upper edge; their titles say them


@dataclass(frozen=True)
class _Form:
    name: str
    width: int
    height: int
    font: float
    left: int
    ticks: int


WIDE = _Form("wide", 1080, 300, 13, 62, 10)
NARROW = _Form("narrow", 390, 280, 11.5, 48, 4)


def point_chart(chart: PointChart) -> Html:
    """Return a figure with its key, or a sentence where there is nothing to draw."""
    if not any(one.points for one in chart.series):
        return el("p", f"{chart.title}: there is nothing to draw.", class_="empty")
    unit = el("p", chart.unit, class_="unit")
    return el("figure", unit, *(_draw(chart, form) for form in (WIDE, NARROW)), _key(chart))


def _draw(chart: PointChart, form: _Form) -> Html:
    xs, ys = _ranges(chart)
    ticks, steps = round_ticks(*ys), round_ticks(*xs, form.ticks)
    bottom = form.height - form.font * 3
    x = Scale(min(xs[0], steps[0]), steps[-1], form.left, form.width - 16)
    y = Scale(ticks[0], ticks[-1], bottom, form.font)
    parts = [*_axes(chart, form, x, y, steps, ticks, bottom)]
    parts += [el("g", *_series(one, x, y), class_=f"s{one.colour}") for one in chart.series if one.points]
    return picture(chart.title, parts, f"chart {form.name}", (form.width, form.height), form.font)


def _ranges(chart: PointChart) -> tuple[Point, Point]:
    points = [point for one in chart.series for point in one.points]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    ys += [chart.level[1]] if chart.level else []
    top = max(ys) if chart.clip is None else max(min(max(ys), chart.clip), min(ys))
    return _apart(min(xs), max(xs)), _apart(min(ys), top)


def _apart(low: float, high: float) -> Point:
    """Return a range that ticks can tell apart: one of equal values is widened."""
    size = max(abs(low), abs(high), 1e-3)
    return (low, high) if high - low > 1e-6 * size else (low, low + size / 1000)


def _axes(
    chart: PointChart, form: _Form, x: Scale, y: Scale, steps: Sequence[float], ticks: Sequence[float], bottom: float
) -> Iterable[Html]:
    yield from value_axis(ticks, y, x.start, x.end)
    yield from foot_labels(steps, x, bottom + form.font * 1.35)
    yield el("text", chart.x_name, x=x.end, y=form.height - 3, text_anchor="end")
    if chart.level:
        name, value = chart.level
        yield el("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="diagonal")
        yield el("text", name, x=x.start + 6, y=y(value) - 5, class_="name")


def _series(series: Series, x: Scale, y: Scale) -> Iterable[Html]:
    places = [(x(a), y(b)) for a, b in series.points]
    if series.drawn in ("dots", "rings"):
        shape = "dot" if series.drawn == "dots" else "ring"
        for (a, b), point in zip(places, series.points, strict=True):
            yield el("circle", el("title", _words(series, point)), cx=a, cy=b, r=4, class_=shape)
        return
    joint = "L" if series.drawn == "line" else "H"
    path = f"M{places[0][0]} {places[0][1]}"
    path += "".join(f"L{a} {b}" if joint == "L" else f"H{a}V{b}" for a, b in places[1:])
    yield el("path", d=path, class_="trace main" if series.drawn == "steps" else "trace plain")


def _words(series: Series, point: Point) -> str:
    return f"{series.name}: {point[0]:g}, {point[1]:.5f}"


def _key(chart: PointChart) -> Html:
    keys = []
    for one in chart.series:
        if not one.points:
            continue
        if one.drawn in ("dots", "rings"):
            mark = el("circle", cx=15, cy=6, r=4, class_="dot" if one.drawn == "dots" else "ring")
        else:
            mark = el("path", d=STROKE, class_="trace main" if one.drawn == "steps" else "trace plain")
        keys.append((el("g", mark, class_=f"s{one.colour}"), one.name))
    return key_of(keys)
