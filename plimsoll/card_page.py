"""A model card as a page: the few forms of markdown that a card has, as safe HTML."""

import re
from collections.abc import Iterator, Sequence

from plimsoll.page import Child, Html, badge, code, el, join, link, render_page, section, table

PIECES = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
VERDICTS = {"passed": "good", "warned": "wait", "FAILED": "bad"}


def render_card(markdown: str, model: str, version: int, owner: str, written: str) -> str:
    """Return the page of a card; written says by what and when."""
    head, *parts = markdown.split("\n## ")
    title, _, purpose = head.strip().partition("\n\n")
    return render_page(
        title.removeprefix("# "),
        [_section(part) for part in parts],
        kicker=join(link("../index.html", "All models"), link("index.html", model), link(f"v{version}.html", "Page")),
        lead=purpose,
        aside=el("p", f"Owned by {owner}", class_="soft"),
        foot=join(written, " What is known today: ", code(f"plimsoll card {model} {version}")),
    )


def _section(part: str) -> Html:
    title, _, body = part.partition("\n")
    return section(title.strip(), *_blocks(body.strip().splitlines()))


def _blocks(lines: Sequence[str]) -> Iterator[Html]:
    """Yield lists, tables and paragraphs, each of lines that follow each other."""
    start = 0
    while start < len(lines):
        kind, end = _kind(lines[start]), start
        while end < len(lines) and _kind(lines[end]) == kind:
            end += 1
        block, start = lines[start:end], end
        if kind == "-":
            yield el("ul", *(el("li", _line(one[2:])) for one in block), class_="said")
        elif kind == "|":
            yield _table(block)
        elif kind:
            yield el("p", *(_inline(one) for one in block), class_="lead")


def _kind(line: str) -> str:
    return line[:1] if line[:1] in ("-", "|", "") else "p"


def _table(block: Sequence[str]) -> Html:
    heads, _, *rows = ([_inline(cell.strip()) for cell in _cells(one)] for one in block)
    return table([str(head) for head in heads], rows, empty="None.")


def _cells(line: str) -> list[str]:
    return [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _line(text: str) -> Child:
    """Return a line of a list; that of a gate opens with its verdict."""
    verdict, found, rest = text.replace("**", "").partition(": ")
    if found and verdict in VERDICTS:
        return join(badge(VERDICTS[verdict], verdict.lower()), "  ", _inline(rest))  # type: ignore[arg-type]  # a tone
    return _inline(text)


def _inline(text: str) -> Html:
    parts: list[Child] = []
    last = 0
    for found in PIECES.finditer(text):
        parts.append(text[last : found.start()])
        parts.append(code(found[1]) if found[1] else el("b", found[2]))
        last = found.end()
    return join(*parts, text[last:])
