"""The commands about batches: what was predicted, what was set aside, and which way a model's rows take."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_look import Json, Model
from flows.output import print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from tasks.workspace import Workspace

FEW = 50  # lines of explanations that are shown
Day = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Batch date.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands about batches to the command line."""
    for command in (predictions, quarantine):
        app.command()(command)
    app.command("explain-plan")(explain_plan)


def predictions(
    model: Model,
    day: Day = None,
    version: Annotated[int | None, typer.Option(help="This version's result; the current one if empty.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the rows to this file: .parquet or .csv.")] = None,
    why: Annotated[bool, typer.Option("--why", help="What moved the scores that were explained, row by row.")] = False,
    as_json: Json = False,
) -> None:
    """Show the results of a date and which one is current; without a date, the last batches."""
    from tasks.results import list_results, write_results
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    date = day.date().isoformat() if day else None
    if why:
        return _explained(workspace, model, date, out, as_json)
    found = list_results(workspace, model, date, version)
    written = write_results(workspace, model, found, out, version) if out else 0
    if as_json:
        return print_json({"results": [one.to_json() for one in found], **({"rows_written": written} if out else {})})
    columns = ["date", "version", "role", "current", "rows", "set aside", "median score"]
    print_table(f"Results of {model}", columns, [one.row() for one in found])
    return say(f"Wrote {written:,} rows to {out}.") if out else None


def _explained(workspace: "Workspace", model: str, date: str | None, out: Path | None, as_json: bool) -> None:
    from plimsoll.errors import UserError
    from tasks.champion import standing_of
    from tasks.contribution_rows import explained_rows
    from tasks.results import write_table

    if date is None:
        raise UserError("--why shows the explanations of one batch: name its date too, with --date.")
    table = explained_rows(workspace.store, standing_of(workspace, model), date)
    if out:
        write_table(table, out)
        return say(f"Wrote {len(table):,} rows to {out}.")
    if as_json:
        return print_json(table.to_pylist())
    shown = [[r["key"], r["feature"], r["value"], f"{r['contribution']:+.3f}"] for r in table.slice(0, FEW).to_pylist()]
    print_table(f"Explained of {model} {date}", ["key", "feature", "value", "contribution"], shown, whole="key")
    return say(f"The first {FEW} of {len(table):,}; all of them: --out FILE.") if len(table) > FEW else None


def quarantine(model: Model, day: Day = None, as_json: Json = False) -> None:
    """Show the rows that validation set aside and why; without a date, the dates that have some."""
    from plimsoll.validation import quarantined_rows
    from tasks.champion import standing_of
    from tasks.quarantine import bad_rows_of, quarantined_batches
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    found = quarantined_batches(standing_of(workspace, model))
    if day:
        date = day.date().isoformat()
        rows: list[dict[str, Any]] = [
            row for entry in found if entry.facts["date"] == date for row in bad_rows_of(workspace.store, entry)
        ]
        if as_json:
            return print_json(rows)
        shown = [[row["key"], row["column"], row["value"], row["says"]] for row in rows]
        return print_table(f"Set aside of {model} {date}", ["key", "column", "value", "rule"], shown, whole="key")
    batches = [
        {"date": e.facts["date"], "batch": e.kind.split("_")[-1], "rows": quarantined_rows(e.facts)} for e in found
    ]
    if as_json:
        return print_json(batches)
    return print_table(f"Set aside of {model}", ["date", "batch", "rows"], [[*one.values()] for one in batches])


def explain_plan(model: Model, as_json: Json = False) -> None:
    """Say which way a model's rows take from file to prediction, step by step, and why."""
    from tasks.plan import explain_scoring
    from tasks.workspace import open_workspace

    steps = explain_scoring(open_workspace(), model)
    if as_json:
        return print_json(steps)
    return print_facts(steps)
