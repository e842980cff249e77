"""The commands that compare: versions of a model side by side, and all models on one page."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from flows.cli_look import Json, Model
from flows.output import day_of, print_json, print_table, say, working


def add_commands(app: typer.Typer) -> None:
    """Add the comparing commands to the command line."""
    app.command()(compare)


def compare(
    model: Model,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days of batches, up to the last one.")] = 28,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; the ledger's last one if empty.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare versions that scored the same rows: quality, differences, cost, and what to do about each."""
    from plimsoll.compare_page import render_comparison
    from plimsoll.compared import cells, heads
    from tasks.comparing import compare_versions
    from tasks.pages import write_page
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    with working(f"comparing the versions of {model}", as_json):
        found = compare_versions(workspace, model, days, day_of(until), datetime.now(UTC))
        page = write_page(workspace.reports / model / "compare.html", render_comparison(found))
    if as_json:
        return print_json({**found.to_json(), "page": str(page)})
    print_table(f"Versions of {model} side by side", heads(found.task), cells(found))
    rows = [[beside.name, told.action, told.sentence] for _, beside, told in found.versions]
    print_table("What to do", ["Version", "Recommended", "Why"], rows)
    say(found.sentence)
    return say(f"Page: {page}")
