"""Proved decisions: what verify says of entries that somebody with the signing key and no code wrote."""

from dataclasses import replace
from typing import Any

import pytest

from plimsoll.automatic import POLICY
from plimsoll.ledger import Entry, Kind
from plimsoll.people import PEOPLE
from plimsoll.proved import unproved

EARLY, FIRST, LATE = (f"2026-11-22T{hour}:00:00.000+00:00" for hour in (11, 12, 13))
ACT = {"act": "approve", "model": "m", "version": 3, "request": 1}
PROOF = {"how": "totp", "step": 9, "enrolment": 0, "entry": 1}


def entry(n: int, kind: Kind, by: str = "ada", model: str = "m", at: str = LATE, **facts: Any) -> Entry:
    return Entry(n, model, kind, "", at, by, {"version": 3, **facts})


TEAM = [
    entry(0, "approver_enrolled", model=PEOPLE, at=FIRST, name="ada"),
    entry(1, "code_accepted", model=PEOPLE, name="ada", **{"for": ACT}),
]


def asked(policy: str = "person") -> Entry:
    return entry(1, "promotion_requested", "flow", at=EARLY, policy={"policy": policy})


def found(*entries: Entry, people: list[Entry] | None = None) -> list[str]:
    return [finding.sentence for finding in unproved(entries, TEAM if people is None else people)]


def test_a_decision_with_its_own_code_is_proved_and_a_second_one_with_it_is_not() -> None:
    true = entry(2, "approved", identity="verified", verified=PROOF)
    assert found(asked(), true) == []
    (said,) = found(asked(), true, replace(true, n=3))
    assert said.startswith("ledger/m/00000003.json says that ada proved to be ada")


def test_a_code_for_a_family_proves_each_version_that_it_names_once() -> None:
    family = {"act": "approve", "family": "f", "requests": [["m", 3, 1], ["other", 1, 1]]}
    people = [TEAM[0], entry(1, "code_accepted", model=PEOPLE, name="ada", **{"for": family})]
    true = entry(2, "approved", identity="verified", verified=PROOF, request=1)
    assert found(asked(), true, people=people) == []
    for forged in (
        replace(true, n=3),
        replace(true, kind="rejected"),
        replace(true, by="grace"),
        replace(true, facts={**true.facts, "version": 4}),
        replace(true, facts={**true.facts, "request": 2}),
        replace(true, model="stranger"),
    ):
        before = [true] if forged.n == 3 else []
        assert len(found(asked(), *before, forged, people=people)) == 1, forged


@pytest.mark.parametrize("facts", [{}, {"verified": None}, {"verified": {}}, {"verified": {"entry": "1"}}])
def test_a_verified_decision_that_names_no_proof_is_found(facts: dict[str, Any]) -> None:
    (said,) = found(asked(), entry(2, "approved", identity="verified", **facts))
    assert "the entry that it names is no such proof" in said


@pytest.mark.parametrize("kind", ["approved", "rejected", "rolled_back"])
@pytest.mark.parametrize("facts", [{}, {"identity": "stated"}, {"identity": "anything"}])
def test_a_decision_without_a_proof_is_found_once_people_have_enrolled(kind: Kind, facts: dict[str, Any]) -> None:
    for forged in ([entry(2, kind, **facts)], [entry(2, "trained"), entry(3, kind, at=EARLY, **facts)]):
        (said,) = found(asked(), *forged)
        assert "ada decided, but names no proof of it" in said
        assert found(asked(), *forged, people=[]) == [], "where nobody has enrolled names are stated"
    assert found(asked(), entry(2, kind, at=EARLY, **facts)) == [], "so they were before"


def test_the_policy_decides_about_requests_that_let_it_and_rolls_nothing_back() -> None:
    by_rule = entry(2, "approved", POLICY, identity="rule")
    assert found(asked("automatic"), by_rule) == []
    for forged in (
        [asked(), by_rule],
        [by_rule],
        [asked("automatic"), replace(asked(), n=2), replace(by_rule, n=3)],
        [asked("automatic"), replace(by_rule, by="ada")],
        [asked("automatic"), replace(by_rule, kind="rolled_back")],
    ):
        (said,) = found(*forged)
        assert "the policy decided, but that of its request asks a person" in said
