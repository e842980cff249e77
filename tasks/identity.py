"""Identity: a person proves who they are by a one-time code, which counts once in the whole installation."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plimsoll.errors import ApprovalError, IntegrityError
from plimsoll.ledger import Entry, Guard, Kind, append, read_ledger
from plimsoll.one_time_code import LONGEST_WAIT, entered_at, matching_step, typed_code
from plimsoll.people import PEOPLE, Enrolment, Refusal, check_code, enrolments, wrong_code
from plimsoll.seal import SHOWN
from plimsoll.store import get_object, put_object
from tasks.workspace import Workspace

PURPOSE = "plimsoll: secrets of approvers, 1"
STATED = "Expected the six digits that the authenticator app shows now, found something else. Nothing was counted."
LATE = "The code waited longer than the {} minutes for which it is believed, so nobody looked at it. Enter a new one."


@dataclass(frozen=True)
class Verified:
    """A person who proved to be who they say they are."""

    name: str
    step: int  # of the code
    enrolment: int  # entry of the ledger of people that enrolled them
    entry: int  # entry of the ledger of people that used the code up
    wrong_before: int  # wrong codes in their name since the last accepted one

    @property
    def facts(self) -> dict[str, Any]:
        """What a ledger entry keeps of it; the code is not among it."""
        how = {"how": "totp", "step": self.step, "enrolment": self.enrolment, "entry": self.entry}
        return {"identity": "verified", "verified": how}

    @property
    def warning(self) -> str:
        """A sentence for the person when somebody else may have tried in their name."""
        if not self.wrong_before:
            return ""
        return f"Wrong codes entered in the name of {self.name} since the last right one: {self.wrong_before}."


class RefusedError(ApprovalError):
    """Something that was refused, with the rule that refused it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.rule = refusal.rule


class UnreadableSecretError(IntegrityError):
    """A person's secret that another key encrypted, or that is gone or changed: no code of theirs can be checked."""


def verify_code(
    workspace: Workspace,
    name: str,
    code: str,
    act: Mapping[str, Any],
    now: datetime,
    entered: datetime | None = None,
) -> Verified:
    """Use up a person's code for one act and return who it proves; act says what it is for.

    entered: when the code was filled in, where that was a while ago; it has to be a code of then. After some minutes
    it is not looked at.

    The entry that uses the code up is the proof: of two processes with one code one wins. Raises RefusedError for
    a code that is wrong, used, or not looked at; a wrong one is counted. Raises UnreadableSecretError.
    """
    moment, digits = entered_at(entered, now), typed_code(code)
    if moment is None:
        raise RefusedError(Refusal("late", LATE.format(int(LONGEST_WAIT.total_seconds() / 60))))
    known = read_ledger(workspace.archive, PEOPLE)
    person = enrolments(known).get(name)
    raise_refusal(check_code(person, name, None, now))
    if digits is None:
        raise RefusedError(Refusal("no_code", STATED))
    assert person is not None  # noqa: S101  # just checked
    step = matching_step(secret_of_person(workspace, person), digits, moment)
    before = 0

    def guard(entries: Sequence[Entry]) -> None:
        nonlocal before
        there = enrolments(entries).get(name)
        raise_refusal(check_code(there, name, step, now))
        if there is None or there.n != person.n:
            raise RefusedError(Refusal("not_enrolled", f"{name} enrolled anew meanwhile. Enter a code of the new one."))
        before = there.wrong

    facts = {"name": name, "enrolment": person.n, "for": dict(act)}
    if step is None:
        enter(workspace, "code_refused", facts, name, now, guard, known)
        raise RefusedError(wrong_code(name, before + 1))
    entry = enter(workspace, "code_accepted", {**facts, "step": step}, name, now, guard, known)
    return Verified(name, step, person.n, entry.n, before)


def useless_code(workspace: Workspace, name: str, now: datetime) -> Refusal | None:
    """Return why no code of a person is looked at now: they are not enrolled, or locked; None when one is."""
    return check_code(enrolments(read_ledger(workspace.archive, PEOPLE)).get(name), name, None, now)


def enter(
    workspace: Workspace,
    kind: Kind,
    facts: dict[str, Any],
    by: str,
    now: datetime,
    guard: Guard | None,
    known: Sequence[Entry] = (),
) -> Entry:
    """Append to the ledger of people; known are its entries as the caller read them.

    A nonce makes each entry its own: of two guesses in one millisecond, alike but for the code that nobody keeps, the
    second would find its own bytes written, and not be counted.
    """
    day, clock = now.date().isoformat(), now.isoformat(timespec="milliseconds")
    about: dict[str, Any] = {
        "facts": {**facts, "nonce": secrets.token_hex(8)},
        "as_of": day,
        "recorded_at": clock,
        "by": by,
    }
    return append(workspace.archive, PEOPLE, kind, **about, guard=guard, known=known)


def raise_refusal(refusal: Refusal | None) -> None:
    """Raise RefusedError when there is a refusal."""
    if refusal:
        raise RefusedError(refusal)


def keep_secret(workspace: Workspace, name: str, secret: str) -> str:
    """Store a person's secret encrypted, bound to their name, and return the digest of the object."""
    return put_object(workspace.store, _cipher(workspace).encrypt(f"{name}:{secret}".encode()))


def secret_of_person(workspace: Workspace, person: Enrolment) -> str:
    """Return a person's secret; it is for checking a code and for nothing else.

    Raises UnreadableSecretError when another installation's key encrypted it, or when it is gone or changed.
    """
    from cryptography.fernet import InvalidToken

    try:
        plain = str(_cipher(workspace).decrypt(get_object(workspace.store, person.secret)), "utf-8")
    except InvalidToken:
        raise UnreadableSecretError(
            f"The secret of {person.name} was stored with the key {person.signer[:SHOWN]}, and this installation holds "
            f"{workspace.archive.seal.public[:SHOWN]}. Decide where that key is, or enrol again: docs/approvals.md."
        ) from None
    except IntegrityError as lost:
        raise UnreadableSecretError(f"The secret of {person.name} cannot be read. {lost}") from None
    name, _, secret = plain.partition(":")
    if name != person.name:
        raise UnreadableSecretError(
            f"The secret of {person.name} is that of {name!r}. Remove {person.name} and enrol again."
        )
    return secret


def _cipher(workspace: Workspace) -> Any:
    from base64 import urlsafe_b64encode

    from cryptography.fernet import Fernet

    return Fernet(urlsafe_b64encode(workspace.archive.seal.derive(PURPOSE)))
