"""The commands that prove and put right: verify reads everything again, repair does what the ledger says is owed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from flows.cli_look import Json
from flows.output import print_facts, print_json, say

OneModel = Annotated[str, typer.Argument(help="A model of configs/models; all of them if empty.")]


def add_commands(app: typer.Typer) -> None:
    """Add verify and repair to the command line."""
    app.command()(verify)
    app.command()(repair)


def verify(
    model: OneModel = "",
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the bytes of objects and rows.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="List everything that is wrong.")] = False,
    as_json: Json = False,
) -> None:
    """Check ledgers, records, objects, bundles and predictions, and name the first thing that is wrong."""
    from plimsoll.errors import IntegrityError
    from tasks.verify import verify as check
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    if model:
        workspace.model(model)
    with following("Verifying", as_json) as progress:
        seen = check(workspace, model or None, quick=quick, progress=progress)
    if as_json:
        print_json(seen.to_json())
        raise typer.Exit(IntegrityError.exit_code if seen.damage else 0)
    for finding in seen.owed if everything or not seen.damage else ():
        say(f"To be put right: {finding.sentence}")
    for finding in seen.damage[1:] if everything else ():
        say(f"Also wrong: {finding.sentence}")
    if seen.expired:
        say(f"{len(seen.expired):,} older runs were removed by the retention policy, as their notes say.")
    if seen.damage:
        say(f"Checked {seen.checked}.")
        raise IntegrityError(seen.sentence)
    say(seen.sentence)


def repair(
    model: OneModel = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Put back what follows from the ledger: aliases, tags, marks, promotions owed, batches cut off."""
    from tasks.repair import repair as put_right
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    if model:
        workspace.model(model)
    with following("Repairing", as_json) as progress:
        done = put_right(workspace, model or None, dry_run=dry_run, progress=progress)
    if as_json:
        return print_json(done.to_json())
    for sentence in done.sentences:
        say(sentence)
    say(done.sentence)
    shown: dict[str, Any] = {"record": "\n".join(done.runs)} if done.runs else {}
    return print_facts(shown) if shown else None


@contextmanager
def following(text: str, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Hand over what says how far the work has come, on standard error, where a person is looking."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield status.update
