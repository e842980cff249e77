"""Nights that come late: which only inform, which one decides a date, and which are missing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.belated import missed_dates, told_gaps, why_past
from plimsoll.ledger import Entry, Kind
from plimsoll.standing import Standing, stand, summary
from plimsoll.telling import rejected_last


class Book:
    """A ledger that is written by a test."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def enter(self, kind: Kind, as_of: str, **facts: Any) -> Entry:
        n = len(self.entries)
        time = "2026-11-22T00:00:00.000+00:00"
        entry = Entry(n, "m", kind, as_of, time, "flow:test", facts, f"{kind}:{n}")
        self.entries.append(entry)
        return entry

    def train(self, version: int, as_of: str, through: str) -> "Book":
        self.enter("trained", as_of, version=version, bundle="", trained_through=through)
        return self

    def promote(self, version: int, as_of: str) -> "Book":
        self.enter("promoted", as_of, version=version)
        return self

    def score(self, date: str, version: int = 1, role: str = "champion") -> Entry:
        return self.enter("batch_committed", date, date=date, versions={str(version): role}, rows=1)

    def reject(self, date: str) -> Entry:
        return self.enter("batch_rejected", date, date=date, reason="broken")

    def check(self, batch: Entry, rule: str = "nothing", version: int = 1) -> Entry:
        decision = {"rule": rule, "retrain": False, "sentence": rule}
        facts = {"batch": batch.kind, "batch_entry": batch.n, "decision": decision, "version": version}
        return self.enter("drift_decided", str(batch.facts["date"]), date=batch.facts["date"], **facts)

    @property
    def stands(self) -> Standing:
        return stand("m", self.entries)


def reigning() -> Book:
    """v1 from the second of March, v2 from the tenth, which learned from days through the ninth."""
    book = Book().train(1, "2013-03-02", "2013-03-01").promote(1, "2013-03-02")
    return book.train(2, "2013-03-10", "2013-03-09").promote(2, "2013-03-10")


@pytest.mark.parametrize(
    ("version", "date", "why"),
    [
        (2, "2013-03-09", "v2 was trained on days through 2013-03-09"),
        (2, "2013-03-10", ""),
        (1, "2013-03-10", ""),
        (1, "2013-03-11", "v1 was not champion then (from 2013-03-02 to 2013-03-10)"),
    ],
)
def test_a_version_decides_about_nights_on_which_it_stood_and_of_which_it_did_not_learn(
    version: int, date: str, why: str
) -> None:
    standing = reigning().stands
    found = standing.version(version)
    assert found
    assert why_past(standing, found, date) == why


def test_a_night_is_past_when_a_later_one_was_decided() -> None:
    book = reigning()
    book.check(book.score("2013-03-12", 2), version=2)
    standing = book.stands
    v2 = standing.versions[1]
    assert why_past(standing, v2, "2013-03-11") == "the later night of 2013-03-12 was decided already"
    assert why_past(standing, v2, "2013-03-12") == why_past(standing, v2, "2013-03-13") == ""


def test_what_a_later_champion_says_of_a_decided_date_asks_for_no_decision_and_hides_none() -> None:
    book = reigning()
    first = book.check(book.score("2013-03-05"))
    book.score("2013-03-05", 2)
    assert book.stands.undecided() == []
    book.check(book.score("2013-03-05", 3), version=3)  # as an older release did
    assert book.stands.decision("2013-03-05") == first


def test_a_date_that_was_rejected_and_came_again_is_decided_again() -> None:
    book = reigning()
    book.check(book.reject("2013-03-05"), "batch_rejected")
    assert book.stands.undecided() == []
    again = book.reject("2013-03-05")
    assert (book.stands.undecided(), book.stands.night_batch("2013-03-05")) == (["2013-03-05"], again)
    good = book.score("2013-03-05")
    assert book.stands.night_batch("2013-03-05") == good
    decided = book.check(good)
    book.reject("2013-03-05")
    assert (book.stands.undecided(), book.stands.decision("2013-03-05")) == ([], decided)


def test_a_rejected_date_that_only_a_version_by_number_scored_is_judged_as_rejected() -> None:
    book = reigning()
    stopped = book.reject("2013-03-05")
    book.score("2013-03-05", 1, "backfill")
    assert book.stands.undecided() == ["2013-03-05"]
    assert book.stands.night_batch("2013-03-05") == stopped


def test_nights_of_a_late_feed_are_those_of_the_champion_that_scores_them_in_order() -> None:
    book = Book().train(1, "2013-03-01", "2013-02-20").promote(1, "2013-03-02")
    book.score("2013-03-03")
    book.train(2, "2013-03-10", "2013-03-02").promote(2, "2013-03-10")
    book.score("2013-03-05", 2)
    v2 = next(one for one in book.stands.versions if one.number == 2)
    assert why_past(book.stands, v2, "2013-03-05") == "", "it came late, and nothing after it was scored before"
    book.score("2013-03-04", 2)
    assert why_past(book.stands, v2, "2013-03-04").startswith("v2 was not champion then")


def test_last_is_the_latest_date_whatever_was_done_last() -> None:
    book = reigning()
    book.score("2013-03-12", 2)
    stopped = book.reject("2013-03-13")
    book.score("2013-03-04", 2)
    assert summary(book.stands)["last_batch"] == "2013-03-12"
    assert rejected_last(book.stands) == stopped, "the past that was scored since mends nothing"
    book.score("2013-03-13", 2)
    book.reject("2013-03-03")
    assert rejected_last(book.stands) is None
    book.reject("2026-12-25")
    assert rejected_last(book.stands) is None, "a mistyped date, which had not come when it was entered"


def test_dates_that_were_passed_over_are_found_for_a_week_and_none_before_the_first() -> None:
    book = reigning()
    for day in (3, 5, 6, 9):
        book.score(f"2013-03-{day:02}")
    book.reject("2013-03-07")
    assert missed_dates(book.stands, "2013-03-09") == ["2013-03-04", "2013-03-08"]
    assert missed_dates(book.stands, "2013-03-12") == ["2013-03-08"]
    assert missed_dates(book.stands, "2013-03-30") == missed_dates(Book().stands, "2013-03-09") == []


@given(st.sets(st.integers(1, 28), min_size=1), st.integers(1, 28))
def test_a_missed_date_lies_between_two_that_were_scored(days: set[int], today: int) -> None:
    book = reigning()
    for day in days:
        book.score(f"2013-03-{day:02}")
    found = [int(date[-2:]) for date in missed_dates(book.stands, f"2013-03-{today:02}")]
    assert found == [n for n in range(max(today - 7, 1), today + 1) if n not in days and min(days) < n < max(days)]


def test_a_gap_says_what_landed_and_what_was_to_be_expected() -> None:
    missed, known = ["2013-03-09", "2013-03-10", "2013-03-11"], {"2013-03-02", "2013-03-04"}
    said = told_gaps("m", missed, {"2013-03-09"}, known)
    assert said == (
        "Landed and not scored yet: 2013-03-09. Score them in order: plimsoll score m. "
        "No file has come of 2013-03-11; the next run scores what lands within a week."
    )
    assert told_gaps("m", ["2013-03-10"], set(), known) == "", "there are no Sundays"
