"""Charts that are not over time: the reliability diagram and bars. Those over time are in `time_chart`."""

from collections.abc import Mapping, Sequence

from plimsoll.axes import Scale, round_ticks
from plimsoll.chart_frame import foot_labels, picture, stroke_key, value_axis
from plimsoll.page import Html, el

SIDE, LEFT, TOP = 420, 46, 26
FONT = 12.5
STROKES = (("s0", "champion"), ("s1", "previous"))  # the first line is the candidate's
Bin = Mapping[str, float]  # score, observed, rows


def reliability_diagram(candidate: Sequence[Bin], champion: Sequence[Bin], names: tuple[str, str]) -> Html:
    """Return predicted against observed shares, both from 0 to the highest; on the diagonal a score keeps its word."""
    if not candidate:
        return el("p", "There were no rows to draw a reliability diagram from.", class_="empty")
    highest = max(max(b["score"], b["observed"]) for b in [*candidate, *champion])
    ticks = round_ticks(0.0, max(highest, 1e-3))
    x = Scale(0.0, ticks[-1], LEFT, SIDE - 14)
    y = Scale(0.0, ticks[-1], SIDE - 46, TOP)
    parts = [_square(ticks, x, y), _curve(champion, x, y, "s1", "previous"), _curve(candidate, x, y, "s0", "champion")]
    title = "Reliability: mean score against the share that came true, ten bins of equal size"
    svg = picture(title, parts, "chart square", (SIDE, SIDE), FONT)
    return el("figure", svg, stroke_key(names if champion else names[:1], STROKES))


def _square(ticks: Sequence[float], x: Scale, y: Scale) -> Html:
    parts = [*value_axis(ticks, y, x.start, x.end), *foot_labels(ticks, x, y(0) + 18)]
    parts.append(el("line", x1=x(0), x2=x(ticks[-1]), y1=y(0), y2=y(ticks[-1]), class_="diagonal"))
    parts.append(el("text", "share that came true", x=0, y=12))
    parts.append(el("text", "mean score of a tenth of the rows", x=x(ticks[-1]), y=SIDE - 6, text_anchor="end"))
    return el("g", *parts)


def _curve(bins: Sequence[Bin], x: Scale, y: Scale, colour: str, role: str) -> Html | None:
    if not bins:
        return None
    places = [(x(b["score"]), y(b["observed"])) for b in bins]
    path = el("path", d="M" + "L".join(f"{a} {b}" for a, b in places), class_=f"trace {role}")
    shape = "dot" if role == "champion" else "ring"
    dots = [
        el("circle", el("title", _words(one)), cx=a, cy=b, r=4, class_=shape)
        for one, (a, b) in zip(bins, places, strict=True)
    ]
    return el("g", path, *dots, class_=colour)


def _words(one: Bin) -> str:
    return f"score {one['score']:.3f}, came true {one['observed']:.3f}, {one['rows']:,.0f} rows"


def bar_list(shares: Mapping[str, float], at_most: int = 15) -> Html:
    """Return the largest shares as bars, longest first."""
    kept = sorted(shares.items(), key=lambda item: -item[1])[:at_most]
    longest = max((share for _, share in kept), default=0.0) or 1.0
    cells = []
    for name, share in kept:
        cells += [
            el("span", name),
            el("span", el("div", class_="bar", style=f"width:{100 * share / longest:.1f}%")),
            el("span", f"{share:.1%}", class_="share"),
        ]
    return el("div", *cells, class_="bars")
