"""Charts as inline SVG, drawn twice: wide for a desk, narrow for a phone, so that text is readable on both.

Colour tells series apart, and so do labels and strokes: nothing is said by colour alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from plimsoll.axes import (
    Scale,
    date_ticks,
    keep_apart,
    ordinal,
    round_ticks,
    short_date,
)
from plimsoll.chart_events import LANE, Marker, draw_markers, place_markers
from plimsoll.chart_frame import STROKE, key_of, picture, value_axis
from plimsoll.page import Html, el, join
from plimsoll.time_band import Band, draw_band, in_a_row

Role = Literal["champion", "challenger", "previous", "main", "plain"]
Point = tuple[str, float | None]
COLOURS = 6
MAX_DOTS = 120  # with more nights the line itself is texture enough
OVER_GAP = 34  # between numbers at the upper edge


@dataclass(frozen=True)
class Line:
    """Values by ISO date; a missing date or value is a gap. Lines of one name share a colour and one label."""

    name: str
    points: tuple[Point, ...]
    colour: int = 0
    role: Role = "plain"
    marked: bool = True  # alarms of the chart are drawn on it

    @property
    def known(self) -> list[tuple[str, float]]:
        """The points that have a value."""
        return [(date, value) for date, value in self.points if value is not None]


@dataclass(frozen=True)
class TimeChart:
    """What a chart over dates shows."""

    title: str
    unit: str  # what the upright axis counts
    lines: tuple[Line, ...]
    threshold: tuple[Point, ...] = ()  # a load line that may change from night to night
    markers: tuple[Marker, ...] = ()
    alarms: frozenset[str] = frozenset()  # dates whose points are over the load line
    informs: bool = False  # what is over the load line asks nobody for anything, and is drawn so
    from_zero: bool = False
    clip: float | None = None  # values above are drawn at the upper edge with their number
    named_below: bool = False  # the lines' names stand in the key: they are long, or the lines end together
    band: Band | None = None
    span: tuple[str, str] | None = None  # first and last date of the axis; None: those of the values


@dataclass(frozen=True)
class _Form:
    name: str
    width: int
    height: int
    font: float
    left: int
    right: int
    ticks: int
    lanes: int
    alarm: float


WIDE = _Form("wide", 1080, 330, 13, 52, 74, 12, 4, 6)
NARROW = _Form("narrow", 390, 320, 11.5, 40, 34, 5, 5, 4)


@dataclass(frozen=True)
class _Frame:
    form: _Form
    x: Scale
    y: Scale
    ticks: list[float]
    top: float


def time_chart(chart: TimeChart) -> Html:
    """Return a figure over dates with its key, or a sentence while there is nothing to draw."""
    if not any(line.known for line in chart.lines):
        return el("p", f"{chart.title}: no night has a value yet.", class_="empty")
    unit = el("p", chart.unit, class_="unit")
    return el("figure", unit, *(_draw(chart, form) for form in (WIDE, NARROW)), _key(chart))


def _draw(chart: TimeChart, form: _Form) -> Html:
    dates = _dates(chart)
    shown = [m for m in chart.markers if dates[0] <= m.date <= dates[-1]]
    days = (ordinal(dates[0]), ordinal(dates[-1]))
    pad = 0.5 if days[0] < days[1] else 1.5
    x = Scale(days[0] - pad, days[1] + pad, form.left, form.width - form.right)
    rows = place_markers(shown, x, form.font, form.lanes)
    top = form.font + LANE * (1 + max((row for row, _ in rows if row is not None), default=-1))
    ticks = _value_ticks(chart)
    top += form.font if _highest(chart) > ticks[-1] else 0  # room for the numbers at the edge
    frame = _Frame(form, x, Scale(ticks[0], ticks[-1], form.height - form.font * 2.2, top), ticks, top)
    parts = [
        _axes(frame, dates),
        draw_band(chart.band, x, frame.y) if chart.band else None,
        draw_markers(shown, rows, x, top, form.height - form.font * 2.2),
        _threshold(chart, frame),
        *(_trace(line, chart, frame) for line in chart.lines),
        _tags(chart, frame),
    ]
    label = f"{chart.title}, {short_date(dates[0], year=True)} to {short_date(dates[-1], year=True)}"
    return picture(label, parts, f"chart {form.name}", (form.width, form.height), form.font)


def _dates(chart: TimeChart) -> list[str]:
    points = chain(chart.threshold, chart.band.nights if chart.band else (), *(line.points for line in chart.lines))
    return sorted({*(chart.span or ()), *(point[0] for point in points)})


def _value_ticks(chart: TimeChart) -> list[float]:
    values, high = _values(chart), _highest(chart)
    return round_ticks(0.0 if chart.from_zero else min(values), high if chart.clip is None else min(high, chart.clip))


def _highest(chart: TimeChart) -> float:
    return max(_values(chart))


def _values(chart: TimeChart) -> list[float]:
    points = chain(chart.threshold, *(line.points for line in chart.lines))
    return [value for _, value in points if value is not None] + (chart.band.values if chart.band else [])


def _axes(frame: _Frame, dates: Sequence[str]) -> Html:
    form = frame.form
    parts = value_axis(frame.ticks, frame.y, form.left, form.width - form.right)
    base = frame.y(frame.ticks[0])
    for date, label in date_ticks(dates[0], dates[-1], form.ticks):
        x = frame.x(ordinal(date))
        parts.append(el("line", x1=x, x2=x, y1=base, y2=base + 5, class_="grid"))
        parts.append(el("text", label, x=x, y=form.height - 5, text_anchor="middle"))
    return el("g", *parts)


def _threshold(chart: TimeChart, frame: _Frame) -> Html:
    """Draw the load line as steps: it changes with the champion."""
    return join(*(el("path", d=_steps(run, frame), class_="loadline") for run in _runs(chart.threshold)))


def _steps(run: Sequence[tuple[str, float]], frame: _Frame) -> str:
    path, half = "", 0.5
    for at, (date, value) in enumerate(run):
        day, y = ordinal(date), frame.y(value)
        path += f"{'L' if at else 'M'}{frame.x(day - half)} {y}L{frame.x(day + half)} {y}"
    return path


def _runs(points: Iterable[Point]) -> list[list[tuple[str, float]]]:
    """Return points cut where a date or a value is missing."""
    known = [(date, value) for date, value in points if value is not None]
    return [[known[at] for at in run] for run in in_a_row([date for date, _ in known])]


def _trace(line: Line, chart: TimeChart, frame: _Frame) -> Html:
    parts, told = [], " told" if chart.informs else ""
    few, said = len(line.points) <= MAX_DOTS, -math.inf
    dots, size = few and frame.form is WIDE, frame.form.alarm if few else frame.form.alarm * 0.6
    for run in _runs(line.points):
        places = [(frame.x(ordinal(date)), frame.y(value)) for date, value in run]
        if len(run) > 1:
            parts.append(el("path", d="M" + "L".join(f"{x} {y}" for x, y in places), class_=f"trace {line.role}"))
        for (date, value), (x, y) in zip(run, places, strict=True):
            over = value > frame.ticks[-1]
            if over and x - said > OVER_GAP:
                parts.append(el("text", f"{value:.1f}", x=x, y=y - 9, text_anchor="middle", class_=f"over{told}"))
                said = x
            if date in chart.alarms and line.marked:
                parts.append(_alarm(x, y, over, f"{date}: {value:.4g}", size, told))
            elif dots or len(run) == 1:
                parts.append(
                    el("circle", el("title", f"{line.name}, {date}: {value:.4g}"), cx=x, cy=y, r=2, class_="dot")
                )
    return el("g", *parts, class_=f"s{line.colour % COLOURS}")


def _alarm(x: float, y: float, over: bool, label: str, r: float, told: str) -> Html:
    """Draw an alarm as a diamond, or as an arrow where the value is above the edge."""
    arrow, diamond = (
        f"M{x} {y - r}L{x + r} {y + r * 0.7}H{x - r}Z",
        f"M{x} {y - r}L{x + r} {y}L{x} {y + r}L{x - r} {y}Z",
    )
    return el("path", el("title", label), d=arrow if over else diamond, class_=f"alarm{told}")


def _tags(chart: TimeChart, frame: _Frame) -> Html:
    """Name every line, and the load line, where it ends."""
    ends: dict[str, tuple[float, float, str]] = {}
    for line in chart.lines:
        if line.name and line.known and not chart.named_below:
            date, value = line.known[-1]
            ends[line.name] = (frame.x(ordinal(date)), frame.y(value), f"tag s{line.colour % COLOURS}")
    known = [(date, value) for date, value in chart.threshold if value is not None]
    if known and frame.form is WIDE:
        ends["load line"] = (frame.x(ordinal(known[-1][0])), frame.y(known[-1][1]), "name")
    font = frame.form.font
    ys = keep_apart([y for _, y, _ in ends.values()], font * 1.25, frame.top, frame.y(frame.ticks[0]))
    tags = [
        el("text", name, x=x + 8, y=y + font * 0.35, class_=style)
        for (name, (x, _, style)), y in zip(ends.items(), ys, strict=True)
    ]
    return join(*tags)


def _key(chart: TimeChart) -> Html:
    """Explain strokes and shapes that the chart uses."""
    words = {
        "champion": "serves as champion",
        "challenger": "scores as challenger",
        "previous": "former champion, in the shadow",
    }
    used = [role for role in words if any(line.role == role for line in chart.lines)]
    keys = [(el("path", d=STROKE, class_=f"trace {role} s0"), words[role]) for role in used]
    for line in chart.lines if chart.named_below else ():
        keys.append((el("path", d=STROKE, class_=f"trace {line.role} s{line.colour % COLOURS}"), line.name))
    if chart.threshold:
        said = "load line" if chart.informs else "load line: above it is an alarm"
        keys.append((el("path", d=STROKE, class_="loadline"), said))
    if chart.band and chart.band.nights:
        keys.append((el("path", d="M0 1H30V11H0Z", class_="band usual"), chart.band.says))
    if chart.alarms:
        told, said = (" told", "over it: informs, asks for nothing") if chart.informs else ("", "alarm")
        keys.append((_alarm(15, 6, False, said, WIDE.alarm, told), said))
    return key_of(keys) if keys else Html("")
