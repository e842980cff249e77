"""The commands about people: who is enrolled, let one in, enrol, take one out."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_decide import Code, Comment, Who
from flows.cli_look import Json
from flows.output import print_json, print_result, print_table, say

if TYPE_CHECKING:
    from plimsoll.ledger import Entry
    from tasks.enrol import Offer
    from tasks.workspace import Workspace

TRIES = 3
Name = Annotated[str, typer.Argument(help="A name in configs/approvers.yaml.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands about people to the command line."""
    people = typer.Typer(help="See who may decide, let people in, enrol, take people out.", no_args_is_help=True)
    people.command("list")(approver_list)
    people.command("invite")(approver_invite)
    people.command("add")(approver_add)
    people.command("remove")(approver_remove)
    app.add_typer(people, name="approver")


def approver_list(as_json: Json = False) -> None:
    """List who may do what, and who has enrolled."""
    from tasks.enrol import list_people
    from tasks.workspace import open_workspace

    found = list_people(open_workspace(), datetime.now(UTC))
    if as_json:
        return print_json(found)
    rows = [[f["name"], ", ".join(f["roles"]) or "none", ", ".join(f["models"]), _state(f)] for f in found]
    return print_table("Approvers", ["name", "roles", "models", "enrolled"], rows)


def approver_invite(name: Name, who: Who, code: Code = "", as_json: Json = False) -> None:
    """Let a person enrol within a week, as a steward."""
    from flows.asking import ask_code_of
    from tasks.enrol import check_invitation, invite
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    known, steward = check_invitation(workspace, name, who)
    entry = invite(workspace, known, steward, ask_code_of(workspace, code, steward), datetime.now(UTC))
    person = entry.facts["name"]
    said = f"{person} may enrol until {entry.facts['expires_at'][:10]}: plimsoll approver add {person}"
    print_result({"sentence": said, "entry": entry.n}, as_json)


def approver_add(
    name: Name,
    again: Annotated[bool, typer.Option("--again", help="You are enrolled, and want a new secret.")] = False,
    recover: Annotated[
        str, typer.Option(help="Why you, a steward, go by the signing key: nobody is left who could invite you.")
    ] = "",
    uri: Annotated[bool, typer.Option("--uri", help="Write the address too, for an app without a camera.")] = False,
    as_json: Json = False,
) -> None:
    """Enrol yourself: scan the QR code with any authenticator app, and enter the code it shows."""
    import secrets

    from flows.asking import show_secret
    from plimsoll.one_time_code import SECRET_BYTES
    from tasks.enrol import offer_enrolment
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    random = secrets.token_bytes(SECRET_BYTES)
    offer = offer_enrolment(workspace, name, random, datetime.now(UTC), again=again, reason=recover)
    show_secret(offer.uri, uri)
    entry = _confirm(workspace, offer)
    said = f"{offer.name} is enrolled. The secret is shown once: it is in your app now. Use the next code it shows."
    print_result({"sentence": said, "entry": entry.n, "let_in_by": entry.facts["let_in"]}, as_json)


def approver_remove(name: Name, who: Who, reason: Comment = "", code: Code = "", as_json: Json = False) -> None:
    """Make a person's secret worthless, as a steward or as that person; an invitation too."""
    from flows.asking import ask_code_of
    from tasks.enrol import check_removal, remove
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    known, remover = check_removal(workspace, name, who, datetime.now(UTC))
    entry = remove(workspace, known, remover, ask_code_of(workspace, code, remover), reason, datetime.now(UTC))
    person = entry.facts["name"]
    said = f"{person} can decide nothing any more. What {person} decided before stands."
    print_result({"sentence": said, "entry": entry.n}, as_json)


def _confirm(workspace: "Workspace", offer: "Offer") -> "Entry":
    """Ask for a code until it fits, three times at most."""
    import getpass

    from flows.asking import ask_code
    from plimsoll.errors import ApprovalError, UserError
    from tasks.enrol import confirm_enrolment

    for left in range(TRIES - 1, -1, -1):
        code = ask_code("", offer.name)
        try:
            return confirm_enrolment(workspace, offer, code, getpass.getuser(), datetime.now(UTC))
        except ApprovalError:
            raise  # not the code, but somebody else's decision meanwhile
        except UserError as error:
            if not left:
                raise UserError(f"{error} Nothing was stored. Begin anew.") from None
            say(f"{error} Try once more.")
    raise AssertionError("the last try returns or raises")


def _state(found: dict[str, Any]) -> str:
    if found["locked_until"]:
        return f"locked until {found['locked_until'][:16]} UTC, after {found['wrong_codes']} wrong codes"
    if found["enrolled"]:
        return f"since {found['enrolled'][:10]}, let in by {found['let_in_by']}"
    return f"no; invited by {found['invited_by']}" if found["invited_by"] else "no"
