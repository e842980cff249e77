"""The business date: which day of the data's calendar a decision belongs to, and how far a ledger has come in it.

Two clocks run in a ledger. `recorded_at` is the wall clock; `as_of` is the business date. In production they agree to
some days, and a decision belongs to the day on which it is taken. In a replay of the past, like the demo, they are
years apart, and a decision belongs to the last day that was lived through. Either way it changes no day before it.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from plimsoll.errors import UserError
from plimsoll.ledger import Entry

PAST_DAYS = 31  # a ledger that is further behind the clock replays the past; feeds come days late, not months
AHEAD = timedelta(hours=14)  # where the day begins first, seen from UTC
DATED = frozenset({"approved", "rejected", "retired", "promoted", "rolled_back"})  # what changes nothing before it


def last_day(now: datetime) -> date:
    """Return the last date that has begun somewhere on earth: nothing can have happened on a later one."""
    return (now + AHEAD).date()


def reached(entries: Sequence[Entry]) -> str:
    """Return the newest business date that a ledger has come to, ISO; empty where nothing was entered.

    A rejected batch of which nothing could be read says nothing of where the model is, nor does what is decided about
    it: a mistyped date leaves such an entry. No more does a date that was still to come when it was entered.
    """
    return max((entry.as_of for entry in [*_lived(entries)] or entries), default="")


def decision_date(entries: Sequence[Entry], now: datetime) -> str:
    """Return the business date of a decision taken now, ISO: today (UTC) where the ledger lives in the present.

    It lives in the past when its newest date was more than PAST_DAYS ago already when the ledger first came to it. Then
    the decision belongs to that date.
    """
    newest, today = reached(entries), now.date().isoformat()
    if not newest:
        return today
    first = next(entry for entry in entries if entry.as_of == newest)
    behind = _day(first.recorded_at or newest) - date.fromisoformat(newest)
    return newest if behind.days > PAST_DAYS else max(newest, today)


def wrong_date(model: str, entries: Sequence[Entry], as_of: str, now: datetime) -> str:
    """Return why a decision cannot have a business date, in a sentence; empty when it can."""
    newest = reached(entries)
    if as_of > last_day(now).isoformat():
        return f"Expected a business date that has come, found {as_of}; today is {now.date()}. Nothing was decided."
    if as_of < newest:
        return (
            f"Expected a business date from {newest} on, up to which the ledger of {model} tells what happened, found "
            f"{as_of}: a decision changes nothing before it. Leave --as-of out. Nothing was decided."
        )
    return ""


def date_of_decision(model: str, entries: Sequence[Entry], as_of: str | None, now: datetime) -> str:
    """Return the business date of a decision: the one that was given, or that of `decision_date`.

    Raises UserError for one that cannot be.
    """
    if as_of and (wrong := wrong_date(model, entries, as_of, now)):
        raise UserError(wrong)
    return as_of or decision_date(entries, now)


def business_dates(entries: Sequence[Entry]) -> dict[int, str]:
    """Return the business date of each decision and move of a ledger, by the number of its entry.

    That is its own, or the newest that the ledger had come to before it: earlier releases entered an approval under
    the date of its request, and nights between the two were served by the champion before.
    """
    found, newest = dict[int, str](), ""
    counted = {entry.n for entry in _lived(entries)}
    for entry in entries:
        on = max(entry.as_of, newest) if entry.kind in DATED else entry.as_of
        if entry.kind in DATED:
            found[entry.n] = on
        newest = max(newest, on) if entry.n in counted else newest
    return found


def _lived(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the entries whose business date the model has lived through, in order."""
    unread = set[int]()
    for entry in entries:
        if entry.kind == "batch_rejected" and not entry.facts.get("validation"):
            unread.add(entry.n)
        elif entry.kind == "drift_decided" and entry.facts.get("batch_entry") in unread:
            continue
        elif not to_come(entry):
            yield entry


def to_come(entry: Entry) -> bool:
    """Return whether an entry is about a date that had not begun anywhere when it was entered: a mistyped one."""
    if not entry.recorded_at or entry.as_of <= entry.recorded_at[:10]:
        return False
    return entry.as_of > last_day(datetime.fromisoformat(entry.recorded_at)).isoformat()


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])
