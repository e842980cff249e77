"""The commands that look: models, configs, history, traces, runs. They change nothing and need no server."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.output import end_with, print_json, print_table, say

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Model = Annotated[str, typer.Argument(help="A model of configs/models.")]


def add_commands(app: typer.Typer) -> None:
    """Add the looking commands to the command line."""
    for command in (models, pending, history, trace, runs):
        app.command()(command)
    config_app = typer.Typer(help="Look at configs as the flows see them.", no_args_is_help=True)
    config_app.command("show")(config_show)
    app.add_typer(config_app, name="config")


def models(as_json: Json = False) -> None:
    """List the models and where each stands."""
    from plimsoll.standing import summary
    from tasks.champion import standing_of
    from tasks.readable import each_readable
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    found, faults = each_readable(workspace, lambda config: summary(standing_of(workspace, config.model)))
    if as_json:
        print_json(found)
        return end_with(faults)
    rows = [[f["model"], _version(f["champion"]), _versions(f["waiting"]), f["last_batch"] or "—"] for f in found]
    print_table("Models", ["model", "champion", "waiting for a decision", "last batch"], rows)
    return end_with(faults)


def config_show(
    model: Annotated[str, typer.Argument(help="A model, or nothing for the platform.")] = "", as_json: Json = False
) -> None:
    """Print the effective config of a model, or of the platform; of a model that nobody could promote say so."""
    import yaml

    from plimsoll.model_config import ModelConfig
    from tasks.mlflow_registry import without_password
    from tasks.requests import require_approvers
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    config = workspace.model(model) if model else workspace.platform
    body = config.model_dump(mode="json")
    if not model:
        body["mlflow"]["tracking_uri"] = without_password(body["mlflow"]["tracking_uri"])
        body["prefect"]["database_url"] = without_password(body["prefect"]["database_url"])
    if as_json:
        print_json(body)
    else:
        say(yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110).rstrip())
    if isinstance(config, ModelConfig):
        require_approvers(workspace, config)


def pending(as_json: Json = False) -> None:
    """List the promotions that wait for a person."""
    from tasks.requests import list_pending
    from tasks.workspace import open_workspace

    found, faults = list_pending(open_workspace())
    if as_json:
        print_json(found)
        return end_with(faults)
    waits, others = ([f for f in found if (f["state"] == "waiting") == wanted] for wanted in (True, False))
    several = any(f["approvals"] > 1 for f in waits)  # else nobody has approved what still waits
    heads = ["model", "version", "asked by", *(["approved by"] if several else []), "expires (UTC)"]
    rows = [
        [
            f["model"],
            f"v{f['version']}",
            f["requested_by"],
            *([_approvals(f)] if several else []),
            f["expires_at"][:16].replace("T", " "),
        ]
        for f in waits
    ]
    print_table("Waiting for a person", heads, rows)
    for f in waits:
        say(f"Evidence of {f['model']} v{f['version']}: {f['page']}")
    if others:
        void = [[f["model"], f"v{f['version']}", f["state"], f["sentence"]] for f in others]
        print_table("Nobody can approve these now", ["model", "version", "", "why, and what to do"], void)
    return end_with(faults)


def history(
    model: Model,
    at: Annotated[str, typer.Option(help="Who was champion then? A business date, or a time of the clock.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Nightly batches and decisions too.")] = False,
    shown: Annotated[
        int | None, typer.Option(min=0, help="The evidence as whoever wrote this ledger entry was shown it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show who was champion when, by whose decision and on what evidence, and all that led there."""
    from flows.story import history_rows, print_reign, print_shown
    from plimsoll.champions import champion_rows, parse_at, reign_at, reigns, served_at, told_at
    from plimsoll.errors import UserError
    from tasks.champion import standing_of
    from tasks.shown import entries_with_shown, read_shown
    from tasks.workspace import open_workspace

    if at and shown is not None:
        raise UserError("--at asks who was champion, --shown what somebody was shown. Give one of them.")
    asked = parse_at(at) if at else None
    workspace = open_workspace()
    workspace.model(model)
    if shown is not None:
        return print_shown(*read_shown(workspace, model, shown), as_json)
    standing = standing_of(workspace, model)
    if asked:
        found = reign_at(standing, asked)
        served = served_at(standing, asked)
        sentence = told_at(model, found, asked, served)
        if as_json:
            told = {"champion": found.version, "reign": found.to_json()} if found else {"champion": None, "reign": None}
            return print_json({"sentence": sentence, **told, "served": served})
        return print_reign(sentence, found)
    line = reigns(standing)
    if as_json:
        entries = [vars(entry) for entry in standing.entries]
        return print_json({"champions": [reign.to_json() for reign in line], "entries": entries})
    print_table(f"Champions of {model}", ["version", "from", "to", "how", "approved by"], champion_rows(line))
    rows = history_rows(standing.entries, everything)
    print_table(f"Ledger of {model}", ["#", "date", "what", "by", "facts"], rows)
    if there := entries_with_shown(standing.entries):
        numbers = ", ".join(map(str, there))
        say(f"What they were shown who wrote {numbers}: plimsoll history {model} --shown {there[-1]}")
    return None


def trace(
    key: Annotated[str, typer.Argument(help="The row's key.")],
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Batch date.")] = None,
    model: Annotated[str, typer.Option(help="Only this model's; all without it.")] = "",
    as_json: Json = False,
    page: Annotated[Path | None, typer.Option("--html", help="Write a page for an auditor to this file.")] = None,
) -> None:
    """Trace one prediction to model, approver, data, code, validation, reasons and outcome."""
    from flows.story import print_trace
    from tasks.trace import trace_prediction
    from tasks.trace_file import write_trace
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    found = trace_prediction(workspace, key, day.date().isoformat() if day else None, model or None)
    if page:
        write_trace(workspace, found, page)
    if as_json:
        return print_json(found)
    print_trace(found)
    return say(f"\nWrote {page}.") if page else None


def runs(
    model: Annotated[str, typer.Argument(help="Only this model's.")] = "",
    last: Annotated[int, typer.Option(help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List run records: what each run was, saw and made."""
    from flows.story import run_rows
    from plimsoll.run_record import list_runs, read_record
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    if model:
        workspace.model(model)
    found: list[dict[str, Any]] = []
    for run_id in reversed(list_runs(workspace.store)):
        record = read_record(workspace.archive, run_id)
        if record and (not model or record["model"] == model):
            found.append(record)
        if len(found) == last:
            break
    if as_json:
        return print_json(found)
    return print_table("Runs", ["run", "result"], run_rows(found), whole="run")


def _approvals(found: dict[str, Any]) -> str:
    given = ", ".join(found["approved_by"])
    return f"{len(found['approved_by'])} of {found['approvals']}{': ' + given if given else ''}"


def _version(number: int | None) -> str:
    return f"v{number}" if number else "—"


def _versions(numbers: list[int]) -> str:
    return ", ".join(f"v{n}" for n in numbers) or "—"
