"""What MLflow says of versions that were decided about: today's card, and the entries that approved and promoted."""

from collections.abc import Iterator
from typing import Any

from plimsoll.errors import PlimsollError, ServerError
from plimsoll.ledger import Entry
from plimsoll.model_card import model_card
from plimsoll.standing import Standing, Version
from tasks.card_facts import card_facts
from tasks.mlflow_lineage import fitted
from tasks.mlflow_registry import connected
from tasks.mlflow_roles import candidates_of, promoted_versions
from tasks.pages import report_url
from tasks.workspace import Workspace


def promoted_tags(standing: Standing, number: int) -> dict[str, str]:
    """Return the tags of a version of `<model>` that say which entries approved it and made it champion last."""
    approved = standing.approvals(number)
    moves = [e for e in standing.of_kind("promoted", "rolled_back") if e.facts["version"] == number]
    named = {"approved": approved[-1:], "promoted": moves[-1:]}
    return {f"plimsoll.{what}_entry": f"{e.n}:{e.digest}" for what, found in named.items() for e in found}


def mirror_cards(workspace: Workspace, standing: Standing) -> None:
    """Let MLflow describe by today's card whom the last moves and the last decision are about, and tag the promoted.

    Both registered models are written, so it is for whoever may promote. Raises ServerError when MLflow refuses.
    """
    model = standing.model
    with connected(workspace, f"describe the versions of {model}") as client:
        copies = {one.version: one for one in promoted_versions(client, model)}
        for version in _concerned(standing):
            words = words_of(workspace, standing, version)
            client.update_model_version(candidates_of(model), str(version.number), description=words)
            if copy := copies.get(version.number):
                client.update_model_version(model, str(copy.number), description=words)
                _tag(client, model, copy.number, copy.tags, promoted_tags(standing, version.number))


def words_of(workspace: Workspace, standing: Standing, version: Version) -> str:
    """Return what MLflow shows above a version: its state, links, and its card as the records say it now.

    Where a record cannot be read the reason stands in the card's place: a decision does not wait for it.
    """
    page = report_url(workspace, workspace.reports / standing.model / f"v{version.number}.html")
    state = f"**{version.state.capitalize()}** at ledger entry {standing.entries[-1].n}."
    links = f"[Page about this version]({page}) · [Model card of its training]({page.removesuffix('.html')}-card.html)"
    card, whole = _card(workspace, standing, version), f"`plimsoll card {standing.model} {version.number}`"
    words = f"{state} The ledger says so, this is its mirror.\n\n{links}\n\n{card}"
    return fitted(words, f"\n\n… The whole card: {whole}")


def _card(workspace: Workspace, standing: Standing, version: Version) -> str:
    try:
        return model_card(card_facts(workspace, standing, version))
    except ServerError:
        raise
    except PlimsollError as error:
        return f"No card could be written: {error}"


def _concerned(standing: Standing) -> Iterator[Version]:
    moves = standing.of_kind("promoted", "rolled_back")[-2:]
    last: Entry | None = standing.last("approved", "rejected", "retired")
    numbers = {int(entry.facts["version"]) for entry in (*moves, *([last] if last else []))}
    yield from (version for version in standing.versions if version.number in numbers)


def _tag(client: Any, model: str, number: int, there: dict[str, str], wanted: dict[str, str]) -> None:
    for name, value in wanted.items():
        if there.get(name) != value:
            client.set_model_version_tag(model, str(number), name, value)
