"""The command line. Heavy imports live in the commands, so that `plimsoll --help` answers at once."""

import os
import sys
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import typer

from flows import cli_batches, cli_keys, cli_maintain, cli_reproduce, cli_verify
from flows.cli_look import Json, Model, add_commands
from flows.output import complain, print_facts, print_json, print_table, say, working

app = typer.Typer(
    help="Take a tabular model from data to scheduled production, and prove every step.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Who = Annotated[str, typer.Option("--as", help="Your name in configs/approvers.yaml.")]


@app.command()
def demo(as_json: Json = False) -> None:
    """Tell the whole story on real flights: train, score, a broken feed, a season, a retrain, a rollback."""
    from flows.demo import run_demo

    run_demo(as_json)


@app.command()
def up(
    dask: Annotated[int, typer.Option(min=0, help="Score on a Dask cluster of so many processes, started too.")] = 0,
) -> None:
    """Start Prefect, a worker, MLflow and the reports, until Ctrl-C."""
    from flows.up import up as start
    from tasks.workspace import open_workspace

    start(open_workspace(), dask)


@app.command()
def deploy(as_json: Json = False) -> None:
    """Put every model's flows on the Prefect server, with their schedules."""
    from flows.deploy import deploy as put
    from flows.running import use_server
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    use_server(workspace)
    with working("Deploying", as_json):
        done = put(workspace)
    if as_json:
        return print_json([vars(one) if hasattr(one, "__dict__") else one for one in done])
    return print_table("Deployments", ["deployment", "schedule (UTC)", "page"], done)


@app.command()
def train(
    model: Model,
    start: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First batch date.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last batch date.")] = None,
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; today if empty.")] = None,
    as_json: Json = False,
) -> None:
    """Train a challenger and, when every gate passes, request its promotion."""
    given = {"start": _day(start), "end": _day(end), "as_of": _day(as_of), "requested_by": _me(), "cause": "asked for"}
    _run("train_model", model, given, as_json)


@app.command()
def score(
    model: Model,
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Batch date.")] = None,
    to: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last date of a range.")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Business date, scored by the champion of then; today if empty."),
    ] = None,
    version: Annotated[int | None, typer.Option("--with", help="Score with this version alone.")] = None,
    as_json: Json = False,
) -> None:
    """Score a date or a range exactly once; without a date, whatever has landed since the last batch."""
    given = {"start": _day(day), "end": _day(to), "as_of": _day(as_of), "version": version}
    _run("score_batch", model, given, as_json)


@app.command()
def check(
    model: Model,
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Batch date.")] = None,
    to: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last date of a range.")] = None,
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; today if empty.")] = None,
    as_json: Json = False,
) -> None:
    """Decide about drift and retraining for a date; without one, for every batch without a decision."""
    _run("check_drift", model, {"start": _day(day), "end": _day(to), "as_of": _day(as_of)}, as_json)


@app.command()
def approve(
    model: Model,
    version: Annotated[int, typer.Argument(help="The version that asks.")],
    who: Who,
    comment: Annotated[str, typer.Option(help="Why; it is kept in the ledger.")] = "",
    as_json: Json = False,
) -> None:
    """Approve a version's promotion: it scores the next batch."""
    _decide(model, version, "approve", who, comment, as_json)


@app.command()
def reject(
    model: Model,
    version: Annotated[int, typer.Argument(help="The version that asks.")],
    who: Who,
    comment: Annotated[str, typer.Option(help="Why; it is kept in the ledger.")] = "",
    as_json: Json = False,
) -> None:
    """Reject a version's promotion: it never scores."""
    _decide(model, version, "reject", who, comment, as_json)


@app.command()
def rollback(
    model: Model,
    who: Who,
    to: Annotated[int | None, typer.Option(help="A former champion; the one before this if empty.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger.")] = "",
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; today if empty.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Prove that it would be safe, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a former champion the champion again, once it scores as it did then; with --to, the same undoes it."""
    from tasks.rollback import prove_rollback_as, roll_back_as
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    day = (_day(as_of) or datetime.now(UTC).date()).isoformat()
    with working(f"proving the rollback of {model}", as_json):
        if dry_run:
            proof = prove_rollback_as(workspace, model, to, who)
            sentence = f"{proof.sentence} Nothing was changed."
            return _result({"sentence": sentence, "proof": proof.to_json()}, as_json)
        done = roll_back_as(workspace, model, to, who, day, reason)
    return _result(done.to_json(), as_json)


add_commands(app)
cli_batches.add_commands(app)
cli_keys.add_commands(app)
cli_reproduce.add_commands(app)
cli_maintain.add_commands(app)
cli_verify.add_commands(app)


def main() -> None:
    """Run the command line: a person's mistake ends in one sentence and exit code 2, never in a traceback."""
    from plimsoll.errors import PlimsollError

    as_json = "--json" in sys.argv
    try:
        app()
    except PlimsollError as error:
        complain(str(error), as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)


def _run(flow: str, model: str, given: dict[str, Any], as_json: bool) -> None:
    from flows.running import run_flow
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    with working(f"{flow} {model}", as_json):
        result = run_flow(workspace, flow, {"model": model, **given})
    _result(result, as_json)


def _decide(
    model: str, version: int, decision: Literal["approve", "reject"], who: str, comment: str, as_json: bool
) -> None:
    from plimsoll.errors import ApprovalError
    from tasks.approvals import decide_from_terminal
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    with working(f"{decision} {model} v{version}", as_json):
        outcome = decide_from_terminal(workspace, model, version, decision, who, comment)
    if not outcome.accepted:
        raise ApprovalError(outcome.sentence)
    _result({"sentence": outcome.sentence}, as_json)


def _result(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(result)
    say(str(result.get("sentence", "Done.")))
    shown: dict[str, Any] = {name: result[name] for name in ("run", "url") if name in result}
    return print_facts(shown) if shown else None


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _me() -> str:
    import getpass

    return os.environ.get("PLIMSOLL_USER") or getpass.getuser()
