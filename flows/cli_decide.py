"""The commands by which a person decides: approve, reject, roll back. Each asks for a one-time code."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli_look import Json, Model
from flows.output import day_of, print_json, print_markdown, print_result, print_table, tell_faults, working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.family_decisions import Decided
    from tasks.workspace import Workspace


def version_number(text: str) -> int:
    """Return the number of a version as it was typed; BadParameter when it is none."""
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise typer.BadParameter(f"expected the number of a version, as 3, found {text!r}.")


Who = Annotated[str, typer.Option("--as", help="Your name in configs/approvers.yaml.")]
Code = Annotated[str, typer.Option(help="The six digits of your authenticator app; asked for if empty.")]
Version = Annotated[
    int | None,
    typer.Argument(help="The version that asks; of a family empty, for all that wait.", parser=version_number),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Business date; if empty today, or where the ledger of a replay is."),
]
Comment = Annotated[str, typer.Option(help="Why; it is kept in the ledger.")]


def add_commands(app: typer.Typer) -> None:
    """Add the deciding commands to the command line."""
    for command in (approve, reject, rollback, retire):
        app.command()(command)


def approve(
    model: Model,
    who: Who,
    version: Version = None,
    comment: Comment = "",
    as_of: AsOf = None,
    code: Code = "",
    as_json: Json = False,
) -> None:
    """Approve a version's promotion: it scores the next batch once as many approved as its policy asks for."""
    _decide(model, version, "approve", who, comment, as_of, code, as_json)


def reject(
    model: Model,
    who: Who,
    version: Version = None,
    comment: Comment = "",
    as_of: AsOf = None,
    code: Code = "",
    as_json: Json = False,
) -> None:
    """Reject a version's promotion: it never scores."""
    _decide(model, version, "reject", who, comment, as_of, code, as_json)


def rollback(
    model: Model,
    who: Who,
    to: Annotated[int | None, typer.Option(help="A former champion; the one before this if empty.")] = None,
    reason: Comment = "",
    as_of: AsOf = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Prove that it would be safe, and change nothing; asks for no code.")
    ] = False,
    code: Code = "",
    as_json: Json = False,
) -> None:
    """Make a former champion the champion again, once it scores as it did then; with --to, the same undoes it."""
    from flows.asking import ask_code
    from plimsoll.business_date import date_of_decision
    from tasks.champion import standing_of
    from tasks.rollback import prove_rollback_as, roll_back_as, rollback_needs_code
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    day = _iso(as_of)
    date_of_decision(model, standing_of(workspace, model).entries, day, datetime.now(UTC))
    if dry_run:
        with working(f"proving the rollback of {model}", as_json):
            proof = prove_rollback_as(workspace, model, to, who)
        sentence = f"{proof.sentence} Nothing was changed."
        return print_result({"sentence": sentence, "proof": proof.to_json()}, as_json)
    if not code and rollback_needs_code(workspace, model, to, who, reason):
        code = ask_code(code, who)
    with working(f"proving the rollback of {model}", as_json):
        done = roll_back_as(workspace, model, to, who, day, reason, code=code)
    return print_result(done.to_json(), as_json)


def retire(
    model: Model,
    version: Annotated[int, typer.Argument(help="The version to retire; never the champion.", parser=version_number)],
    who: Who,
    reason: Comment = "",
    as_of: AsOf = None,
    code: Code = "",
    as_json: Json = False,
) -> None:
    """Retire a version: it stops scoring in the shadow and can never be champion; what it scored stays."""
    from flows.asking import ask_code
    from plimsoll.business_date import date_of_decision
    from tasks.champion import standing_of
    from tasks.retire import retire_as, retirement_needs_code
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    day = _iso(as_of)
    date_of_decision(model, standing_of(workspace, model).entries, day, datetime.now(UTC))
    if not code and retirement_needs_code(workspace, model, version, who, reason):
        code = ask_code(code, who)
    with working(f"retiring {model} v{version}", as_json):
        done = retire_as(workspace, model, version, who, day, reason, code=code)
    print_result(done.to_json(), as_json)


def _decide(
    model: str,
    version: int | None,
    decision: Literal["approve", "reject"],
    who: str,
    comment: str,
    as_of: datetime | None,
    code: str,
    as_json: bool,
) -> None:
    from flows.asking import ask_code
    from plimsoll.business_date import date_of_decision
    from plimsoll.errors import ApprovalError, UserError
    from tasks.approvals import decide_from_terminal
    from tasks.before_code import decides
    from tasks.champion import standing_of
    from tasks.requests import keep_shown, read_request
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    if workspace.members(model):
        return _decide_all(workspace, model, version, decision, who, comment, as_of, code, as_json)
    workspace.model(model)
    if version is None:
        raise UserError(f"Name the version of {model} too. What waits: plimsoll pending")
    date_of_decision(model, standing_of(workspace, model).entries, _iso(as_of), datetime.now(UTC))
    view, shown = read_request(workspace, model, version), ""
    asked = [view.request] if view.request and view.status == "waiting" else []
    if view.status == "waiting":
        _show(view.evidence, code, as_json)
        shown = keep_shown(workspace, view)
    if not code and decides(workspace, asked, decision, who, datetime.now(UTC)):
        code = ask_code(code, who)
    with working(f"{decision} {model} v{version}", as_json):
        outcome = decide_from_terminal(workspace, model, version, decision, who, comment, code, shown, _iso(as_of))
    if not outcome.accepted:
        raise ApprovalError(outcome.sentence)
    told = {"shown": shown, "evidence": view.evidence} if shown else {}
    return print_result({"sentence": outcome.sentence, "decided": outcome.decided, **told}, as_json)


def _show(evidence: str, code: str, as_json: bool) -> None:
    """Print evidence before a code is asked for; beside JSON, which holds it, for who is asked on a terminal."""
    if not as_json or (not code and sys.stdin.isatty()):
        print_markdown(evidence, aside=as_json)


def _decide_all(
    workspace: "Workspace",
    family: str,
    version: int | None,
    decision: Literal["approve", "reject"],
    who: str,
    comment: str,
    as_of: datetime | None,
    code: str,
    as_json: bool,
) -> None:
    """Show what waits in a family, ask for one code, and decide about all of it."""
    from flows.asking import ask_code
    from plimsoll.errors import ApprovalError, UserError
    from plimsoll.store import put_object
    from tasks.before_code import decides
    from tasks.family_asking import asked_now, evidence_of
    from tasks.family_decisions import Answer, decide_family, family_requests

    if version is not None:
        raise UserError(f"{family} is a family, and v{version} is one model's. Leave it out, or name the model.")
    requests, faults = family_requests(workspace, family)
    if not requests:
        tell_faults(faults)
        raise ApprovalError(f"No model of {family} waits for a decision.")
    text = evidence_of(workspace, family, *asked_now(workspace, family))
    _show(text, code, as_json)
    shown = put_object(workspace.store, text.encode())
    if not code and decides(workspace, requests, decision, who, datetime.now(UTC)):
        code = ask_code(code, who)
    given = Answer(decision, who, comment, code, shown=shown, as_of=_iso(as_of))
    with working(f"{decision} {family}", as_json):
        done = decide_family(workspace, family, requests, given)
    if as_json:
        print_json({"decided": [vars(one) for one in done], "shown": shown, "evidence": text})
    else:
        said = [["yes" if one.accepted else "no", one.sentence] for one in done]
        print_table("Decided", ["accepted", "what became of it"], said, whole="accepted")
    _require_all(done, tell_faults(faults))


def _iso(as_of: datetime | None) -> str | None:
    day = day_of(as_of)
    return day.isoformat() if day else None


def _require_all(done: "Sequence[Decided]", code: int) -> None:
    """End as a refusal when any decision was refused, as that about a single model does, or a member is unreadable."""
    if code := code or (0 if all(one.accepted for one in done) else 2):
        raise typer.Exit(code)
