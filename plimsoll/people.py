"""The people: who is enrolled, by whose word, which codes they used and how often somebody entered a wrong one.

All of it is folded from one ledger beside those of the models, so that two processes cannot use a code twice, and
nobody who cannot write to the ledger can make a wrong try forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from plimsoll.approvers_config import ApproversConfig, not_allowed
from plimsoll.ledger import Entry

PEOPLE = "_approvers"  # the name of their ledger; no model can have it
INVITED_DAYS = 7
FREE_TRIES = 5
FIRST_LOCK = timedelta(minutes=5)
LONGEST_LOCK = timedelta(days=1)
ENROL = "plimsoll approver add"


@dataclass(frozen=True)
class Refusal:
    """Why something was not accepted; rule is the stable slug of the rule that refused."""

    rule: str
    sentence: str


@dataclass(frozen=True)
class Enrolment:
    """A person with a secret, and what became of the codes entered in their name."""

    name: str
    n: int  # the entry that enrolled them
    secret: str  # digest of the object that holds it, encrypted
    signer: str  # the public key of the installation that can decrypt it
    since: str
    let_in: str  # by whose word
    last_step: int  # of the newest code that was accepted: only later ones count
    wrong: int = 0  # codes since the last one that was accepted
    wrong_at: str = ""  # when the last of them came

    @property
    def locked_until(self) -> datetime | None:
        """When the next code is looked at; None when it is at once."""
        return datetime.fromisoformat(self.wrong_at) + lock_after(self.wrong) if self.wrong >= FREE_TRIES else None


def lock_after(wrong: int) -> timedelta:
    """Return how long nothing is looked at after so many wrong codes in a row: none before five, then it doubles.

    It ends at a day, so that whoever guesses in another's name has about one try a day, and cannot lock them out
    for longer (RFC 4226, section 7.3).
    """
    doubled = min(max(wrong - FREE_TRIES, 0), 30)
    return min(FIRST_LOCK * 2**doubled, LONGEST_LOCK) if wrong >= FREE_TRIES else timedelta(0)


def enrolments(entries: Sequence[Entry]) -> dict[str, Enrolment]:
    """Return everyone who is enrolled, by name."""
    found: dict[str, Enrolment] = {}
    for entry in entries:
        name = str(entry.facts["name"])
        if entry.kind == "approver_enrolled":
            found[name] = _enrolled(entry)
        elif entry.kind == "approver_removed":
            found.pop(name, None)
        elif name in found and entry.kind == "code_accepted":
            found[name] = replace(found[name], last_step=int(entry.facts["step"]), wrong=0, wrong_at="")
        elif name in found and entry.kind == "code_refused":
            found[name] = replace(found[name], wrong=found[name].wrong + 1, wrong_at=entry.recorded_at)
    return found


def check_code(enrolment: Enrolment | None, name: str, step: int | None, now: datetime) -> Refusal | None:
    """Return why a code is not looked at, or may not be used, None when it may; step is None for a wrong code.

    The lock comes first: while it lasts nobody learns whether a code was right.
    """
    if enrolment is None:
        return Refusal("not_enrolled", f"{name} is not enrolled, so no code can be checked. Enrol: {ENROL} {name}")
    until = enrolment.locked_until
    if until and now < until:
        said = f"{enrolment.wrong} wrong codes in a row were entered in the name of {name}"
        return Refusal("locked", f"{said}. The next one is looked at from {shown_time(until)}; until then none is.")
    if step is not None and step <= enrolment.last_step:
        return Refusal("code_used", "This code, or a later one, was used before. Wait for the next one: half a minute.")
    return None


def wrong_code(name: str, wrong: int) -> Refusal:
    """Return what is said about a wrong code; wrong counts it and those in a row before it."""
    if wrong < FREE_TRIES:
        then = f"After {FREE_TRIES - wrong} more wrong ones none is looked at for {_length(FIRST_LOCK)}"
    else:
        then = f"It was the {wrong}th wrong one in a row: none is looked at for {_length(lock_after(wrong))}"
    return Refusal("wrong_code", f"That is not the code of {name} now. {then}.")


def find_invitation(entries: Sequence[Entry], name: str, now: datetime) -> Entry | None:
    """Return the newest invitation that a person can still enrol by: not used, withdrawn or expired.

    It goes with the enrolment of the steward who gave it, so that a stolen phone lets nobody in later.
    """
    mine = [e for e in entries if e.facts.get("name") == name and e.kind in _ABOUT_ENROLMENT]
    last = mine[-1] if mine else None
    if last is None or last.kind != "approver_invited":
        return None
    steward = enrolments(entries).get(last.by)
    if steward is None or steward.n != last.facts["verified"]["enrolment"]:
        return None
    return last if now < datetime.fromisoformat(last.facts["expires_at"]) else None


def let_in_by(entries: Sequence[Entry], config: ApproversConfig, name: str, now: datetime, reason: str) -> str | None:
    """Return by whose word a person may enrol now, in words; None when by nobody's.

    The very first to enrol is a steward, and everyone after needs an invitation. reason: a steward who has no
    colleague left to ask goes by the signing key, and says why.
    """
    if reason:
        return f"the signing key: {reason}" if name in config.stewards else None
    if not any(entry.kind == "approver_enrolled" for entry in entries):
        return "nobody: the first" if name in config.stewards else None
    invited = find_invitation(entries, name, now)
    return f"{invited.by} (entry {invited.n})" if invited and invited.by in config.stewards else None


def check_enrolment(
    entries: Sequence[Entry], config: ApproversConfig, name: str, now: datetime, again: bool, reason: str
) -> Refusal | None:
    """Return why a person cannot enrol now, None when they can."""
    if name not in config.names:
        return Refusal("unknown", f"No approver named {name!r}. Expected one of {', '.join(config.names)}.")
    there = enrolments(entries).get(name)
    if there and not again:
        when = shown_time(datetime.fromisoformat(there.since))
        new = f"A new secret makes the old one worthless: {ENROL} {name} --again"
        return Refusal("enrolled", f"{name} is enrolled since {when}. {new}")
    if let_in_by(entries, config, name, now, reason):
        return None
    stewards = [s for s in config.stewards if s in enrolments(entries)]
    if reason or not any(entry.kind == "approver_enrolled" for entry in entries):
        may = not_allowed(name, "be the first to enrol" if not reason else "enrol by the key", "here", config.stewards)
        return Refusal("no_steward", may)
    ask = f"Ask {' or '.join(stewards)}" if stewards else "No steward is enrolled; docs/approvals.md says what to do"
    return Refusal("not_invited", f"{name} was not invited. {ask}: plimsoll approver invite {name} --as STEWARD")


def shown_time(moment: datetime) -> str:
    """Return a moment in words, UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


_ABOUT_ENROLMENT = ("approver_invited", "approver_enrolled", "approver_removed")


def _enrolled(entry: Entry) -> Enrolment:
    facts = entry.facts
    return Enrolment(
        name=str(facts["name"]),
        n=entry.n,
        secret=str(facts["secret"]),
        signer=entry.signer,
        since=entry.recorded_at,
        let_in=str(facts["let_in"]),
        last_step=int(facts["step"]),
    )


def _length(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
