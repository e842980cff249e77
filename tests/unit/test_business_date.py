"""Business dates: a decision changes nothing before the day it was taken, in production and in a replay of the past."""

import datetime as dt
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.story import describe, told_gates
from plimsoll.business_date import business_dates, date_of_decision, decision_date, reached, wrong_date
from plimsoll.champions import champion_rows, reign_at, reigns, served_at, told_at
from plimsoll.errors import UserError
from plimsoll.ledger import Entry
from plimsoll.standing import Standing, stand
from plimsoll.trace_facts import arrival_facts, departure_facts
from tasks.run_asker import origin_of

NOW = dt.datetime(2026, 11, 22, 15, tzinfo=dt.UTC)
TODAY = "2026-11-22"


class Book:
    """A ledger that is written in a test."""

    def __init__(self, recorded: str = f"{TODAY}T12:00:00+00:00") -> None:
        self.recorded, self.entries = recorded, list[Entry]()

    def add(self, kind: Any, as_of: str, recorded: str = "", **facts: Any) -> "Book":
        entry = Entry(len(self.entries), "m", kind, as_of, recorded or self.recorded, "ada", facts)
        self.entries.append(entry)
        return self

    def train(self, version: int, as_of: str, recorded: str = "") -> "Book":
        return self.add("trained", as_of, recorded, version=version, bundle="b")

    def promote(self, version: int, as_of: str, recorded: str = "") -> "Book":
        self.add("approved", as_of, recorded, version=version, evidence={})
        return self.add("promoted", as_of, recorded, version=version)

    def score(self, date: str, version: int, recorded: str = "") -> "Book":
        return self.add(
            "batch_committed", date, recorded, date=date, versions={str(version): "champion"}, validation="v"
        )

    def reject(self, date: str, recorded: str = "", validation: str = "") -> "Book":
        return self.add("batch_rejected", date, recorded, date=date, reason="no file", validation=validation)

    @property
    def standing(self) -> Standing:
        return stand("m", self.entries)


def replay() -> Book:
    """A replay of 2013 in 2026: v2 serves the sixteenth of June, v3 has asked on the fifteenth."""
    book = Book().train(1, "2013-03-01").promote(1, "2013-03-01").score("2013-03-02", 1).train(2, "2013-04-20")
    book.promote(2, "2013-04-21").score("2013-06-14", 2).train(3, "2013-06-15")
    return book.score("2013-06-15", 2).score("2013-06-16", 2)


def test_a_decision_of_a_replay_belongs_to_the_last_day_that_was_lived_and_of_production_to_today() -> None:
    assert decision_date(replay().entries, NOW) == "2013-06-16"
    assert decision_date([], NOW) == TODAY
    daily = Book().train(1, "2026-11-19", "2026-11-19T05:00:00+00:00")
    assert decision_date(daily.entries, NOW) == TODAY, "a person who decides days later decides then"
    belated = Book().score("2026-11-10", 1)
    assert decision_date(belated.entries, NOW) == TODAY, "a feed that comes days late is no replay"
    backfilled = daily.score("2013-06-16", 1)
    assert decision_date(backfilled.entries, NOW) == TODAY, "an old date scored since is no replay"
    lived_on = replay().train(4, TODAY)
    assert decision_date(lived_on.entries, NOW) == TODAY, "from here on it lives in the present"


def test_an_approval_that_an_earlier_release_dated_back_changes_no_night_before_it() -> None:
    line = replay().promote(3, "2013-06-15").standing
    assert [(row[1], row[2]) for row in champion_rows(reigns(line))] == [
        ("2013-03-01", "2013-04-21"),
        ("2013-04-21", "2013-06-16"),
        ("2013-06-16", "now"),
    ]
    fifteenth, sixteenth = dt.date(2013, 6, 15), dt.date(2013, 6, 16)
    assert told_at("m", reign_at(line, fifteenth), fifteenth, served_at(line, fifteenth)) == (
        "m v2 was champion on 2013-06-15: since 2013-04-21, until 2013-06-16."
    )
    assert told_at("m", reign_at(line, sixteenth), sixteenth, served_at(line, sixteenth)) == (
        "m v3 was champion at the end of 2013-06-16: since 2013-06-16, and still is. "
        "As champion v2 scored the batch of 2013-06-16."
    )
    assert departure_facts(line, 2)["as_of"] == "2013-06-16"  # type: ignore[index]
    assert arrival_facts(line, 3)["as_of"] == "2013-06-16"  # type: ignore[index]


def test_a_date_that_was_scored_again_names_every_champion_that_scored_it() -> None:
    line = replay().promote(3, "2013-06-16").score("2013-06-14", 3).standing
    day = dt.date(2013, 6, 14)
    told = told_at("m", reign_at(line, day), day, served_at(line, day))
    assert told.endswith("As champion v2 scored the batch of 2013-06-14, and later v3.")
    assert served_at(line, NOW) == []


@pytest.mark.parametrize("typed", ["2026-12-25", "2013-12-25"])
def test_a_date_that_never_landed_says_nothing_of_where_the_model_is(typed: str) -> None:
    book = replay().reject(typed)
    assert reached(book.entries) == "2013-06-16"
    assert (
        reached(book.add("drift_decided", typed, date=typed, batch_entry=len(book.entries) - 1).entries) == "2013-06-16"
    )
    assert reached(book.reject("2013-06-17", validation="seen").entries) == "2013-06-17", "a cut feed has landed"
    assert decision_date(book.entries, NOW) == "2013-06-17"


def test_a_date_to_come_is_no_day_that_was_lived() -> None:
    assert reached(Book().train(1, TODAY).train(2, "2030-01-01").entries) == TODAY
    assert reached(Book().train(1, "2026-11-23").entries) == "2026-11-23", "it has begun in Auckland"


def test_a_date_of_a_decision_that_cannot_be_is_refused_in_a_sentence() -> None:
    entries = replay().entries
    assert "from 2013-06-16 on" in wrong_date("m", entries, "2013-06-15", NOW)
    assert "a business date that has come" in wrong_date("m", entries, "2030-01-01", NOW)
    assert date_of_decision("m", entries, "2013-06-20", NOW) == "2013-06-20"
    assert date_of_decision("m", entries, None, NOW) == "2013-06-16"
    with pytest.raises(UserError, match="Nothing was decided"):
        date_of_decision("m", entries, "2013-06-01", NOW)


DATES = st.dates(dt.date(2013, 1, 1), dt.date(2013, 2, 1)).map(str)
STEPS = st.lists(st.tuples(st.sampled_from(["score", "promote", "reject"]), DATES, st.integers(1, 3)), max_size=25)


@given(STEPS)
def test_no_night_is_said_to_be_another_champions_than_the_one_that_served_it_before_any_later_date(steps: Any) -> None:
    book, newest = Book(), ""
    serving: dict[str, int] = {}
    champion = 0
    for what, date, version in steps:
        if what == "promote":
            book.promote(version, date)
            champion, newest = version, max(newest, date)
        elif what == "score" and champion and date > newest:  # the next night
            book.score(date, champion)
            serving[date], newest = champion, date
        elif what == "reject":
            book.reject(date)
    standing = book.standing
    line = reigns(standing)
    assert all(one.since <= after.since for one, after in pairwise(line)), "nobody comes before the one before"
    for date, version in serving.items():
        day = dt.date.fromisoformat(date)
        reign = reign_at(standing, day)
        assert reign is not None
        said = told_at("m", reign, day, served_at(standing, day))
        assert reign.version == version or f"As champion v{version} scored" in said
        before = reign_at(standing, day - dt.timedelta(days=1))
        assert before is None or before.since < date
    own = {e.n: e.as_of for e in standing.entries}
    assert all(date >= own[n] for n, date in business_dates(standing.entries).items())


def test_history_says_why_an_approval_was_refused_and_how_each_gate_ended() -> None:
    refused = Book().add("approval_refused", TODAY, version=2, decision="approve", sentence="ada asked. Ask grace.")
    assert describe(refused.entries[0]) == "v2: approve refused: ada asked. Ask grace."
    gates = [
        {"sentence": "auc 0.7", "verdict": "pass", "passed": True},
        {"sentence": "brier 0.3", "verdict": "warn", "passed": True},
        {"sentence": "trust 0.1", "verdict": "fail", "passed": False},
        {"sentence": "of an earlier release", "passed": True},
    ]
    assert told_gates(gates) == [
        "passed: auc 0.7",
        "warned: brier 0.3",
        "failed: trust 0.1",
        "passed: of an earlier release",
    ]


@pytest.mark.parametrize(
    ("scheduled", "maker", "deployment", "asks"),
    [
        (True, None, "d", "schedule"),
        (False, SimpleNamespace(type="SCHEDULE", display_value="nightly"), "d", "schedule"),
        (False, None, "d", "somebody in Prefect's UI"),
        (False, SimpleNamespace(type="USER", display_value="ada"), "d", "ada"),
        (False, SimpleNamespace(type="AUTOMATION", display_value="ada"), "d", "Prefect's automation ada"),
        (False, SimpleNamespace(type=None, display_value=None), "d", "somebody in Prefect's UI"),
        (False, None, None, "a call in Python"),
    ],
)
def test_only_a_schedule_asks_as_a_schedule(scheduled: bool, maker: Any, deployment: str | None, asks: str) -> None:
    run = SimpleNamespace(auto_scheduled=scheduled, created_by=maker, deployment_id=deployment)
    assert origin_of(run) == asks
