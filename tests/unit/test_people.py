"""People: codes that count once, a lock that makes guessing hopeless, and who may enrol by whose word."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.approvers_config import ApproversConfig
from plimsoll.ledger import Entry, Kind
from plimsoll.one_time_code import (
    STEP_SECONDS,
    WINDOW,
    code_at,
    enrolment_uri,
    entered_at,
    matching_step,
    secret_of,
    step_at,
    typed_code,
)
from plimsoll.people import (
    FREE_TRIES,
    LONGEST_LOCK,
    PEOPLE,
    check_code,
    check_enrolment,
    enrolments,
    find_invitation,
    let_in_by,
    lock_after,
    wrong_code,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RFC_SECRET = secret_of(b"12345678901234567890")  # RFC 6238, appendix B
CONFIG = ApproversConfig.model_validate(
    {
        "approvers": [
            {"name": "ada", "models": ["*"], "roles": ["approver", "steward"]},
            {"name": "grace", "models": ["*"]},
        ]
    }
)


def entry(n: int, kind: Kind, name: str = "ada", by: str = "ada", at: datetime = NOW, **facts: Any) -> Entry:
    return Entry(n, PEOPLE, kind, "", at.isoformat(), by, {"name": name, **facts}, signer="f" * 64)


def enrolled(n: int = 0, name: str = "ada", step: int = 5) -> Entry:
    return entry(n, "approver_enrolled", name, name, secret="0" * 64, let_in="nobody: the first", step=step)


def invited(n: int = 1, name: str = "grace") -> Entry:
    until = (NOW + timedelta(days=7)).isoformat()
    return entry(n, "approver_invited", name, expires_at=until, verified={"enrolment": 0})


def wrong(n: int, at: datetime = NOW) -> Entry:
    return entry(n, "code_refused", at=at)


@pytest.mark.parametrize(
    ("seconds", "digits"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_are_those_of_the_standard(seconds: int, digits: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert code_at(RFC_SECRET, step_at(moment)) == digits
    assert matching_step(RFC_SECRET, digits, moment) == step_at(moment)


@given(offset=st.integers(-4, 4))
def test_a_code_counts_in_its_half_minute_and_the_ones_beside_it(offset: int) -> None:
    step = step_at(NOW)
    found = matching_step(RFC_SECRET, code_at(RFC_SECRET, step + offset), NOW)
    assert found == (step + offset if abs(offset) <= WINDOW else None)


def test_a_code_of_a_form_is_one_of_when_it_was_filled_in_and_that_is_believed_for_minutes() -> None:
    minutes = [None, *(NOW + timedelta(minutes=n) for n in (-60, -5, -2, 0, 9))]
    believed = [entered and (entered - NOW) / timedelta(minutes=1) for entered in (entered_at(n, NOW) for n in minutes)]
    assert believed == [0, None, -5, -2, 0, 0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("123456", "123456"),
        (" 123 456\n", "123456"),
        ("12345", None),
        ("12345a", None),
        ("１２３４５６", None),
        ("", None),
    ],
)
def test_six_digits_with_or_without_spaces_are_a_code_and_nothing_else_is(text: str, code: str | None) -> None:
    assert typed_code(text) == code


def test_an_app_reads_name_issuer_and_secret() -> None:
    uri = enrolment_uri(RFC_SECRET, "ada", "Plimsoll")
    assert uri.startswith("otpauth://totp/Plimsoll:ada?")
    assert f"secret={RFC_SECRET}" in uri
    with pytest.raises(ValueError, match="20 random bytes"):
        secret_of(b"short")


def test_a_code_counts_once_and_no_older_one_after_it() -> None:
    used = [enrolled(step=5), entry(1, "code_accepted", step=9)]
    person = enrolments(used)["ada"]
    for step, rule in ((8, "code_used"), (9, "code_used"), (10, None)):
        found = check_code(person, "ada", step, NOW)
        assert (found.rule if found else None) == rule
    assert check_code(enrolments([enrolled(step=5)])["ada"], "ada", 5, NOW) is not None, "the code of enrolment too"


def test_nobody_without_an_enrolment_has_a_code() -> None:
    for entries in ([], [enrolled(), entry(1, "approver_removed")]):
        found = check_code(enrolments(entries).get("ada"), "ada", 9, NOW)
        assert found is not None
        assert "plimsoll approver add ada" in found.sentence


def test_after_five_wrong_codes_not_even_a_right_one_is_looked_at_for_a_while() -> None:
    four = [enrolled(), *map(wrong, range(1, 5))]
    assert check_code(enrolments(four)["ada"], "ada", 9, NOW) is None
    five = enrolments([*four, wrong(5)])["ada"]
    for step in (9, None):
        found = check_code(five, "ada", step, NOW + timedelta(minutes=4))
        assert found is not None
        assert found.sentence.endswith("The next one is looked at from 2026-11-22 12:05 UTC; until then none is.")
    assert check_code(five, "ada", 9, NOW + timedelta(minutes=5)) is None
    again = enrolments([*four, wrong(5), entry(6, "code_accepted", step=9)])["ada"]
    assert (again.wrong, again.locked_until) == (0, None)
    assert "After 1 more wrong ones none is looked at for 5 minutes" in wrong_code("ada", 4).sentence
    assert "none is looked at for 10 minutes" in wrong_code("ada", 6).sentence


def test_a_year_of_guessing_finds_a_code_less_than_once_in_five_hundred() -> None:
    now, guesses = NOW, 0
    while now < NOW + timedelta(days=365):
        guesses += 1
        now += max(lock_after(guesses), timedelta(seconds=1))
    chance = 1 - (1 - (2 * WINDOW + 1) / 10**6) ** guesses
    assert guesses < 400
    assert chance < 1 / 500
    assert lock_after(FREE_TRIES - 1) == timedelta(0)
    assert lock_after(10_000) == LONGEST_LOCK


def test_the_first_is_a_steward_and_all_others_are_invited() -> None:
    assert check_enrolment([], CONFIG, "ada", NOW, False, "") is None
    refused = check_enrolment([], CONFIG, "grace", NOW, False, "")
    assert refused is not None
    assert "May be the first to enrol: ada" in refused.sentence
    uninvited = check_enrolment([enrolled()], CONFIG, "grace", NOW, False, "")
    assert uninvited is not None
    assert uninvited.sentence.startswith("grace was not invited. Ask ada: plimsoll approver invite grace")
    assert let_in_by([enrolled(), invited()], CONFIG, "grace", NOW, "") == "ada (entry 1)"
    unknown = check_enrolment([], CONFIG, "mallory", NOW, False, "")
    assert unknown is not None
    assert "Expected one of ada, grace" in unknown.sentence


def test_an_invitation_counts_once_for_a_week_and_until_it_is_taken_back() -> None:
    entries = [enrolled(), invited()]
    assert find_invitation(entries, "grace", NOW + timedelta(days=8)) is None
    assert find_invitation([*entries, enrolled(2, "grace")], "grace", NOW) is None
    assert find_invitation([*entries, entry(2, "approver_removed", "grace")], "grace", NOW) is None
    assert find_invitation(entries, "ada", NOW) is None
    for gone in (entry(2, "approver_removed", "ada"), enrolled(2, "ada")):
        assert find_invitation([*entries, gone], "grace", NOW) is None, "the word of a stolen phone"
    demoted = CONFIG.model_copy(update={"approvers": [CONFIG.approvers[1]]})
    assert let_in_by(entries, demoted, "grace", NOW, "") is None


def test_a_new_secret_has_to_be_asked_for_in_so_many_words() -> None:
    entries = [enrolled(), invited(1, "ada")]
    refused = check_enrolment(entries, CONFIG, "ada", NOW, False, "")
    assert refused is not None
    assert "plimsoll approver add ada --again" in refused.sentence
    assert check_enrolment(entries, CONFIG, "ada", NOW, True, "") is None
    assert check_enrolment(entries[:1], CONFIG, "ada", NOW, True, "") is not None, "nor without an invitation"


def test_a_steward_without_colleagues_goes_by_the_key_and_nobody_else_does() -> None:
    assert check_enrolment([enrolled()], CONFIG, "ada", NOW, True, "the phone is lost") is None
    assert let_in_by([enrolled()], CONFIG, "ada", NOW, "lost") == "the signing key: lost"
    assert check_enrolment([enrolled()], CONFIG, "grace", NOW, False, "in a hurry") is not None


def test_half_a_minute_is_half_a_minute() -> None:
    assert step_at(NOW + timedelta(seconds=STEP_SECONDS)) == step_at(NOW) + 1
