"""Charts of one number against another: curves, bands, and rows of words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll.axes import GLYPH, Scale, round_ticks, tick_labels
from plimsoll.chart_frame import foot_labels, picture, stroke_key, value_axis
from plimsoll.charts import STROKES
from plimsoll.page import Html, el

Point = Sequence[float]


@dataclass(frozen=True)
class XyForm:
    """How large a chart is drawn."""

    width: int
    height: int
    font: float
    left: int
    ticks: int
    css: str


SQUARE = XyForm(420, 380, 12.5, 46, 5, "chart square")
SMALL = XyForm(330, 206, 12, 44, 4, "chart")
ROW = 21  # height of a row of words


@dataclass(frozen=True)
class XyChart:
    """Lines over numbers; the first is drawn strongest."""

    title: str
    x_words: str
    y_words: str
    lines: Sequence[tuple[str, Sequence[Point]]]
    band: Sequence[tuple[float, float, float]] = ()  # x, low, high
    diagonal: bool = False
    unit_square: bool = False  # both axes are shares
    level: float | None = None  # a load line across


def xy_chart(chart: XyChart, form: XyForm = SQUARE) -> Html:
    """Return a figure of lines with a key where there are several; a sentence where there is nothing to draw."""
    lines = [(name, points) for name, points in chart.lines if len(points)]
    if not lines:
        return el("p", f"{chart.title}: there is nothing to draw.", class_="empty")
    x, y, x_ticks, y_ticks = _scales(chart, lines, form)
    drawn = (_line(points, x, y, stroke) for (_, points), stroke in zip(lines, STROKES, strict=False))
    parts = [_axes(chart, form, x, y, x_ticks, y_ticks), _band(chart.band, x, y), *drawn]
    svg = picture(chart.title, parts, form.css, (form.width, form.height), form.font)
    return el("figure", svg, stroke_key([name for name, _ in lines], STROKES) if len(lines) > 1 else None)


def word_chart(title: str, points: Sequence[Mapping[str, Any]], form: XyForm = SMALL) -> Html:
    """Return a row per word: its mean as a dot, its band as a line; points have at, mean, low and high."""
    left = min(150.0, max(len(str(p["at"])) for p in points) * form.font * GLYPH + 14)
    ticks = round_ticks(min(p["low"] for p in points), max(p["high"] for p in points), form.ticks)
    bottom = ROW * len(points) + 4
    x = Scale(ticks[0], ticks[-1], left, form.width - 16)
    parts: list[Html] = []
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        parts.append(el("line", x1=x(tick), x2=x(tick), y1=2, y2=bottom, class_="grid"))
        parts.append(el("text", label, x=x(tick), y=bottom + 16, text_anchor="middle"))
    for n, point in enumerate(points):
        middle = round(ROW * (n + 0.5) + 2, 1)
        said = f"{point['at']}: {point['mean']:.4g}, {point['low']:.4g} to {point['high']:.4g}"
        parts.append(el("text", str(point["at"])[:20], x=left - 8, y=middle + 4, text_anchor="end"))
        parts.append(el("line", x1=x(point["low"]), x2=x(point["high"]), y1=middle, y2=middle, class_="reach s0"))
        parts.append(el("circle", el("title", said), cx=x(point["mean"]), cy=middle, r=4, class_="dot s0"))
    return el("figure", picture(title, parts, form.css, (form.width, bottom + 22), form.font))


def _scales(
    chart: XyChart, lines: Sequence[tuple[str, Sequence[Point]]], form: XyForm
) -> tuple[Scale, Scale, list[float], list[float]]:
    xs = [point[0] for _, points in lines for point in points]
    ys = [point[1] for _, points in lines for point in points]
    ys += [value for _, low, high in chart.band for value in (low, high)]
    ys += [] if chart.level is None else [chart.level]
    if chart.unit_square:
        xs, ys = [0.0, 1.0], [0.0, 1.0]
    x_ticks, y_ticks = (round_ticks(min(v), max(v), form.ticks) for v in (xs, ys))
    x = Scale(min(xs), max(*xs, min(xs) + 1e-9), form.left, form.width - 16)
    return x, Scale(y_ticks[0], y_ticks[-1], form.height - 42, 26), x_ticks, y_ticks


def _axes(chart: XyChart, form: XyForm, x: Scale, y: Scale, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> Html:
    parts = [*value_axis(y_ticks, y, x.start, x.end), *foot_labels(x_ticks, x, form.height - 24)]
    if chart.diagonal:
        parts.append(el("line", x1=x(0), x2=x(1), y1=y(0), y2=y(1), class_="diagonal"))
    if chart.level is not None:
        level = y(chart.level)
        parts.append(el("line", x1=form.left, x2=form.width - 16, y1=level, y2=level, class_="diagonal"))
    parts.append(el("text", chart.y_words, x=0, y=12))
    parts.append(el("text", chart.x_words, x=form.width - 16, y=form.height - 6, text_anchor="end"))
    return el("g", *parts)


def _band(band: Sequence[tuple[float, float, float]], x: Scale, y: Scale) -> Html | None:
    if not band:
        return None
    upper = [f"{x(at)} {y(high)}" for at, _, high in band]
    lower = [f"{x(at)} {y(low)}" for at, low, _ in reversed(band)]
    return el("path", d="M" + "L".join([*upper, *lower]) + "Z", class_="band s0")


def _line(points: Sequence[Point], x: Scale, y: Scale, stroke: tuple[str, str]) -> Html:
    path = "M" + "L".join(f"{x(point[0])} {y(point[1])}" for point in points)
    return el("path", d=path, class_=f"trace {stroke[1]} {stroke[0]}")
