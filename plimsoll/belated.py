"""Nights that come late: which are past for the version that scored them, and which nobody has scored."""

import datetime as dt
from collections.abc import Collection

from plimsoll.champions import reigns
from plimsoll.standing import Standing, Version, by_champion

LOOK_BACK_DAYS = 7  # a batch that lands this late is still scored by the next run, and named when it is missing


def why_past(standing: Standing, version: Version, date: str) -> str:
    """Return why a night is past for the version that scored it, so that it may not ask for a retrain; empty if not.

    It is when the version has learned from it, when a later night was decided, which has seen the same late losses and
    a greater age, or when the version did not stand as champion on it. Of a feed that comes some days late the nights
    before a promotion are scored after it, by the new champion and in order: those are not past.
    """
    through = str(version.trained.facts.get("trained_through") or "")
    if date <= through:
        return f"v{version.number} was trained on days through {through}"
    mine = [reign for reign in reigns(standing) if reign.version == version.number]
    reigned = any(reign.since <= date <= (reign.until or date) for reign in mine)
    if not reigned and not _came_in_order(standing, version, date):
        stood = " and ".join(f"since {r.since}" if r.until is None else f"from {r.since} to {r.until}" for r in mine)
        return f"v{version.number} was not champion then ({stood or 'it never was'})"
    later = [night for night in standing.nights() if night > date]
    return f"the later night of {later[-1]} was decided already" if later else ""


def _came_in_order(standing: Standing, version: Version, date: str) -> bool:
    """Return whether a version scored a date as champion before any later date was scored."""
    scored = [e for e in standing.of_kind("batch_committed") if by_champion(e)]
    mine = next((e for e in scored if e.facts["date"] == date and str(version.number) in e.facts["versions"]), None)
    return mine is not None and not any(e.n < mine.n and str(e.facts["date"]) > date for e in scored)


def missed_dates(standing: Standing, as_of: str) -> list[str]:
    """Return the dates of the last week without a batch, scored or rejected, that lie before one that was scored.

    Dates before the first that was scored are no gap, and none is looked for more than LOOK_BACK_DAYS before as_of.
    """
    done = {str(e.facts["date"]) for e in standing.of_kind("batch_committed") if by_champion(e)}
    known = done | {str(e.facts["date"]) for e in standing.of_kind("batch_rejected")}
    if not done:
        return []
    end = dt.date.fromisoformat(as_of)
    days = [(end - dt.timedelta(days=n)).isoformat() for n in range(LOOK_BACK_DAYS, -1, -1)]
    return [day for day in days if min(done) < day < max(done) and day not in known]


def told_gaps(model: str, missed: Collection[str], landed: Collection[str], known: Collection[str]) -> str:
    """Return a sentence on dates without a batch: those that have landed, and those that were to be expected.

    A date that has not landed is expected when a batch of the same weekday came the week before: a feed without
    Sundays lacks none.
    """
    there = [date for date in missed if date in landed]
    lacking = [date for date in missed if date not in landed and _week_before(date) in known]
    said = []
    if there:
        said.append(f"Landed and not scored yet: {', '.join(there)}. Score them in order: plimsoll score {model}")
    if lacking:
        said.append(f"No file has come of {', '.join(lacking)}; the next run scores what lands within a week")
    return ". ".join(said) + "." if said else ""


def _week_before(date: str) -> str:
    return (dt.date.fromisoformat(date) - dt.timedelta(days=7)).isoformat()
