"""The commands that prove a run: train it again and compare, or say what differs between two."""

from functools import partial
from textwrap import fill
from typing import Annotated, Any

import typer

from flows.cli_look import Json
from flows.output import print_facts, print_json, print_table, say, working

Named = Annotated[str, typer.Argument(metavar="RUN", help="A run's id or its beginning, MODEL:vN or MODEL:champion.")]
Second = Annotated[str, typer.Argument(metavar="RUN", help="The run to compare it with.")]


def add_commands(app: typer.Typer) -> None:
    """Add the proving commands to the command line."""
    app.command()(reproduce)
    app.command()(diff)


def reproduce(
    run: Named,
    here: Annotated[bool, typer.Option("--here", help="Use this interpreter, whatever was recorded.")] = False,
    as_json: Json = False,
) -> None:
    """Train a run again from what was kept: identical, equal, or different and because of what."""
    from plimsoll.run_reference import find_run
    from tasks.reproduce import read_original
    from tasks.reproduce import reproduce as repeat
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    original = read_original(workspace, find_run(workspace.archive, run))
    done = repeat(workspace, original, here, partial(working, quiet=as_json))
    found = done.reproduction
    about = {"run": original.run_id, "model": original.model, "version": original.version}
    kept = {"environment": done.environment, "reproduction": done.run}
    if as_json:
        print_json({**about, **found.to_json(), **kept})
    else:
        rows = [[one.name, one.recorded, one.found, one.differs or "same"] for one in found.inputs]
        print_table(f"{original.model} v{original.version}, trained by {original.run_id}", COLUMNS, rows)
        print_facts(
            {
                "environment": done.environment,
                "kept as run": done.run or "not kept: nothing can be signed or written here",
            }
        )
        say(f"\n{found.sentence}")
    if found.verdict == "different":
        raise typer.Exit(1)


COLUMNS = ["input", "recorded", "here", "difference"]


def diff(run: Named, other: Second, as_json: Json = False) -> None:
    """Say what differs between two runs of a flow: rows, columns, config, code, environment, metrics."""
    from plimsoll.errors import UserError
    from plimsoll.run_difference import compare_runs, side_by_side
    from plimsoll.run_reference import find_run
    from tasks.run_views import read_run_view
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    before, now = (read_run_view(workspace, find_run(workspace.archive, name)) for name in (run, other))
    flows = [view.record["flow"] for view in (before, now)]
    if flows[0] != flows[1]:
        raise UserError(f"{run} is a run of {flows[0]}, {other} of {flows[1]}. Give two runs of one flow.")
    found, metrics = compare_runs(before, now), side_by_side(before, now)
    nothing = {"metrics": not metrics, "data": not (before.snapshots or now.snapshots)}  # neither run has any
    sentence = _sentence({name: said for name, said in found.items() if not nothing.get(name)})
    about = {"before": before.record["run_id"], "now": now.record["run_id"], "sentence": sentence}
    if as_json:
        listed = [{**vars(metric), "change": metric.change} for metric in metrics]
        return print_json({**about, "same": not any(found.values()), "differences": found, "metrics": listed})
    say(f"before: {about['before']}\nnow:    {about['now']}")
    for subject in (name for name, said in found.items() if said and name != "metrics"):
        say(f"\n{subject.capitalize()}")
        say("\n".join(_lines(said) for said in found[subject]))
    if metrics:
        say()
        rows = [[m.name, _number(m.before), _number(m.now), _signed(m.change)] for m in metrics]
        print_table("Metrics", ["metric", "before", "now", "change"], rows)
    return say(about["sentence"])


def _lines(sentence: str) -> str:
    """Return a sentence, indented; on a terminal broken between words."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        return f"  {sentence}"
    return fill(sentence, console.width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _sentence(found: dict[str, Any]) -> str:
    other, same = ([name for name, said in found.items() if bool(said) == wanted] for wanted in (True, False))
    if not other:
        return "Nothing differs: " + _listed(same) + " are the same in both runs."
    verb = "are" if len(same) > 1 else "is"
    tail = f" {_listed(same).capitalize()} {verb} the same." if same else ""
    return f"What differs: {_listed(other)}.{tail}"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.6f}"


def _signed(change: float | None) -> str:
    return "" if change is None else f"{change:+.6f}" if change else "same"
