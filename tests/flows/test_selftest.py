"""plimsoll selftest drift: on the flights model its days keep the stated level, and without a champion it says so."""

import json
from collections.abc import Callable

import pytest

from tests.flows.places import MODEL, Answer, Place

Cli = Callable[..., Answer]


def test_the_flights_model_alarms_as_often_as_stated(serving: Place, plimsoll: Cli) -> None:
    answer = plimsoll("selftest", "drift", MODEL, "--draws", "230", "--json")
    assert answer.code == 0, answer.said
    found = json.loads(answer.out)
    assert found["version"] == 1
    assert found["passed"]
    assert abs(found["achieved"] - found["rate"]) <= 0.02
    assert found["rate"] == pytest.approx(1 / 14)
    assert {"mean shift", "unit error", "new category", "feed cut"} <= {fault["fault"] for fault in found["faults"]}


def test_it_is_told_in_words_and_tables(serving: Place, plimsoll: Cli) -> None:
    answer = plimsoll("selftest", "drift", MODEL, "--draws", "3", "--one-in", "10")
    assert answer.code == 1, answer.said
    assert "Too few shuffles to tell: " in answer.out
    assert "Planted faults" in answer.out
    assert "Smallest shift of a mean" in answer.out
    assert "stated is 8.3%" in answer.out, "one in 10 is asked, and 11 reference days give one in 12"


def test_a_seed_below_nought_is_refused(plimsoll: Cli) -> None:
    answer = plimsoll("selftest", "drift", MODEL, "--seed", "-1")
    assert answer.code == 2
    assert "greater than or equal to 0" in answer.said


def test_without_a_champion_it_says_what_to_do(empty: Place, plimsoll: Cli) -> None:
    answer = plimsoll("selftest", "drift", MODEL)
    assert answer.code == 2
    assert "has no champion, so there are no reference days" in answer.said
