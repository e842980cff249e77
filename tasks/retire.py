"""Retire: a verified approver stops a version's shadow scoring, from the next run that scores."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from plimsoll.approvers_config import approver_named, not_allowed
from plimsoll.business_date import date_of_decision
from plimsoll.errors import ApprovalError, ServerError
from plimsoll.ledger import Entry, append, read_ledger
from plimsoll.retirement import check_retirement, retired_entry
from plimsoll.standing import stand
from tasks.approvals import release_waiting
from tasks.batches import roles_of
from tasks.champion import mirror_aliases
from tasks.identity import raise_refusal, useless_code, verify_code
from tasks.records import utc_now
from tasks.secrecy import refuse_secrets
from tasks.workspace import Workspace


class Retired(NamedTuple):
    """A version that is retired, now or before."""

    entry: Entry
    repeated: bool
    role: str  # in which it scored until now; empty: in none
    warning: str  # what could not follow, in words

    def to_json(self) -> dict[str, Any]:
        """Return what a person is told."""
        facts, name = self.entry.facts, f"{self.entry.model} v{self.entry.facts['version']}"
        if self.repeated:
            said = f"{name} was retired already, by {self.entry.by} on {self.entry.recorded_at[:10]}. Nothing changed."
        else:
            stops = f" It scored as {self.role}; the next run that scores leaves it out." if self.role else ""
            said = f"{name} is retired, by {self.entry.by}.{stops} What it scored stays, and can be traced."
        sentence = " ".join(part for part in (said, self.warning) if part)
        return {"sentence": sentence, "entry": self.entry.n, "version": facts["version"], "repeated": self.repeated}


def retirement_needs_code(workspace: Workspace, model: str, version: int, who: str, reason: str) -> bool:
    """Return whether a retirement would look at a code; raise what `retire_as` would whatever the code."""
    by = _approver(workspace, model, who)
    refuse_secrets(reason.encode(), "The reason")
    entries = read_ledger(workspace.archive, model)
    if retired_entry(entries, version):
        return False
    raise_refusal(check_retirement(model, entries, version))
    raise_refusal(useless_code(workspace, by, datetime.now(UTC)))
    return True


def retire_as(
    workspace: Workspace,
    model: str,
    version: int,
    who: str,
    as_of: str | None,
    reason: str,
    *,
    code: str = "",
    now: datetime | None = None,
) -> Retired:
    """Retire a version on behalf of a verified approver; its open request is void with it.

    as_of is a business date, that of `decision_date` if None. Raises ApprovalError for anyone else, for a champion, and
    for a version that was never trained; UserError for a date that cannot be.
    """
    by = _approver(workspace, model, who)
    refuse_secrets(reason.encode(), "The reason")
    entries = read_ledger(workspace.archive, model)
    if there := retired_entry(entries, version):
        return Retired(there, True, "", _follow(workspace, model, version))
    raise_refusal(check_retirement(model, entries, version))
    now = now or datetime.now(UTC)
    day = date_of_decision(model, entries, as_of, now)
    standing = stand(model, entries)
    roles = dict(roles_of(workspace.model(model), standing, standing.champion)) if standing.champion else {}
    verified = verify_code(workspace, by, code, {"act": "retire", "model": model, "version": version}, now)

    def allowed(entries: Sequence[Entry]) -> None:
        raise_refusal(check_retirement(model, entries, version))

    facts = {"version": version, "reason": reason.strip(), "role": roles.get(version, ""), **verified.facts}
    entry = append(
        workspace.archive,
        model,
        "retired",
        facts=facts,
        as_of=day,
        recorded_at=utc_now(),
        by=by,
        key=f"retired:{version}",
        guard=allowed,
    )
    warning = " ".join(part for part in (verified.warning, _follow(workspace, model, version)) if part)
    return Retired(entry, entry.by != by, roles.get(version, ""), warning)


def _approver(workspace: Workspace, model: str, who: str) -> str:
    approvers = workspace.approvers().names_for(model, "retire")
    if (name := approver_named(who, approvers)) is None:
        raise ApprovalError(not_allowed(who, "retire", model, approvers))
    return name


def _follow(workspace: Workspace, model: str, version: int) -> str:
    """Let aliases and waiting runs follow; return why they could not: the ledger does not wait for servers."""
    try:
        mirror_aliases(workspace, model)
        release_waiting(workspace, model, version)
    except ServerError as error:
        return f"The ledger decides, but a server did not follow: {error}"
    return ""
