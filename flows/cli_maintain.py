"""The command that keeps the store in order."""

from typing import Annotated

import typer

from flows.cli_look import Json
from flows.output import print_facts, print_json, print_table, say, working


def add_commands(app: typer.Typer) -> None:
    """Add the upkeep to the command line."""
    app.command()(maintain)


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be freed; remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what the retention policy lets go, compact the predictions, and check what is kept."""
    from flows.running import run_flow
    from tasks.maintenance import freed_rows
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    with working("maintain_store", as_json):
        result = run_flow(workspace, "maintain_store", {"dry_run": dry_run})
    if as_json:
        return print_json(result)
    say(str(result["sentence"]))
    if "freed" in result:
        title = "What would be freed" if dry_run else "What was freed"
        print_table(title, ["what", "how many", "bytes", "for example", ""], freed_rows(result["freed"]))
    return print_facts({name: result[name] for name in ("run", "url") if name in result})
