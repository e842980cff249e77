"""The commands that explain: why one row has its score, and what a version is for and how good it is."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_look import Json, Model
from flows.output import print_json, say


def add_commands(app: typer.Typer) -> None:
    """Add the explaining commands to the command line."""
    for command in (explain, card):
        app.command()(command)


def explain(
    key: Annotated[str, typer.Argument(help="The row's key.")],
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Batch date.")] = None,
    model: Annotated[str, typer.Option(help="Only this model's; all without it.")] = "",
    version: Annotated[
        int | None, typer.Option(min=1, help="By this version; without it, by the one that did.")
    ] = None,
    as_json: Json = False,
    page: Annotated[Path | None, typer.Option("--html", help="Write the page here, not among the reports.")] = None,
) -> None:
    """Say why a row has its score: what each input added, in words and as a page."""
    from tasks.explain_score import explain_score, write_explanation
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    found = explain_score(workspace, key, day.date().isoformat() if day else None, model or None, version)
    path = write_explanation(workspace, found, page)
    if as_json:
        return print_json({**found, "page": str(path)})
    about, told = found["prediction"], found["explanation"]
    say(f"{key} on {about['date']}: {about['model']} v{found['version']} says {told['score_now']:.4f}")
    for sentence in found["words"]:
        say(f"  {sentence}")
    say()
    for sentence in [_same(told), *found["cautions"]]:
        say(sentence)
    return say(f"As a page: {path}")


def card(
    model: Model,
    version: Annotated[int | None, typer.Argument(min=1, help="A version; the champion without it.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the card to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Print a version's model card: purpose, data, limits, measures, slices, approval, as the records say it today."""
    from dataclasses import asdict

    from tasks.cards import read_card, write_card
    from tasks.workspace import open_workspace

    facts, text = read_card(open_workspace(), model, version)
    if out:
        write_card(out, text)
    if as_json:
        return print_json({**asdict(facts), "markdown": text})
    return say(f"Wrote {out}.") if out else say(text.rstrip())


def _same(told: dict[str, object]) -> str:
    if told["stored"] is None:
        return "This version did not score the row; this is what it says of it now."
    if told["same_bits"]:
        return "The row scores today as it did, bit for bit."
    return (
        f"{told['stored']!r} is stored, and the row scores {told['score_now']!r} today: the code or config behind "
        "its row has changed since, and the contributions are those of today's row."
    )
