"""Charts that are not over time: the reliability diagram and bars. Those over time are in `time_chart`."""

from collections.abc import Mapping, Sequence

from plimsoll.axes import Scale, round_ticks, tick_labels
from plimsoll.page import Html, el

SIDE, LEFT, TOP = 420, 46, 26
FONT = 12.5
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
    svg = el(
        "svg",
        el("title", "Reliability: mean score against the share that came true, ten bins of equal size"),
        *parts,
        class_="chart square",
        viewBox=f"0 0 {SIDE} {SIDE}",
        role="img",
        font_size=FONT,
    )
    return el("figure", svg, _names(names if champion else names[:1]))


def _square(ticks: Sequence[float], x: Scale, y: Scale) -> Html:
    parts = []
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        parts.append(el("line", x1=x(0), x2=x(ticks[-1]), y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(el("text", label, x=LEFT - 8, y=y(tick) + 4, text_anchor="end"))
        parts.append(el("text", label, x=x(tick), y=y(0) + 18, text_anchor="middle"))
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


def _names(names: Sequence[str]) -> Html:
    styles = (("s0", "champion"), ("s1", "previous"))
    keys = []
    for name, (colour, role) in zip(names, styles, strict=False):
        drawn = el("svg", el("path", d="M0 6H30", class_=f"trace {role} {colour}"), viewBox="0 0 30 12")
        keys.append(el("span", drawn, name, class_="key"))
    return el("figcaption", *keys)


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
