"""The line of champions: which version stood when, by whose decision, on what evidence.

Two clocks run in a ledger. `as_of` is the business date, simulated in a replay of the past; `recorded_at` is the
wall clock (UTC). A date asks the first, a time the second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import zip_longest
from typing import Any

from plimsoll.business_date import business_dates
from plimsoll.errors import UserError
from plimsoll.ledger import Entry
from plimsoll.standing import Standing
from plimsoll.trace_facts import approval_facts


@dataclass(frozen=True)
class Reign:
    """One version's time as champion."""

    version: int
    since: str  # business date; what was scored on it before is the former champion's
    since_recorded: str  # wall clock
    until: str | None  # business date of the next move; None while it stands
    until_recorded: str | None
    how: str  # promoted or rolled_back
    by: str  # who made it champion
    reason: str  # of a rollback
    entry: int
    approval: dict[str, Any] | None  # who approved the version, when, on which evidence and gates

    def to_json(self) -> dict[str, Any]:
        """Return the reign as JSON."""
        return asdict(self)


def reigns(standing: Standing) -> list[Reign]:
    """Return the champions of a model, oldest first; a version that came back is there twice."""
    moves = standing.of_kind("promoted", "rolled_back")
    on = business_dates(standing.entries)
    return [_reign(standing, on, move, after) for move, after in zip_longest(moves, moves[1:])]


def reign_at(standing: Standing, at: date | datetime) -> Reign | None:
    """Return who was champion at the end of a business date, or at a time of the wall clock; None before the first."""
    found = None
    for reign in reigns(standing):
        if isinstance(at, datetime):
            came = datetime.fromisoformat(reign.since_recorded) <= at
        else:
            came = reign.since <= at.isoformat()
        found = reign if came else found
    return found


def parse_at(text: str) -> date | datetime:
    """Return the date or the time (UTC, unless it names another zone) that a person wrote; UserError otherwise."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"--at: expected a business date like 2013-05-01 or a time like 2026-11-21T10:30 (UTC), found {text!r}."
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def served_at(standing: Standing, at: date | datetime) -> list[int]:
    """Return the versions that scored a business date as champion, in that order; none for a time of the clock.

    More than one when the date was scored again under a later champion.
    """
    batches = [] if isinstance(at, datetime) else standing.of_kind("batch_committed")
    roles = [batch.facts["versions"] for batch in batches if batch.facts["date"] == at.isoformat()]
    return [int(number) for versions in roles for number, role in versions.items() if role == "champion"]


def told_at(model: str, reign: Reign | None, at: date | datetime, served: Sequence[int] = ()) -> str:
    """Return in words who was champion at the end of a date or at a time, and who scored the date where others did."""
    said, mine = _told_at(model, reign, at), [reign.version] if reign else []
    if not served or [*served] == mine:
        return said
    first, *again = (f"v{number}" for number in served)
    return f"{said} As champion {first} scored the batch of {at}{', and later ' + ', '.join(again) if again else ''}."


def _told_at(model: str, reign: Reign | None, at: date | datetime) -> str:
    when = f"at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if isinstance(at, datetime) else f"on {at}"
    if reign is None:
        return f"{model} had no champion {when}."
    if reign.since == str(at):
        when = f"at the end of {at}"  # another may have been before
    until = f"until {reign.until}" if reign.until else "and still is"
    return f"{model} v{reign.version} was champion {when}: since {reign.since}, {until}."


def champion_rows(line: Sequence[Reign]) -> list[list[Any]]:
    """Return the line of champions as rows: version, from, to, by whom, approved by."""
    return [
        [
            f"v{reign.version}",
            reign.since,
            reign.until or "now",
            _how(reign),
            f"{reign.approval['by']}: {reign.approval['comment']}".rstrip(": ") if reign.approval else "nobody",
        ]
        for reign in line
    ]


def _how(reign: Reign) -> str:
    if reign.how == "promoted":
        return f"promoted by {reign.by}"
    return f"rolled back by {reign.by}{': ' + reign.reason if reign.reason else ''}"


def _reign(standing: Standing, on: Mapping[int, str], move: Entry, after: Entry | None) -> Reign:
    number = int(move.facts["version"])
    return Reign(
        version=number,
        since=on[move.n],
        since_recorded=move.recorded_at,
        until=on[after.n] if after else None,
        until_recorded=after.recorded_at if after else None,
        how=move.kind,
        by=move.by,
        reason=str(move.facts.get("reason", "")),
        entry=move.n,
        approval=approval_facts(standing, number),
    )
