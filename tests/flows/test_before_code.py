"""Before anybody looks for a phone: useless codes are not asked for, and approvals of people who left do not count."""

import datetime as dt
import json
import os
from collections.abc import Callable

import pytest

from plimsoll.ledger import append, read_ledger
from plimsoll.one_time_code import code_at, step_at
from plimsoll.people import FREE_TRIES, PEOPLE
from plimsoll.store import get_object
from tasks.enrol import confirm_enrolment, offer_enrolment
from tasks.index_page import publish_index
from tests.flows.places import APPROVER, APPS, MODEL, REQUESTER, Answer, Place, code_of, damage, flip_a_byte

Cli = Callable[..., Answer]
GRACE = '  - {name: grace, models: ["*"], roles: [approver]}\n'


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nobody is at the terminal: whoever is asked for a code is noted, and enters six zeros."""
    asked: list[str] = []
    monkeypatch.setattr("flows.asking._read_code", lambda who: asked.append(who) or "000000")
    return asked


def rules(place: Place) -> list[str]:
    return [entry["facts"]["rule"] for entry in place.ledger("approval_refused")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("approve", MODEL, 1, "--as", "mallory"), "'mallory' may not approve flight_delay"),
        (("approve", MODEL, 1, "--as", REQUESTER), "ada requested flight_delay v1 and may not approve it alone"),
        (("approve", MODEL, 1, "--as", APPROVER), "grace is not enrolled"),
        (("reject", MODEL, 7, "--as", APPROVER), "has no promotion request"),
        (("rollback", MODEL, "--as", "mallory"), "'mallory' may not roll back"),
        (("rollback", MODEL, "--as", APPROVER), "It has no earlier champion"),
        (("retire", MODEL, 1, "--as", "mallory"), "'mallory' may not retire"),
        (("retire", MODEL, 1, "--as", APPROVER), "grace is not enrolled"),
        (("approver", "invite", "eve", "--as", REQUESTER), "No approver named 'eve'"),
        (("approver", "invite", APPROVER, "--as", APPROVER), "'grace' may not invite"),
        (("approver", "invite", APPROVER, "--as", REQUESTER), "ada is not enrolled"),
        (("approver", "remove", APPROVER, "--as", REQUESTER), "grace is neither enrolled nor invited"),
    ],
)
def test_no_code_is_asked_for_that_could_only_be_refused(
    waiting: Place, plimsoll: Cli, unasked: list[str], words: tuple[object, ...], said: str
) -> None:
    answer = plimsoll(*words, "--code", "")
    assert (answer.code, said in answer.err, unasked) == (2, True, []), answer.said
    entered = {"mallory": ["unknown_approver"], REQUESTER: ["own_request"], APPROVER: ["not_enrolled"]}
    assert rules(waiting) == (entered[str(words[-1])] if words[0] == "approve" else [])


@pytest.mark.parametrize("url", ["https://reports.example.com/plimsoll/", "http://10.0.0.7:8080"])
def test_links_lead_to_where_people_see_the_pages(
    waiting: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    words = ("approve", MODEL, 1, "--as", "mallory", "--code", "")
    assert f"Full page: http://127.0.0.1:4280/{MODEL}/v1.html\n" in plimsoll(*words).out
    monkeypatch.setenv("PLIMSOLL_REPORTS_URL", url)
    assert f"Full page: {url.rstrip('/')}/{MODEL}/v1.html\n" in plimsoll(*words).out
    monkeypatch.setenv("PLIMSOLL_REPORTS_URL", f"ftp://{waiting.home.name}")
    wrong = plimsoll(*words)
    assert (wrong.code, "reports_url" in wrong.err) == (2, True), wrong.said


def test_who_is_locked_is_not_asked_and_who_can_decide_is(waiting: Place, plimsoll: Cli, unasked: list[str]) -> None:
    code_of(APPROVER)  # everybody enrols
    for _ in range(FREE_TRIES):
        assert "not the code of grace" in plimsoll("approve", MODEL, 1, "--as", APPROVER, "--code", "").err
    assert unasked == [APPROVER] * FREE_TRIES
    locked = plimsoll("approve", MODEL, 1, "--as", APPROVER, "--code", "")
    assert "5 wrong codes in a row were entered in the name of grace" in locked.err
    assert len(unasked) == FREE_TRIES
    assert rules(waiting) == ["wrong_code"] * FREE_TRIES + ["locked"]


def ask_two(place: Place) -> None:
    """Ask for v1 once more, so that two people have to approve and anybody may."""
    entries = read_ledger(place.workspace.archive, MODEL)
    asked = next(e for e in entries if e.kind == "promotion_requested")
    facts = {**asked.facts, "policy": {**asked.facts["policy"], "approvals": 2}, "requested_by": "schedule"}
    clock = {"as_of": asked.as_of, "recorded_at": asked.recorded_at}
    append(place.workspace.archive, MODEL, "promotion_requested", facts=facts, by="schedule", **clock)


def test_an_open_approval_falls_with_the_enrolment_of_its_giver(waiting: Place, plimsoll: Cli) -> None:
    ask_two(waiting)
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    (first,) = waiting.ledger("approved")
    assert plimsoll("approver", "remove", APPROVER, "--as", REQUESTER, "--reason", "phone stolen").code == 0
    (open_one,) = json.loads(plimsoll("pending", "--json").out)
    assert open_one["approved_by"] == []
    said = f"The approval of grace (entry {first['n']}) does not count any more: grace is not enrolled any more."
    second = plimsoll("approve", MODEL, 1, "--as", REQUESTER)
    assert (second.code, waiting.ledger("promoted")) == (0, []), second.said
    assert f"Approved by ada so far; 2 have to. {said} Somebody who may approve now is asked instead." in second.out
    entered = waiting.ledger("approved")[-1]["facts"]
    assert entered["lapsed"] == [first["n"]]
    assert said in get_object(waiting.workspace.store, entered["shown"]).decode()
    assert "1 of 2: ada" in plimsoll("pending").out
    assert plimsoll("approver", "invite", APPROVER, "--as", REQUESTER).code == 0
    enrol_anew(waiting)
    third = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert "is champion now" in third.out, third.said
    assert "ada and grace" in plimsoll("history", MODEL).out
    assert damage(waiting) == ""


def enrol_anew(place: Place) -> None:
    """Let grace, who is invited, take her secret again."""
    now = dt.datetime.now(dt.UTC)
    offer = offer_enrolment(place.workspace, APPROVER, APPROVER.ljust(20).encode(), now)
    confirm_enrolment(place.workspace, offer, code_at(APPS[APPROVER], step_at(now) - 1), "test", now)
    assert len(place.ledger("approver_enrolled", model=PEOPLE)) == 3


def test_an_open_approval_falls_with_the_name_in_the_file_and_a_decision_stands(waiting: Place, plimsoll: Cli) -> None:
    ask_two(waiting)
    path = waiting.root / "configs/approvers.yaml"
    text = path.read_text()
    assert GRACE in text
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    path.write_text(text.replace(GRACE, ""))
    (open_one,) = json.loads(plimsoll("pending", "--json").out)
    assert open_one["approved_by"] == []
    path.write_text(text)
    assert "is champion now" in plimsoll("approve", MODEL, 1, "--as", REQUESTER).out, "she is back before anybody else"
    path.write_text(text.replace(GRACE, ""))
    assert "grace and ada" in plimsoll("history", MODEL).out, "what was decided stands"
    assert damage(waiting) == ""


def test_what_was_shown_before_a_decision_can_be_read_for_ever(waiting: Place, plimsoll: Cli) -> None:
    assert plimsoll("approve", MODEL, 1, "--as", REQUESTER, "--comment", "mine").code == 2
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER, "--comment", "read it").code == 0
    (refused,), (approved,) = waiting.ledger("approval_refused"), waiting.ledger("approved")
    listed = plimsoll("history", MODEL)
    assert f"wrote {refused['n']}, {approved['n']}: plimsoll history {MODEL} --shown {approved['n']}" in listed.out
    assert "may not approve it alone" in " ".join(listed.out.split()), "the refusal's reason, not its comment"
    told = plimsoll("history", MODEL, "--shown", approved["n"])
    assert (told.code, "Shall flight_delay v1 become champion?" in told.out) == (0, True), told.said
    assert f"Entry {approved['n']} of flight_delay, by grace at" in told.out
    digest = approved["facts"]["shown"]
    as_json = json.loads(plimsoll("history", MODEL, "--shown", approved["n"], "--json").out)
    assert (as_json["shown"], as_json["by"]) == (digest, APPROVER)
    assert as_json["markdown"].startswith("> ### Not accepted"), "as it was headed on the terminal"
    reign = json.loads(plimsoll("history", MODEL, "--at", "2030-01-01", "--json").out)["reign"]
    assert reign["approval"]["shown"] == {f"grace (entry {approved['n']})": digest}
    publish_index(waiting.workspace, [MODEL])
    card, page = plimsoll("card", MODEL, 1).out, (waiting.home / f"reports/{MODEL}/index.html").read_text()
    assert f"Shown to grace (entry {approved['n']}): object `{digest[:12]}`" in card
    assert f"plimsoll history {MODEL} --shown {approved['n']}" in page
    found = waiting.home / f"store/objects/sha256/{digest[:2]}/{digest}"
    os.utime(found, (0, 0))
    assert plimsoll("maintain").code == 0
    assert plimsoll("history", MODEL, "--shown", approved["n"]).out == told.out, "the upkeep keeps it"
    flip_a_byte(found)
    refused_by(plimsoll("history", MODEL, "--shown", approved["n"]), 3, "says was shown to grace cannot be read")
    found.unlink()
    refused_by(plimsoll("history", MODEL, "--shown", approved["n"]), 3, "says was shown to grace cannot be read")


def test_asked_for_what_was_never_shown_it_names_what_was(waiting: Place, plimsoll: Cli) -> None:
    refused_by(plimsoll("history", MODEL, "--shown", 1), 2, "Nobody was shown anything that an entry of it names")
    assert plimsoll("reject", MODEL, 1, "--as", APPROVER).code == 0
    n = waiting.ledger("rejected")[0]["n"]
    refused_by(plimsoll("history", MODEL, "--shown", 1), 2, f"names nothing that was shown. Entries that do: {n}.")
    refused_by(plimsoll("history", MODEL, "--shown", 999), 2, f"no entry 999; its last is {n}. Entries that do: {n}.")
    refused_by(plimsoll("history", MODEL, "--shown", n, "--at", "2013-03-01"), 2, "Give one of them")
    trained = waiting.ledger("trained")[0]["n"]
    refused_by(plimsoll("history", MODEL, "--shown", trained), 2, "(trained by flow:train_model) names nothing")
    refused_by(plimsoll("history", "flight", "--shown", n), 2, "No model named 'flight'")


def refused_by(answer: Answer, code: int, words: str) -> None:
    """Assert that a command ended so, with these words and without a traceback."""
    assert (answer.code, words in answer.err, "Traceback" in answer.said) == (code, True, False), answer.said
