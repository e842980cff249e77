"""The champion: the ledger says which version it is, MLflow's aliases repeat it."""

from plimsoll.errors import ApprovalError
from plimsoll.ledger import Entry, append, read_ledger
from plimsoll.standing import Standing, stand
from tasks.mlflow_registry import mirror_alias, read_alias
from tasks.records import utc_now
from tasks.workspace import Workspace


def standing_of(workspace: Workspace, model: str) -> Standing:
    """Return where a model stands, from its ledger."""
    return stand(model, read_ledger(workspace.store, model))


def promote(workspace: Workspace, model: str, version: int, *, by: str, as_of: str) -> Entry:
    """Make an approved version the champion, once, and mirror it to MLflow."""
    approved = [e for e in standing_of(workspace, model).of_kind("approved") if e.facts["version"] == version]
    if not approved:
        raise ApprovalError(f"{model} v{version} was never approved, so it cannot be promoted. See: plimsoll pending")
    entry = append(
        workspace.store,
        model,
        "promoted",
        facts={"version": version, "approval": approved[-1].n},
        as_of=as_of,
        recorded_at=utc_now(),
        by=by,
        key=f"promoted:{approved[-1].n}",
    )
    mirror_aliases(workspace, model)
    return entry


def roll_back(workspace: Workspace, model: str, to: int | None, *, by: str, as_of: str, reason: str) -> Entry:
    """Make a former champion the champion again; without `to`, the one before this.

    Raises ApprovalError when there is none, or when the version never was champion.
    """
    standing = standing_of(workspace, model)
    target = to if to is not None else standing.previous
    former = {int(e.facts["version"]) for e in standing.of_kind("promoted", "rolled_back")}
    if target is None or target not in former or target == standing.champion:
        others = sorted(former - {standing.champion or 0})
        can = f"It can go back to {', '.join(f'v{v}' for v in others)}." if others else "It has no earlier champion."
        asked = f"v{target}" if target is not None else "the champion before this"
        raise ApprovalError(f"{model} cannot be rolled back to {asked}. {can} A new version needs an approval.")
    entry = append(
        workspace.store,
        model,
        "rolled_back",
        facts={"version": target, "from": standing.champion, "reason": reason},
        as_of=as_of,
        recorded_at=utc_now(),
        by=by,
    )
    mirror_aliases(workspace, model)
    return entry


def mirror_aliases(workspace: Workspace, model: str) -> None:
    """Make MLflow's `champion` and `challenger` say what the ledger says."""
    standing = standing_of(workspace, model)
    challengers = [v.number for v in standing.versions if v.state == "requested"]
    wanted = {"champion": standing.champion, "challenger": challengers[-1] if challengers else None}
    for alias, version in wanted.items():
        if read_alias(workspace, model, alias) != version:
            mirror_alias(workspace, model, alias, version)


def alias_warning(workspace: Workspace, model: str, champion: int) -> str:
    """Return a sentence when MLflow's champion is not the ledger's, else nothing."""
    found = read_alias(workspace, model, "champion")
    if found == champion:
        return ""
    said = f"v{found}" if found is not None else "nothing"
    return (
        f"MLflow's alias champion points at {said}, the ledger says v{champion}: the alias was moved by hand. "
        f"v{champion} is served."
    )
