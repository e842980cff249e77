"""What a command prints: JSON for programs, words and tables for people."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.readable import Fault


LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)\)")  # of markdown: words and address
ONLY_LINKS = re.compile(rf"{LINK.pattern}( · {LINK.pattern})*")
SHORT = 10  # letters of a word that is not broken in a table: a date
BESIDE = 3  # letters of space that a column takes


def print_json(value: Any) -> None:
    """Write one JSON value to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def say(text: str = "") -> None:
    """Write a line for a person; square brackets in it are text."""
    from rich.console import Console

    Console(highlight=False).print(text, markup=False, soft_wrap=True)


def complain(sentence: str, as_json: bool) -> None:
    """Write an error: to standard error in words, or as JSON to standard output."""
    if as_json:
        print_json({"error": sentence})
        return
    from rich.console import Console

    Console(stderr=True, highlight=False).print(f"Error: {sentence}", markup=False, style="red", soft_wrap=True)


def tell_faults(faults: "Sequence[Fault]") -> int:
    """Name what could not be read on standard error, in words also beside JSON, and return the exit code for it."""
    for fault in faults:
        complain(str(fault.error), as_json=False)
    return max((fault.error.exit_code for fault in faults), default=0)


def end_with(faults: "Sequence[Fault]") -> None:
    """Name what could not be read, after all else was done, and end with the exit code for it."""
    from typer import Exit

    if code := tell_faults(faults):
        raise Exit(code)


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """Write what a command did: its sentence and where to look, or all of it as JSON."""
    if as_json:
        return print_json(result)
    say(str(result.get("sentence", "Done.")))
    shown: dict[str, Any] = {name: result[name] for name in ("run", "url") if name in result}
    return print_facts(shown) if shown else None


def day_of(moment: datetime | None) -> date | None:
    """Return the date that an option named, None without one."""
    return moment.date() if moment else None


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, whole: str = "") -> None:
    """Write a table; an empty one says so. The column named whole is never broken: its cells are to be copied."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        say(f"{title}: none.")
        return
    console = Console(highlight=False)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column, least in zip(columns, _least_widths(columns, rows, whole, console.width), strict=True):
        table.add_column(column, overflow="fold", no_wrap=bool(whole) and column == whole, min_width=least)
    for row in rows:
        table.add_row(*[Text("" if cell is None else str(cell)) for cell in row])
    console.print(table)


def _least_widths(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], whole: str, width: int
) -> Sequence[int | None]:
    """Return how narrow columns may become so that no date or other short word is broken; None where all cannot be."""
    cells = [[column, *(row[at] for row in rows)] for at, column in enumerate(columns)]
    texts = [["" if cell is None else str(cell) for cell in column] for column in cells]
    short = [max(min(len(word), SHORT) for text in column for word in text.split() or [""]) for column in texts]
    least = [max(map(len, t)) if whole and c == whole else s for t, c, s in zip(texts, columns, short, strict=True)]
    return least if sum(least) + BESIDE * len(least) <= width else [None] * len(least)


def print_markdown(text: str, aside: bool = False) -> None:
    """Write markdown for a person, tables drawn, and the addresses of each part whole below it, to be copied.

    aside: to standard error.
    """
    from rich.console import Console
    from rich.markdown import Markdown

    console, before = Console(highlight=False, stderr=aside), ""
    for part in text.split("\n\n"):
        only_links = ONLY_LINKS.fullmatch(part.strip())
        before = "\n\n".join(words for words in (before, "" if only_links else LINK.sub(r"\1", part)) if words)
        if found := _addresses(part):
            console.print(Markdown(before, hyperlinks=False))
            console.out("\n" + "\n".join(found) + "\n", highlight=False)
            before = ""
    if before:
        console.print(Markdown(before, hyperlinks=False))


def _addresses(part: str) -> list[str]:
    """Return the links of a part of markdown, each with its words; in a row of a table with its first words too."""
    rows = [(line.startswith("|"), LINK.findall(line)) for line in part.splitlines()]
    return [
        f"{links[0][0]}, {words}: {url}" if in_table and at else f"{words}: {url}"
        for in_table, links in rows
        for at, (words, url) in enumerate(links)
    ]


def print_facts(facts: Mapping[str, Any]) -> None:
    """Write names and values in two columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text("" if value is None else str(value)))
    Console(highlight=False).print(table)


@contextmanager
def working(text: str, quiet: bool = False) -> Iterator[None]:
    """Show on standard error that something is going on, where a person is looking."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(text):
        yield
