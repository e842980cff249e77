"""The command that tells which segments could have a model of their own."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_look import Json, Model
from flows.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.segments import SegmentCount


def add_commands(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(segments)


def segments(
    model: Model,
    by: Annotated[str, typer.Option("--by", help="A column of its rows: of the batch, a lookup or a feature.")],
    least: Annotated[int, typer.Option("--min-rows", min=1, help="Fewer training rows make no model.")] = 1000,
    as_json: Json = False,
) -> None:
    """Count the values of a column in the training rows, and write the for_each that gives each a model."""
    from tasks.segments import count_segments
    from tasks.workspace import open_workspace

    found, days = count_segments(open_workspace(), model, by)
    wide = [one for one in found if one.rows >= least]
    if as_json:
        return print_json({"column": by, "days": days, "segments": [_told(one, one in wide) for one in found]})
    rows = [
        [one.value, f"{one.rows:,}", f"{one.days} of {days}", one.fewest, f"{one.mean_outcome:.3g}", _why(one, least)]
        for one in found
    ]
    print_table(f"{by} of {model}", [by, "rows", "days", "fewest a day", "mean outcome", ""], rows, whole=by)
    if not wide:
        return say(f"No value has {least:,} rows. Ask for fewer with --min-rows, or train on more days.")
    listed = ", ".join(json.dumps(one.value, ensure_ascii=False) for one in wide)
    return say(f"For configs/models/FAMILY.yaml (docs/segments.md):\n\nfor_each:\n  column: {by}\n  values: [{listed}]")


def _why(one: "SegmentCount", least: int) -> str:
    if one.rows < least:
        return f"fewer than {least:,} rows"
    return "" if one.fewest else "days without a row are not scored"


def _told(one: "SegmentCount", enough: bool) -> dict[str, Any]:
    return {**vars(one), "enough": enough}
