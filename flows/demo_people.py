"""The demo's people: ada and grace enrol as anybody does, and their authenticator apps are in this process's memory."""

import datetime as dt
import secrets
import time

from plimsoll.one_time_code import SECRET_BYTES, STEP_SECONDS, WINDOW, code_at, step_at
from plimsoll.people import Enrolment
from tasks.workspace import Workspace

FIRST, SECOND, READER = "ada", "grace", "you"


class Phone:
    """One person's authenticator app: it knows the secret that its owner was shown at enrolment."""

    def __init__(self, workspace: Workspace, owner: str) -> None:
        from tasks.enrol import confirm_enrolment, offer_enrolment

        self.workspace, self.owner = workspace, owner
        now = dt.datetime.now(dt.UTC)
        offer = offer_enrolment(workspace, owner, secrets.token_bytes(SECRET_BYTES), now)
        self._secret = offer.secret
        confirm_enrolment(workspace, offer, code_at(self._secret, step_at(now) - WINDOW), "demo", now)

    def code(self) -> str:
        """Return the oldest code that still counts and was not used; without one, wait for the next."""
        used = self._person().last_step
        while used >= step_at(dt.datetime.now(dt.UTC)) + WINDOW:
            time.sleep(STEP_SECONDS / 10)
        return code_at(self._secret, max(used + 1, step_at(dt.datetime.now(dt.UTC)) - WINDOW))

    def _person(self) -> Enrolment:
        from plimsoll.ledger import read_ledger
        from plimsoll.people import PEOPLE, enrolments

        return enrolments(read_ledger(self.workspace.archive, PEOPLE))[self.owner]


def enrol_team(workspace: Workspace) -> dict[str, Phone]:
    """Enrol the first steward, and by her word the second person; return their phones."""
    phones = {FIRST: Phone(workspace, FIRST)}
    invite_to(workspace, phones[FIRST], SECOND)
    return {**phones, SECOND: Phone(workspace, SECOND)}


def invite_to(workspace: Workspace, phone: Phone, name: str) -> None:
    """Let somebody enrol by the word of a phone's owner."""
    from tasks.enrol import invite

    invite(workspace, name, phone.owner, phone.code(), dt.datetime.now(dt.UTC))
