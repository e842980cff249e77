"""Enrolling: a steward invites, the person takes a secret and shows by one code that they have it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from plimsoll.approvers_config import approver_named, not_allowed
from plimsoll.errors import UserError
from plimsoll.ledger import Entry, Guard, read_ledger
from plimsoll.one_time_code import enrolment_uri, matching_step, secret_of, typed_code
from plimsoll.people import (
    INVITED_DAYS,
    PEOPLE,
    Refusal,
    check_enrolment,
    enrolments,
    find_invitation,
    let_in_by,
    shown_time,
)
from tasks.identity import RefusedError, enter, keep_secret, raise_refusal, verify_code
from tasks.workspace import Workspace

ISSUER = "Plimsoll"


@dataclass(frozen=True)
class Offer:
    """A secret that nobody has confirmed yet; it is nowhere but here and before the person's eyes."""

    name: str
    secret: str = field(repr=False)
    again: bool
    reason: str

    @property
    def uri(self) -> str:
        """What an authenticator app reads; it holds the secret."""
        return enrolment_uri(self.secret, self.name, ISSUER)


def offer_enrolment(
    workspace: Workspace, name: str, random: bytes, now: datetime, *, again: bool = False, reason: str = ""
) -> Offer:
    """Return a new secret for a person who may enrol now; nothing is stored yet.

    random: 20 bytes. reason: why a steward goes by the signing key instead of an invitation. Raises RefusedError.
    """
    name = approver_named(name, workspace.approvers().names) or name
    _may_enrol(workspace, name, now, again, reason)(read_ledger(workspace.archive, PEOPLE))
    return Offer(name, secret_of(random), again, reason)


def confirm_enrolment(workspace: Workspace, offer: Offer, code: str, account: str, now: datetime) -> Entry:
    """Enrol a person who has shown a code of the secret offered; UserError for another code, and nothing is stored.

    account: who sits at the terminal, as the system knows them.
    """
    digits = typed_code(code)
    step = matching_step(offer.secret, digits, now) if digits else None
    if step is None:
        raise UserError("That is not the code that this secret gives now. Is the clock of the phone right?")
    guard = _may_enrol(workspace, offer.name, now, offer.again, offer.reason)
    entries = read_ledger(workspace.archive, PEOPLE)
    guard(entries)
    facts = {
        "name": offer.name,
        "secret": keep_secret(workspace, offer.name, offer.secret),
        "let_in": let_in_by(entries, workspace.approvers(), offer.name, now, offer.reason),
        "account": account,
        "step": step,
    }
    return enter(workspace, "approver_enrolled", facts, offer.name, now, guard)


def invite(workspace: Workspace, name: str, by: str, code: str, now: datetime) -> Entry:
    """Let a person of the config enrol within a week, by the word of a steward; RefusedError for anyone else."""
    known, steward = check_invitation(workspace, name, by)
    verified = verify_code(workspace, steward, code, {"act": "invite", "name": known}, now)
    expires = (now + timedelta(days=INVITED_DAYS)).isoformat(timespec="seconds")
    facts = {"name": known, "expires_at": expires, **verified.facts}
    return enter(workspace, "approver_invited", facts, steward, now, None)


def check_invitation(workspace: Workspace, name: str, by: str) -> tuple[str, str]:
    """Return whom an invitation is for and the steward who gives it; RefusedError whatever the code would be."""
    config = workspace.approvers()
    known = approver_named(name, config.names)
    if known is None:
        raise RefusedError(Refusal("unknown", f"No approver named {name!r}. Put the name in configs/approvers.yaml."))
    return known, _allowed(by, "invite", config.stewards)


def remove(workspace: Workspace, name: str, by: str, code: str, reason: str, now: datetime) -> Entry:
    """Make a person's secret worthless, by the word of a steward or their own; RefusedError for anyone else."""
    known, remover = check_removal(workspace, name, by, now)
    verified = verify_code(workspace, remover, code, {"act": "remove", "name": known}, now)
    facts = {"name": known, "reason": reason, **verified.facts}
    return enter(workspace, "approver_removed", facts, remover, now, _still(known, now))


def check_removal(workspace: Workspace, name: str, by: str, now: datetime) -> tuple[str, str]:
    """Return who would be removed and by whom; RefusedError whatever the code would be."""
    config = workspace.approvers()
    entries = read_ledger(workspace.archive, PEOPLE)
    known = approver_named(name, (*enrolments(entries), *config.names)) or name  # a name may be gone from the config
    _still(known, now)(entries)
    return known, _allowed(by, "remove", tuple(sorted({*config.stewards, known})))


def list_people(workspace: Workspace, now: datetime) -> list[dict[str, Any]]:
    """Return everyone of the config, and whoever is enrolled beside it, as JSON."""
    config, entries = workspace.approvers(), read_ledger(workspace.archive, PEOPLE)
    enrolled = enrolments(entries)
    rows = [
        {"name": one.name, "roles": list(one.roles), "models": list(one.models), **_state(entries, one.name, now)}
        for one in config.approvers
    ]
    strange = sorted(enrolled.keys() - set(config.names))  # enrolled once, and no longer named: may do nothing
    return rows + [{"name": name, "roles": [], "models": [], **_state(entries, name, now)} for name in strange]


def _state(entries: Sequence[Entry], name: str, now: datetime) -> dict[str, Any]:
    person, invited = enrolments(entries).get(name), find_invitation(entries, name, now)
    until = person.locked_until if person else None
    return {
        "enrolled": person.since if person else None,
        "let_in_by": person.let_in if person else None,
        "wrong_codes": person.wrong if person else 0,
        "locked_until": until.isoformat(timespec="seconds") if until and now < until else None,
        "invited_by": invited.by if invited else None,
        "invited_until": invited.facts["expires_at"] if invited else None,
    }


def _may_enrol(workspace: Workspace, name: str, now: datetime, again: bool, reason: str) -> Guard:
    config = workspace.approvers()
    return lambda entries: raise_refusal(check_enrolment(entries, config, name, now, again, reason))


def _still(name: str, now: datetime) -> Guard:
    """Refuse where there is nothing to remove: neither an enrolment nor an invitation."""

    def guard(entries: Sequence[Entry]) -> None:
        if name not in enrolments(entries) and find_invitation(entries, name, now) is None:
            raise RefusedError(Refusal("not_enrolled", f"{name} is neither enrolled nor invited on {shown_time(now)}."))

    return guard


def _allowed(who: str, act: str, may: tuple[str, ...]) -> str:
    name = approver_named(who, may)
    if name is None:
        raise RefusedError(Refusal("unknown_approver", not_allowed(who, act, "people", may)))
    return name
