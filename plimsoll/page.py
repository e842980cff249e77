"""The shell of every page made for people: safe HTML, one stylesheet, a few parts.

Text is escaped where it becomes HTML, in `el`: only a value of type Html is trusted, so nothing that came
from data, a config or a person can become markup.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Literal

Tone = Literal["good", "bad", "wait", "note", "calm"]
VOID = frozenset({"meta", "br", "hr", "path", "line", "circle", "rect", "polyline", "polygon"})
SHAPES = {  # told apart by form as well as by colour
    "good": "M3 8.6 6.6 12 13 4.6",
    "bad": "M4 4 12 12 M12 4 4 12",
    "wait": "M8 4.2V8.4L10.8 10 M14 8A6 6 0 1 1 2 8A6 6 0 1 1 14 8Z",
    "note": "M8 2 14 8 8 14 2 8Z",
    "calm": "M12 8A4 4 0 1 1 4 8A4 4 0 1 1 12 8Z",
    "champion": "M13 8A5 5 0 1 1 3 8A5 5 0 1 1 13 8Z M0 8H16",
}
LOAD_LINE = "M15 8A7 7 0 1 1 1 8A7 7 0 1 1 15 8Z M-4 8H20"  # Samuel Plimsoll's mark: a disc and a line


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | int | float | None


def el(tag: str, *children: Child, **attributes: Child) -> Html:
    """Return an element; children and attribute values are escaped unless they are Html, None is left out.

    In attribute names a trailing underscore is dropped and others become hyphens.
    """
    named = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    opening = "".join(f' {name}="{escape(str(value))}"' for name, value in named)
    if tag in VOID and not children:
        return Html(f"<{tag}{opening}/>")
    return Html(f"<{tag}{opening}>{join(*children)}</{tag}>")


def join(*children: Child, by: str = "") -> Html:
    """Return children one after another as Html."""
    return Html(
        by.join(
            child if isinstance(child, Html) else escape(str(child)) for child in children if child not in (None, "")
        )
    )


def link(href: str, label: Child) -> Html:
    """Return a link to a page beside this one; ValueError for an address that leaves the folder of reports."""
    if ":" in href or href.startswith("/"):
        raise ValueError(f"Pages link only to pages beside them, found {href!r}.")
    return el("a", label, href=href)


def icon(tone: str) -> Html:
    """Return a status as a shape."""
    drawn = el("path", d=SHAPES[tone])
    return el("svg", drawn, class_=f"icon {tone}", viewBox="0 0 16 16", aria_hidden="true")


def badge(tone: Tone, label: Child) -> Html:
    """Return a status as shape, colour and word."""
    return el("span", icon(tone), label, class_=f"badge {tone}")


def code(value: Child) -> Html:
    """Return a digest, a name or a command."""
    return el("code", value)


def digest(value: str, shown: int = 12) -> Html:
    """Return the head of a digest, the whole of it on hover."""
    return el("code", value[:shown] if value else "none", title=value or None)


def day(date: Child) -> Html:
    """Return a date that never breaks over two lines."""
    return el("time", date)


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Return a list of names and values."""
    return el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in pairs), class_="facts")


def table(heads: Sequence[str], rows: Sequence[Sequence[Child]], *, numbers: Iterable[int] = (), empty: str) -> Html:
    """Return a table whose rows become cards on a narrow screen; `numbers` are the columns set to the right."""
    if not rows:
        return el("p", empty, class_="empty")
    right = frozenset(numbers)
    sides = ["number" if at in right else None for at in range(len(heads))]
    head = el("tr", *(el("th", name, scope="col", class_=side) for name, side in zip(heads, sides, strict=True)))
    body = [
        el(
            "tr",
            *(el("td", el("div", cell), data_label=h, class_=s) for cell, h, s in zip(row, heads, sides, strict=True)),
        )
        for row in rows
    ]
    return el("table", el("thead", head), el("tbody", *body))


def section(title: str, *body: Child, lead: Child = "") -> Html:
    """Return a titled part of a page; the lead says in a sentence how to read it."""
    return el("section", el("h2", title), el("p", lead, class_="lead") if lead else None, *body)


def tiles(items: Iterable[tuple[str, Child, Child]]) -> Html:
    """Return the few facts that a page opens with: name, value, what to know about it."""
    parts = [
        el("div", el("p", name, class_="name"), el("p", value, class_="value"), el("p", more, class_="more"))
        for name, value, more in items
    ]
    return el("div", *parts, class_="tiles")


def more(summary: Child, *body: Child) -> Html:
    """Return details that open on a click."""
    return el("details", el("summary", summary), *body)


def render_page(
    title: str, sections: Sequence[Child], *, kicker: Child = "", lead: Child = "", aside: Child = "", foot: Child = ""
) -> str:
    """Return a whole page: no script, no font, no address outside itself; light, dark and on paper.

    kicker stands above the title and leads back, lead below it, aside opposite.
    """
    mark = el("svg", el("path", d=LOAD_LINE), class_="mark", viewBox="-5 0 26 16", aria_hidden="true")
    top = el("p", mark, el("span", "Plimsoll", class_="brand"), kicker, class_="kicker")
    words = el("div", el("h1", title), el("p", lead, class_="lead") if lead else None)
    header = el("header", top, el("div", words, aside, class_="head"))
    body = el("body", header, el("main", *sections), el("footer", el("p", foot)))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title} · Plimsoll"),
        el("style", Html(stylesheet())),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


@cache
def stylesheet() -> str:
    """Return the one stylesheet."""
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")
