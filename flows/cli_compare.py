"""The commands that compare: versions of a model side by side, and all models on one page."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_look import Json, Model
from flows.output import day_of, print_json, print_table, say, working

if TYPE_CHECKING:
    from tasks.workspace import Workspace


def add_commands(app: typer.Typer) -> None:
    """Add the comparing commands to the command line."""
    for command in (compare, fleet):
        app.command()(command)


def compare(
    model: Model,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days of batches, up to the last one.")] = 28,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; the ledger's last one if empty.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare versions that scored the same rows, or a family's models with others: quality, cost, what to do."""
    from plimsoll.compare_page import render_comparison
    from plimsoll.compared import cells, heads
    from tasks.comparing import compare_versions
    from tasks.pages import write_page
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    if workspace.members(model):
        return _compare_members(workspace, model, days, day_of(until), as_json)
    workspace.model(model)
    with working(f"comparing the versions of {model}", as_json):
        found = compare_versions(workspace, model, days, day_of(until), datetime.now(UTC))
        page = write_page(workspace.reports / model / "compare.html", render_comparison(found))
    if as_json:
        return print_json({**found.to_json(), "page": str(page)})
    side, *figures = zip(heads(found.task), *cells(found), strict=True)  # a column each: their figures are long
    print_table(f"{model}: versions side by side", ["", *side[1:]], figures)
    rows = [[beside.name, told.action, told.sentence] for _, beside, told in found.versions]
    print_table("What to do", ["Version", "Recommended", "Why"], rows)
    say(found.sentence)
    return say(f"Page: {page}")


def _compare_members(workspace: "Workspace", family: str, days: int, until: date | None, as_json: bool) -> None:
    from tasks.family_comparing import HEADS, compare_family, family_sentence

    with working(f"comparing the models of {family}", as_json):
        found = compare_family(workspace, family, days, until, datetime.now(UTC))
    if as_json:
        return print_json({"sentence": family_sentence(found), "members": [one.to_json() for one in found]})
    print_table(f"{family}: each model and others on its rows", HEADS, [row for one in found for row in one.rows])
    if asked := [told for one in found for told in one.asked]:
        print_table("What to do", ["model", "why"], asked)
    return say(family_sentence(found))


def fleet(as_json: Json = False) -> None:
    """List all models, whoever needs a person first: champion, quality, alarms, approvals, versions beside it."""
    from plimsoll.overview_page import change_words, gain_words, state_of, together_words
    from tasks.index_page import publish_fleet
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    with working("looking at every model", as_json):
        page, lines = publish_fleet(workspace)
    if as_json:
        told = [[{"version": one.version, **what.to_json()} for one, what in line.recommended] for line in lines]
        return print_json([{**line.to_json(), "beside": t} for line, t in zip(lines, told, strict=True)])
    heads = ["model", "state", "champion", "last batch", "loss", "alarms"]
    rows = [
        [
            line.model,
            state_of(line)[1],
            f"v{line.champion}, {line.age_days} d" if line.champion else "—",
            line.batch or "—",
            f"{line.loss:.4f} {change_words(line)}".strip() if line.loss is not None else "—",
            ", ".join(line.harms) or ("none; inputs moved" if line.alarms else "none"),
        ]
        for line in lines
    ]
    print_table("Models, whoever needs a person first", heads, rows, whole="model")
    beside = [[line.model, one.name, what.action, *gain_words(one)] for line in lines for one, what in line.recommended]
    if beside:
        print_table("Beside the champions", ["model", "version", "do", "gain", "gain at any time"], beside)
        say(together_words(lines))
    for line in lines:
        for why in filter(None, (line.fault or line.rejected, line.refused)):
            say(f"{line.model}: {why}")
    return say(f"Page: {page}")
