"""The commands about the signing key: which key signs here, and a new one for a shared store."""

from pathlib import Path

import typer

from flows.cli_look import Json
from flows.output import print_facts, print_json, say


def add_commands(app: typer.Typer) -> None:
    """Add the key commands to the command line."""
    key_app = typer.Typer(help="Look at the key that signs ledger and records, or make one.", no_args_is_help=True)
    key_app.command("show")(key_show)
    key_app.command("new")(key_new)
    app.add_typer(key_app, name="key")


def key_show(as_json: Json = False) -> None:
    """Show the public key that signs here, and the others that are trusted."""
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    seal = workspace.archive.seal
    nothing = (
        "nothing yet: the key is made with the first signature"
        if seal.later
        else "nothing: this installation only checks"
    )
    trusts = sorted(seal.trusted | ({seal.public} if seal.public else set()))
    found = {"signs": seal.public or nothing, "trusts": trusts}
    if as_json:
        return print_json(found)
    return print_facts({"signs": found["signs"], "trusts": "\n".join(trusts)})


def key_new(as_json: Json = False) -> None:
    """Make the signing key of a shared store, once; give the file to every machine that writes there."""
    from plimsoll.errors import UserError
    from tasks.signing import make_key, open_seal
    from tasks.workspace import open_workspace

    platform = open_workspace().platform
    path = Path(platform.signing.file)
    if path.exists():
        raise UserError(f"{path} holds a key already. See it with: plimsoll key show. A lost key cannot be made anew.")
    make_key(path)
    public = open_seal(platform).public
    if as_json:
        return print_json({"file": str(path), "public": public})
    say(f"Wrote a new signing key to {path}, readable by you alone. Keep a copy in a safe place.")
    return print_facts({"public": public})
