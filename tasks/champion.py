"""The champion: the ledger says which version it is, MLflow's aliases repeat it."""

from collections.abc import Sequence

from plimsoll.archive import Head
from plimsoll.errors import ApprovalError
from plimsoll.ledger import Entry, append, read_ledger
from plimsoll.retirement import retired_entry
from plimsoll.run_record import require_record
from plimsoll.standing import Standing, stand
from tasks.mlflow_roles import STRANGE, candidates_of, mirror_alias, mirror_head, read_alias
from tasks.promoted_card import mirror_cards
from tasks.records import utc_now
from tasks.workspace import Workspace


def standing_of(workspace: Workspace, model: str) -> Standing:
    """Return where a model stands, from its ledger."""
    return stand(model, read_ledger(workspace.archive, model))


def promote(workspace: Workspace, model: str, version: int, *, by: str, as_of: str) -> Entry:
    """Make an approved version the champion, once, and mirror it to MLflow; refused without its training's record."""
    standing = standing_of(workspace, model)
    approved = standing.approvals(version)
    if not approved:
        said = "was never approved by as many as its policy asks for"
        raise ApprovalError(f"{model} v{version} {said}, so it cannot be promoted. See: plimsoll pending")
    if trained := standing.version(version):
        require_record(workspace.archive, str(trained.trained.facts["run"]))

    def not_retired(entries: Sequence[Entry]) -> None:
        if retired := retired_entry(entries, version):
            raise ApprovalError(f"{model} v{version} was retired by {retired.by}, so it cannot be promoted.")

    entry = append(
        workspace.archive,
        model,
        "promoted",
        facts={"version": version, "approval": approved[-1].n},
        as_of=as_of,
        recorded_at=utc_now(),
        by=by,
        key=f"promoted:{approved[-1].n}",
        guard=not_retired,
    )
    mirror_aliases(workspace, model)
    return entry


def mirror_aliases(workspace: Workspace, model: str) -> None:
    """Make MLflow's `champion` and `challenger` say what the ledger says, and leave a copy of its head by both.

    The versions that the last moves and the last decision are about get today's card for a description.
    For whoever may promote: a trainer has no right to write where the champion is.
    """
    standing = mirror_challenger(workspace, model)
    if read_alias(workspace, model, "champion") != standing.champion:
        mirror_alias(workspace, model, "champion", standing.champion)
    mirror_cards(workspace, standing)
    if standing.champion is not None:
        mirror_head(workspace, model, Head(standing.entries[-1].n, standing.entries[-1].digest))


def mirror_challenger(workspace: Workspace, model: str) -> Standing:
    """Make MLflow's `challenger` say what the ledger says, leave a copy of its head beside the candidates, and return
    where the model stands."""
    standing = standing_of(workspace, model)
    wanted = wanted_aliases(standing)["challenger"]
    if read_alias(workspace, model, "challenger") != wanted:
        mirror_alias(workspace, model, "challenger", wanted)
    if standing.versions:
        mirror_head(workspace, candidates_of(model), Head(standing.entries[-1].n, standing.entries[-1].digest))
    return standing


def wanted_aliases(standing: Standing) -> dict[str, int | None]:
    """Return the version that each of MLflow's aliases should point at; None where there should be no alias."""
    challengers = [v.number for v in standing.versions if v.state == "requested"]
    return {"champion": standing.champion, "challenger": challengers[-1] if challengers else None}


def alias_warning(workspace: Workspace, model: str, champion: int) -> str:
    """Return a sentence when MLflow's champion is not the ledger's, else nothing."""
    found = read_alias(workspace, model, "champion")
    if found == champion:
        return ""
    said = f"v{found}" if found is not None else "nothing"
    said = "a version that is none of the ledger" if found == STRANGE else said
    return (
        f"MLflow's alias champion points at {said}, the ledger says v{champion}: the alias was moved by hand. "
        f"v{champion} is served. Put the alias back with: plimsoll repair {model}"
    )
