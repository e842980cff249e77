"""Rollback: a former champion proves that it scores as it did before it is champion again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from plimsoll.approvers_config import approver_named, not_allowed
from plimsoll.business_date import date_of_decision
from plimsoll.errors import ApprovalError, ChangedFeaturesError, IntegrityError, ServerError
from plimsoll.ledger import Entry, append
from plimsoll.probe import Probe, Proof, probe_from_json, require_same_scores
from plimsoll.retirement import retired_entry
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing, Version, stand
from plimsoll.store import get_json
from tasks.bundles import open_bundle
from tasks.champion import mirror_aliases, standing_of
from tasks.features import changed_features
from tasks.identity import raise_refusal, useless_code, verify_code
from tasks.records import utc_now
from tasks.secrecy import refuse_secrets
from tasks.version_config import own_config
from tasks.workspace import Workspace


class Rollback(NamedTuple):
    """A rollback that was made, or had been made already."""

    entry: Entry
    repeated: bool  # the same person had asked for the same before
    warning: str  # what could not follow, in words

    @property
    def proof(self) -> Proof:
        """The proof that the entry holds."""
        return Proof(**self.entry.facts["proof"])

    def to_json(self) -> dict[str, Any]:
        """Return what a person is told."""
        facts, model = self.entry.facts, self.entry.model
        since = f" already, since {self.entry.recorded_at}" if self.repeated else ""
        said = f"{model} v{facts['version']} is champion again{since}, by {self.entry.by}; it was v{facts['from']}."
        sentence = " ".join(part for part in (said, self.proof.sentence, self.warning) if part)
        return {"sentence": sentence, "entry": self.entry.n, "repeated": self.repeated, "proof": facts["proof"]}


def rollback_target(standing: Standing, to: int | None) -> int:
    """Return the version that a rollback goes to; without `to` the champion before this one.

    After a rollback `to` has to be said: the champion before is the one that was left. Raises ApprovalError.
    """
    moves = standing.of_kind("promoted", "rolled_back")
    retired = {int(e.facts["version"]): e for e in standing.of_kind("retired")}
    former = {int(e.facts["version"]) for e in moves} - {standing.champion or 0} - set(retired)
    if to is None and moves and moves[-1].kind == "rolled_back":
        last = moves[-1]
        raise ApprovalError(
            f"{standing.model} v{last.facts['version']} is champion by a rollback already, by {last.by} at "
            f"{last.recorded_at}. Say where to go: --to {last.facts['from']} undoes it. Nothing was changed."
        )
    target = to if to is not None else standing.previous
    if target is None or target not in former:
        can = f"It can go back to {', '.join(f'v{v}' for v in sorted(former))}." if former else ""
        asked = f"v{target}" if target is not None else "the champion before this"
        asked += f", which {retired[target].by} retired" if target in retired else ""
        raise ApprovalError(
            f"{standing.model} cannot be rolled back to {asked}. {can or 'It has no earlier champion.'} "
            "A new version needs an approval."
        )
    return target


def prove(workspace: Workspace, standing: Standing, number: int) -> Proof:
    """Load a version and score the last batch that it scored, or the rows kept at its registration, once more.

    Raises IntegrityError that names what is damaged, gone or scored otherwise.
    """
    from tasks.assemble import reassemble

    model = standing.model
    version = standing.version(number)
    if version is None:
        raise IntegrityError(
            f"{model} v{number} was champion but never trained: look at plimsoll history {model} --all"
        )
    bundle = open_bundle(workspace.archive, model, number, version.bundle)
    said = _last_batch(standing, number) or version.trained
    probe = _scored_in_service(workspace, said, number) if said.kind == "batch_committed" else _kept(workspace, version)
    snapshot = str(said.facts["snapshot"])
    config = own_config(workspace, workspace.model(model), str(version.trained.facts["run"]))
    frame = reassemble(workspace, config, load_snapshot(workspace.store, snapshot), probe.partition)
    require_same_scores(bundle, frame, probe, f"{model} v{number}")
    date = str(said.facts.get("date", probe.partition))
    by: Literal["batch", "probe"] = "batch" if said.kind == "batch_committed" else "probe"
    return Proof(number, by, date, said.n, len(probe.keys), snapshot, probe.digest)


def prove_rollback_as(workspace: Workspace, model: str, to: int | None, who: str) -> Proof:
    """Prove that an approver's rollback would be safe, and change nothing, so that the name need not be proved.

    Raises what `roll_back_as` does.
    """
    _approver(workspace, model, who)
    standing = standing_of(workspace, model)
    target = rollback_target(standing, to)
    _require_features(workspace, standing, target)
    return prove(workspace, standing, target)


def rollback_needs_code(workspace: Workspace, model: str, to: int | None, who: str, reason: str) -> bool:
    """Return whether a rollback would look at a code; raise what `roll_back_as` would whatever the code."""
    by = _approver(workspace, model, who)
    refuse_secrets(reason.encode(), "The reason")
    standing = standing_of(workspace, model)
    if to is not None and _asked_before(standing, to, by):
        return False
    _require_features(workspace, standing, rollback_target(standing, to))
    raise_refusal(useless_code(workspace, by, datetime.now(UTC)))
    return True


def roll_back_as(
    workspace: Workspace,
    model: str,
    to: int | None,
    who: str,
    as_of: str | None,
    reason: str,
    *,
    code: str = "",
    now: datetime | None = None,
) -> Rollback:
    """Make a former champion the champion again on behalf of a verified approver, once it has proved itself.

    as_of is a business date, that of `decision_date` if None. The code is used up before the proof, which can take
    longer than a code lives. Raises ApprovalError for anyone else, when there is no such champion, or when another
    decision came first; UserError for a date that cannot be; ChangedFeaturesError, before the code is
    used up, when scoring would refuse it for its feature function; IntegrityError when it is not what it was.
    """
    by = _approver(workspace, model, who)
    refuse_secrets(reason.encode(), "The reason")
    standing = standing_of(workspace, model)
    if to is not None and (there := _asked_before(standing, to, by)):
        return Rollback(there, True, _mirror(workspace, model))
    target, now = rollback_target(standing, to), now or datetime.now(UTC)
    day = date_of_decision(model, standing.entries, as_of, now)
    _require_features(workspace, standing, target)
    act = {"act": "roll back", "model": model, "from": standing.champion, "version": target}
    verified = verify_code(workspace, by, code, act, now)
    proof = prove(workspace, standing, target)

    def unchanged(entries: Sequence[Entry]) -> None:
        found = stand(model, entries)
        if retired := retired_entry(entries, target):
            raise ApprovalError(f"{model} v{target} was retired meanwhile by {retired.by}, so nothing was rolled back.")
        if found.champion != standing.champion:
            last = found.of_kind("promoted", "rolled_back")[-1]
            raise ApprovalError(
                f"{model} v{found.champion} became champion meanwhile, by {last.by} (entry {last.n}), so it was not "
                f"rolled back from v{standing.champion}. Look first: plimsoll history {model}"
            )

    facts = {"version": target, "from": standing.champion, "reason": reason, "proof": proof.to_json()}
    entry = append(
        workspace.archive,
        model,
        "rolled_back",
        facts={**facts, **verified.facts},
        as_of=day,
        recorded_at=utc_now(),
        by=by,
        guard=unchanged,
    )
    return Rollback(entry, False, _mirror(workspace, model))


def _require_features(workspace: Workspace, standing: Standing, number: int) -> None:
    if (version := standing.version(number)) is None:
        return  # the proof says so
    config, trained_by = workspace.model(standing.model), str(version.trained.facts["run"])
    if changed := changed_features(workspace, config, trained_by, f"{standing.model} v{number}"):
        raise ChangedFeaturesError(f"{changed.rstrip('.')}. Nothing was rolled back.")


def _approver(workspace: Workspace, model: str, who: str) -> str:
    approvers = workspace.approvers().names_for(model, "roll back")
    if (name := approver_named(who, approvers)) is None:
        raise ApprovalError(not_allowed(who, "roll back", model, approvers))
    return name


def _asked_before(standing: Standing, to: int, by: str) -> Entry | None:
    """Return the rollback that made a version champion, when it is the last move and the same person's."""
    moves = standing.of_kind("promoted", "rolled_back")
    if moves and moves[-1].kind == "rolled_back" and moves[-1].facts["version"] == to and moves[-1].by == by:
        return moves[-1]
    return None


def _mirror(workspace: Workspace, model: str) -> str:
    """Let MLflow's aliases follow; return why they could not: a rollback does not wait for MLflow."""
    try:
        mirror_aliases(workspace, model)
    except ServerError as error:
        return f"The ledger decides, but MLflow's alias did not follow: {error}"
    return ""


def _last_batch(standing: Standing, number: int) -> Entry | None:
    batches = standing.of_kind("batch_committed")
    return next((e for e in reversed(batches) if str(number) in e.facts["versions"]), None)


def _kept(workspace: Workspace, version: Version) -> Probe:
    return probe_from_json(get_json(workspace.store, str(version.trained.facts["probe"])))


def _scored_in_service(workspace: Workspace, batch: Entry, number: int) -> Probe:
    """Return what a version scored in a batch, after checking the batch's rows against the ledger."""
    from tasks.assemble import batch_partition
    from tasks.committed_rows import committed_rows

    rows = committed_rows(workspace, batch)
    mine = rows[rows["version"] == number]
    return Probe(
        batch_partition(workspace.model(batch.model), str(batch.facts["date"])),
        tuple(mine["key"]),
        tuple(mine["score"]),
    )
