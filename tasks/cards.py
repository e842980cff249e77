"""Model cards on demand: what is known of a version today, as text and in a file."""

from pathlib import Path

from plimsoll.errors import FolderError, UserError
from plimsoll.model_card import CardFacts, model_card
from plimsoll.standing import Standing
from tasks.card_facts import card_facts
from tasks.champion import standing_of
from tasks.pages import write_page
from tasks.workspace import Workspace


def read_card(workspace: Workspace, model: str, number: int | None) -> tuple[CardFacts, str]:
    """Return what is known of a version, the champion without a number, and its card as markdown.

    Raises UserError when there is no such version, or no champion.
    """
    workspace.model(model)
    standing = standing_of(workspace, model)
    version = standing.version(number or standing.champion or 0)
    if version is None:
        raise UserError(_no_version(standing, number))
    facts = card_facts(workspace, standing, version)
    return facts, model_card(facts)


def _no_version(standing: Standing, number: int | None) -> str:
    there = ", ".join(f"v{version.number}" for version in standing.versions) or "none yet"
    if number is None:
        return f"{standing.model} has no champion; name a version. There are: {there}."
    return f"{standing.model} has no version {number}. There are: {there}."


def write_card(path: Path, text: str) -> None:
    """Write a card to a file, whole or not at all; FolderError where it cannot be written."""
    try:
        write_page(path, text)
    except OSError as error:
        raise FolderError(f"Cannot write the card {path}: {error.strerror}. Name another file.") from None
