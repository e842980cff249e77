"""What a person was shown before they decided, read again by the ledger entry that names it."""

from plimsoll.errors import IntegrityError, UserError
from plimsoll.ledger import Entry, read_ledger
from plimsoll.store import get_object
from tasks.workspace import Workspace


def read_shown(workspace: Workspace, model: str, n: int) -> tuple[Entry, str]:
    """Return an entry about a decision and the evidence as it was shown then, markdown, checked against its digest.

    Raises UserError where the ledger has no such entry or the entry names nothing shown; IntegrityError where what it
    names is gone or changed. The upkeep keeps whatever an entry names.
    """
    entries = read_ledger(workspace.archive, model)
    entry = next((entry for entry in entries if entry.n == n), None)
    if entry is None:
        ends = f"its last is {entries[-1].n}" if entries else "it is empty"
        raise UserError(f"The ledger of {model} has no entry {n}; {ends}. {_others(model, entries)}")
    if not (digest := str(entry.facts.get("shown", ""))):
        what = f"Entry {n} of {model} ({entry.kind.replace('_', ' ')} by {entry.by})"
        raise UserError(f"{what} names nothing that was shown. {_others(model, entries)}")
    try:
        return entry, get_object(workspace.store, digest).decode()
    except IntegrityError as lost:
        raise IntegrityError(f"What entry {n} of {model} says was shown to {entry.by} cannot be read. {lost}") from None


def entries_with_shown(entries: tuple[Entry, ...] | list[Entry]) -> list[int]:
    """Return the numbers of the entries that name what was shown, in order."""
    return [entry.n for entry in entries if entry.facts.get("shown")]


def _others(model: str, entries: tuple[Entry, ...] | list[Entry]) -> str:
    found = entries_with_shown(entries)
    if not found:
        return f"Nobody was shown anything that an entry of it names. All entries: plimsoll history {model} --all"
    return f"Entries that do: {', '.join(map(str, found))}."
