"""The command line. Heavy imports live in the commands, so that `plimsoll --help` answers at once."""

import os
import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from flows import (
    cli_approvers,
    cli_backtest,
    cli_batches,
    cli_compare,
    cli_decide,
    cli_explain,
    cli_keys,
    cli_maintain,
    cli_reproduce,
    cli_segments,
    cli_selftest,
    cli_verify,
)
from flows.cli_look import Json, Model, add_commands
from flows.output import complain, day_of, end_with, print_json, print_result, print_table, working

app = typer.Typer(
    help="Take a tabular model from data to scheduled production, and prove every step.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


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
    from tasks.open_approval import reopen_approvals
    from tasks.readable import readable_models
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    use_server(workspace)
    with working("Deploying", as_json):
        done = put(workspace)
        reopen_approvals(workspace)
    if as_json:
        print_json([vars(one) if hasattr(one, "__dict__") else one for one in done])
    else:
        print_table("Deployments", ["deployment", "schedule (UTC)", "page"], done)
    return end_with(readable_models(workspace).faults)


@app.command()
def train(
    model: Model,
    start: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First batch date.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last batch date.")] = None,
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; today if empty.")] = None,
    search: Annotated[bool, typer.Option("--search", help="Search settings anew, whatever search.when says.")] = False,
    as_json: Json = False,
) -> None:
    """Train a challenger and, when every gate passes, request its promotion."""
    given = {
        "start": day_of(start),
        "end": day_of(end),
        "as_of": day_of(as_of),
        "requested_by": _me(),
        "cause": "asked for",
        "search": search,
    }
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
    given = {"start": day_of(day), "end": day_of(to), "as_of": day_of(as_of), "version": version}
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
    _run("check_drift", model, {"start": day_of(day), "end": day_of(to), "as_of": day_of(as_of)}, as_json)


add_commands(app)
cli_decide.add_commands(app)
cli_explain.add_commands(app)
cli_approvers.add_commands(app)
cli_backtest.add_commands(app)
cli_batches.add_commands(app)
cli_compare.add_commands(app)
cli_keys.add_commands(app)
cli_reproduce.add_commands(app)
cli_maintain.add_commands(app)
cli_verify.add_commands(app)
cli_segments.add_commands(app)
cli_selftest.add_commands(app)


def main() -> None:
    """Run the command line: a person's mistake ends in one sentence and exit code 2, never in a traceback."""
    from flows.asking import refuse_undecodable
    from plimsoll.errors import PlimsollError

    as_json = "--json" in sys.argv
    try:
        refuse_undecodable(sys.argv[1:], os.environ)
        app()
    except PlimsollError as error:
        complain(str(error), as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)


def _run(flow: str, model: str, given: dict[str, Any], as_json: bool) -> None:
    from flows.running import family_parameters, run_flow
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    asked = family_parameters(workspace, flow, model, given)
    with working(f"{flow} {model}", as_json):
        result = run_flow(workspace, "run_family" if "family" in asked else flow, asked)
    print_result(result, as_json)


def _me() -> str:
    import getpass

    from flows.asking import refuse_undecodable

    me = os.environ.get("PLIMSOLL_USER") or getpass.getuser()
    refuse_undecodable(["user name", me], {})  # LOGNAME and USER are anybody's
    return me


if __name__ == "__main__":
    main()
