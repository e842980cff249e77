"""Verified approvals: forged, replayed, stale, self-made and misdirected ones, and as many people as a policy asks."""

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import Cancelled, Pending
from prefect.states import Running as StateRunning

from flows.deploy import deploy
from flows.promote_model import promote_model
from plimsoll.automatic import POLICY
from plimsoll.errors import IntegrityError
from plimsoll.ledger import append, read_ledger
from plimsoll.one_time_code import STEP_SECONDS, code_at, step_at
from plimsoll.people import FREE_TRIES, PEOPLE
from plimsoll.store import get_object
from tasks import approvals
from tasks.approvals import PLACEHOLDER, Outcome, submit_decision
from tasks.identity import verify_code
from tasks.mlflow_roles import register
from tasks.open_approval import LONGEST_LOOK, is_lost, reopen_approvals
from tasks.prefect_api import connected, resume_run, runs_of, start_run, take_inputs
from tasks.requests import list_pending
from tests.flows.places import (
    APPROVER,
    APPS,
    MODEL,
    REQUESTER,
    Answer,
    Place,
    code_of,
    damage,
    enrol_team,
    spoil,
)

Cli = Callable[..., Answer]
STEP = dt.timedelta(seconds=STEP_SECONDS)
THIRD = "you"
ABOUT = {"model": MODEL, "version": 1}


@pytest.fixture
def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def ask_again(place: Place, expires_at: str = "", by: str = REQUESTER, version: int = 1, **policy: Any) -> None:
    """Ask for v1 once more, under another policy, or for a version that only the ledger knows."""
    entries = read_ledger(place.workspace.archive, MODEL)
    asked = next(e for e in entries if e.kind == "promotion_requested")
    facts = {**asked.facts, "version": version, "requested_by": by, "policy": {**asked.facts["policy"], **policy}}
    facts["expires_at"] = expires_at or facts["expires_at"]
    clock = asked.recorded_at
    append(
        place.workspace.archive,
        MODEL,
        "promotion_requested",
        facts=facts,
        as_of=asked.as_of,
        recorded_at=clock,
        by=by,
    )


def bundle_in_mlflow(place: Place, version: int) -> None:
    """Let MLflow have versions of v1's bundle up to a number."""
    facts = place.ledger("trained")[0]["facts"]
    for _ in range(version - facts["version"]):
        register(place.workspace, MODEL, facts["mlflow_run"], {}, "")


def decide(place: Place, who: str, code: str, now: dt.datetime, word: str = "approve") -> Outcome:
    return submit_decision(place.workspace, MODEL, 1, word, who, "", code=code, now=now)


def rules(place: Place) -> list[str]:
    return [entry["facts"]["rule"] for entry in place.ledger("approval_refused")]


def asks(place: Place) -> str:
    """Start the run that asks for v1, as a worker would hold it, and return its id."""
    deploy(place.workspace, [("flows.promote_model.promote_model", "promote")])
    return str(start_run("promote-model", MODEL, ABOUT))


def resume(run_id: str, **answer: str) -> str:
    """Fill in the form of a run, let a worker take it up again, and return how that ended."""
    if answer:
        resume_run(run_id, {**PLACEHOLDER, **answer})
    with connected() as client:
        run = client.read_flow_run(UUID(run_id))
    try:
        return str(run_flow(promote_model, flow_run=run, parameters=ABOUT, return_type="state").name)
    except Pause:  # the process would end here
        return "Suspended"


def test_a_decision_names_a_verified_person_and_keeps_neither_code_nor_secret(waiting: Place, now: dt.datetime) -> None:
    code = code_of(APPROVER, now=now)
    done = submit_decision(waiting.workspace, MODEL, 1, "approve", APPROVER, f"my code is {code}", code=code, now=now)
    assert done.accepted
    facts = waiting.ledger("approved")[0]["facts"]
    assert facts["identity"] == "verified"
    used = waiting.ledger("code_accepted", model=PEOPLE)[-1]
    assert facts["verified"] == {
        "how": "totp",
        "step": used["facts"]["step"],
        "enrolment": used["facts"]["enrolment"],
        "entry": used["n"],
    }
    assert used["by"] == APPROVER
    assert used["facts"]["for"] == {"act": "approve", "model": MODEL, "version": 1, "request": facts["request"]}
    assert facts["comment"] == "my code is ***"
    written = [path.read_bytes() for path in waiting.home.rglob("*") if path.is_file()]
    assert not [data for data in written if APPS[APPROVER].encode() in data]
    assert code not in json.dumps([entry["facts"] for entry in waiting.ledger() + waiting.ledger(model=PEOPLE)])
    assert damage(waiting) == ""


def test_a_code_that_was_typed_into_another_field_is_kept_nowhere(waiting: Place, now: dt.datetime) -> None:
    code = code_of(APPROVER, waiting.workspace, now)
    spaced = f"{code[:3]} {code[3:]}"
    for word, typed in ((code, ""), (f"approve {spaced}", code), (f"Approve {code}", spaced), (f"approve {code}", "")):
        said = submit_decision(waiting.workspace, MODEL, 1, word, f"{APPROVER} {spaced}", spaced, code=typed, now=now)
        assert "Expected the decision approve or reject, found '" in said.sentence
    kept = json.dumps([entry["facts"] for entry in waiting.ledger()]) + str({e["by"] for e in waiting.ledger()})
    assert (code in kept, spaced in kept, rules(waiting)) == (False, False, ["unclear"] * 4)


def test_a_forged_a_strange_a_stale_and_a_replayed_code_are_refused_and_told_apart(
    waiting: Place, now: dt.datetime
) -> None:
    enrol_team(waiting.workspace)
    step = step_at(now)
    stale, strange = code_at(APPS[APPROVER], step - 3), code_at(APPS[REQUESTER], step)
    for code in ("000000", stale, strange, "", "12345", "not a code"):
        assert not decide(waiting, APPROVER, code, now).accepted
    assert rules(waiting) == ["wrong_code"] * 3 + ["no_code"] * 3
    right = code_at(APPS[APPROVER], step)
    refused = decide(waiting, "mallory", right, now)
    assert "May approve: ada, grace, you" in refused.sentence
    done = decide(waiting, APPROVER, f" {right[:3]} {right[3:]} ", now)
    assert done.accepted
    assert done.sentence.endswith("Wrong codes entered in the name of grace since the last right one: 3.")
    ask_again(waiting)
    for code in (right, code_at(APPS[APPROVER], step - 1)):
        assert "was used before" in decide(waiting, APPROVER, code, now).sentence
    assert decide(waiting, APPROVER, code_at(APPS[APPROVER], step + 1), now).accepted


def test_nobody_guesses_a_code_because_five_wrong_ones_lock_the_name(waiting: Place, now: dt.datetime) -> None:
    right = code_of(APPROVER, waiting.workspace, now)
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: decide(waiting, APPROVER, "000000", now).sentence, range(8)))
    assert len(waiting.ledger("code_refused", model=PEOPLE)) == FREE_TRIES
    assert sum("wrong codes in a row" in sentence for sentence in said) == 8 - FREE_TRIES
    assert "wrong codes in a row" in decide(waiting, APPROVER, right, now).sentence, "not even the right one"
    assert waiting.ledger("code_accepted", model=PEOPLE)[-1]["by"] == REQUESTER, "it was not used up"
    later = now + dt.timedelta(minutes=5)
    assert decide(waiting, APPROVER, code_of(APPROVER, waiting.workspace, later), later).accepted


def test_a_code_that_waited_too_long_in_its_form_is_not_counted_as_wrong(waiting: Place, now: dt.datetime) -> None:
    sent = now - dt.timedelta(minutes=6)
    facts = (waiting.workspace, MODEL, 1, "approve", APPROVER, "")
    late = submit_decision(*facts, code=code_of(APPROVER, waiting.workspace, sent), entered=sent, now=now)
    assert (late.accepted, "Enter a new one" in late.sentence, rules(waiting)) == (False, True, ["late"])
    assert not waiting.ledger("code_refused", model=PEOPLE)
    sent = now - dt.timedelta(minutes=4)
    code = code_of(APPROVER, waiting.workspace, sent)
    assert submit_decision(*facts, code=code, entered=sent, now=now).accepted


def test_an_answer_is_read_and_deleted_also_where_its_request_ended_before(waiting: Place) -> None:
    def answered(*answers: dict[str, str]) -> str:
        with connected() as client:
            run = client.create_flow_run(promote_model, parameters=ABOUT, state=Pending())
            for n, answer in enumerate(answers):
                client.create_flow_run_input(run.id, f"suspended-attempt-1-{n + 1}-0-response", json.dumps(answer))
        state = run_flow(promote_model, flow_run=run, parameters=ABOUT, return_type="state")
        assert take_inputs(str(run.id)) == [], "Prefect would keep the codes"
        return str(state.name)

    def answer() -> dict[str, str]:
        return {**PLACEHOLDER, "decision": "approve", "who": APPROVER, "code": code_of(APPROVER)}

    ask_again(waiting, expires_at="2020-01-01T00:00:00+00:00")
    assert (answered(answer()), rules(waiting)) == ("Expired", ["expired"])
    ask_again(waiting)
    assert (answered(PLACEHOLDER, answer()), rules(waiting)) == ("Approved", ["expired"])
    assert [entry["facts"]["via"] for entry in waiting.ledger("approved")] == ["Prefect"]
    assert (answered(answer()), rules(waiting)) == ("Approved", ["expired", "decided"])


def test_a_form_is_shown_again_until_it_is_answered(waiting: Place) -> None:
    run_id = asks(waiting)
    assert (resume(run_id), resume(run_id, who="the ledger"), rules(waiting)) == ("Suspended", "Suspended", [])
    assert (resume(run_id, decision="approve", code="000000"), rules(waiting)) == ("Suspended", ["unknown_approver"])
    assert resume(run_id, decision="approve", who=APPROVER, code=code_of(APPROVER)) == "Approved"
    assert take_inputs(run_id) == []
    shown = get_object(waiting.workspace.store, waiting.ledger("approved")[-1]["facts"]["shown"]).decode()
    assert shown.startswith("> ### Not accepted"), "as the last form had it"
    assert "## Shall flight_delay v1 become champion?" in shown


def test_one_code_decides_once_whoever_races_with_it(waiting: Place, now: dt.datetime) -> None:
    ask_again(waiting, approvals=2, not_requester=False)
    code = code_of(APPROVER, waiting.workspace, now)
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: decide(waiting, APPROVER, code, now), range(6)))
    assert [outcome.accepted for outcome in outcomes].count(True) == 1
    assert len(waiting.ledger("approved")) == 1
    assert set(rules(waiting)) <= {"code_used", "approved_before"}


def test_a_process_that_dies_after_the_code_costs_the_person_one_code_and_no_decision(
    waiting: Place, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    code = code_of(APPROVER, waiting.workspace, now)
    with monkeypatch.context() as patch:
        patch.setattr(approvals, "append", die)
        with pytest.raises(KeyboardInterrupt):
            decide(waiting, APPROVER, code, now)
    assert not waiting.ledger("approved")
    assert "was used before" in decide(waiting, APPROVER, code, now).sentence
    assert decide(waiting, APPROVER, code_of(APPROVER, waiting.workspace, now), now).accepted
    assert damage(waiting) == ""


def test_a_refusal_for_another_reason_uses_no_code_up(waiting: Place, now: dt.datetime) -> None:
    code = code_of(REQUESTER, waiting.workspace, now)
    used = len(waiting.ledger("code_accepted", model=PEOPLE))
    own = decide(waiting, REQUESTER, code, now)
    assert "may not approve it alone. Ask grace or you." in own.sentence
    ask_again(waiting, expires_at="2020-01-01T00:00:00+00:00")
    assert "expired" in decide(waiting, REQUESTER, code, now).sentence
    ask_again(waiting, by="schedule")
    (gate_report,) = [e["facts"]["gate_report"] for e in waiting.ledger("gates_passed")]
    lost = waiting.home / f"store/objects/sha256/{gate_report[:2]}/{gate_report}"
    kept = lost.read_bytes()
    lost.unlink()
    assert "the gate report changed" in decide(waiting, REQUESTER, code, now).sentence
    assert rules(waiting) == ["own_request", "expired", "void"]
    assert len(waiting.ledger("code_accepted", model=PEOPLE)) == used
    lost.write_bytes(kept)
    assert decide(waiting, REQUESTER, code, now).accepted


def test_two_people_have_to_approve_where_the_policy_says_two(waiting: Place, plimsoll: Cli) -> None:
    ask_again(waiting, approvals=2, not_requester=False)
    first = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert "was approved by grace. Approved by grace so far; 2 have to." in first.out
    assert not waiting.ledger("promoted")
    assert [row["approved_by"] for row in list_pending(waiting.workspace)[0]] == [[APPROVER]]
    assert "1 of 2" in plimsoll("pending").out
    again = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert (again.code, "has approved flight_delay v1 already" in again.err) == (2, True)
    assert "is champion now" in plimsoll("approve", MODEL, 1, "--as", REQUESTER).out
    assert [entry["by"] for entry in waiting.ledger("approved")] == [APPROVER, REQUESTER]
    assert "grace and ada" in plimsoll("history", MODEL).out
    assert damage(waiting) == ""


def test_of_two_approvers_at_once_both_count_and_one_promotion_follows(waiting: Place, now: dt.datetime) -> None:
    ask_again(waiting, approvals=2, not_requester=False)
    enrol_team(waiting.workspace)
    codes = {who: code_of(who, waiting.workspace, now) for who in (REQUESTER, APPROVER)}
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda who: decide(waiting, who, codes[who], now), codes))
    assert all(outcome.accepted for outcome in outcomes)
    assert sorted(entry["by"] for entry in waiting.ledger("approved")) == sorted(codes)
    assert len(waiting.ledger("promoted")) == 1


def test_evidence_that_changes_between_two_approvals_voids_both(waiting: Place, now: dt.datetime) -> None:
    ask_again(waiting, approvals=2, not_requester=False)
    assert decide(waiting, APPROVER, code_of(APPROVER, waiting.workspace, now), now).accepted
    snapshot = waiting.ledger("trained")[0]["facts"]["snapshot"]
    (waiting.home / f"store/objects/sha256/{snapshot[:2]}/{snapshot}").unlink()
    second = decide(waiting, REQUESTER, code_of(REQUESTER, waiting.workspace, now), now)
    assert (second.accepted, rules(waiting)) == (False, ["void"])
    assert not waiting.ledger("promoted")


def test_who_decides_about_another_model_decides_nothing_about_this_one(
    waiting: Place, plimsoll: Cli, now: dt.datetime
) -> None:
    path = waiting.root / "configs/approvers.yaml"
    text, line = path.read_text(), '{name: grace, models: ["*"]'
    assert line in text
    path.write_text(text.replace(line, '{name: grace, models: ["breast_*", "flight_minutes"]'))
    code = code_of(APPROVER, waiting.workspace, now)
    for word in ("approve", "reject"):
        refused = plimsoll(word, MODEL, 1, "--as", APPROVER, "--code", code)
        assert (refused.code, f"'grace' may not {word} flight_delay. May" in refused.err) == (2, True), refused.said
    run_id = asks(waiting)
    assert resume(run_id) == "Suspended"
    assert resume(run_id, decision="approve", who=APPROVER, code=code) == "Suspended", "the form is shown again"
    assert rules(waiting) == ["unknown_approver"] * 3
    assert [entry["by"] for entry in waiting.ledger("approval_refused")] == [APPROVER] * 3
    assert not waiting.ledger("approved", "rejected", "promoted")
    for act in ("rollback", "retire"):
        refused = plimsoll(act, MODEL, *([1] if act == "retire" else []), "--as", APPROVER, "--code", code)
        assert (refused.code, "'grace' may not" in refused.err) == (2, True), refused.said
    path.write_text(text.replace(line, '{name: grace, models: ["flight_*"]'))
    assert decide(waiting, APPROVER, code, now).accepted, "the code was not used up"
    assert damage(waiting) == ""


def test_who_was_removed_decides_nothing_until_somebody_lets_them_in_again(waiting: Place, plimsoll: Cli) -> None:
    old = code_of(APPROVER)
    assert plimsoll("approver", "remove", APPROVER, "--as", APPROVER, "--code", "000000").code == 2
    gone = plimsoll("approver", "remove", APPROVER, "--as", REQUESTER, "--reason", "left the company")
    assert "grace can decide nothing any more" in gone.out
    refused = plimsoll("approve", MODEL, 1, "--as", APPROVER, "--code", old)
    assert "grace is not enrolled" in refused.err
    uninvited = plimsoll("approver", "add", APPROVER)
    assert (uninvited.code, "grace was not invited. Ask ada" in uninvited.err) == (2, True)
    stranger = plimsoll("approver", "invite", APPROVER, "--as", APPROVER, "--code", old)
    assert "'grace' may not invite people. May invite: ada, you" in stranger.err
    assert "grace may enrol until" in plimsoll("approver", "invite", APPROVER, "--as", REQUESTER).out
    grace = next(row for row in json.loads(plimsoll("approver", "list", "--json").out) if row["name"] == APPROVER)
    assert (grace["enrolled"], grace["invited_by"]) == (None, REQUESTER)
    assert "invited by ada" in plimsoll("approver", "list").out


def test_the_policy_promotes_no_first_version_unasked_and_so_many_a_month(waiting: Place, plimsoll: Cli) -> None:
    ask_again(waiting, policy="automatic")
    assert promote_model(MODEL, 1, return_state=True).name == "Awaiting"
    assert [e["facts"]["rule"] for e in waiting.ledger("approval_refused")] == ["first_version"]
    assert waiting.ledger("approved") == [], "no gate compared it with anything"
    ask_again(waiting, policy="automatic", first_by_policy=True, automatic_per_month=1)
    assert promote_model(MODEL, 1, return_state=True).name == "Approved"
    assert [(e["by"], e["facts"]["identity"]) for e in waiting.ledger("approved")] == [(POLICY, "rule")]
    ask_again(waiting, policy="automatic", automatic_per_month=1)
    for _ in range(2):
        assert promote_model(MODEL, 1, return_state=True).name == "Awaiting"
    _, refused = waiting.ledger("approval_refused")
    assert (refused["by"], refused["facts"]["rule"]) == (POLICY, "automatic_limit")
    assert "'policy' may not approve" in plimsoll("approve", MODEL, 1, "--as", POLICY).err
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0


def test_an_approval_that_was_entered_without_a_code_is_found(waiting: Place, now: dt.datetime) -> None:
    assert decide(waiting, APPROVER, code_of(APPROVER, waiting.workspace, now), now).accepted
    true = waiting.ledger("approved")[0]
    ask_again(waiting)
    archive, clock = waiting.workspace.archive, now.isoformat()
    forged = append(
        archive, MODEL, "approved", facts=true["facts"], as_of=true["as_of"], recorded_at=clock, by=APPROVER
    )
    said = damage(waiting)
    assert f"ledger/{MODEL}/{forged.n:08d}.json says that grace proved to be grace" in said


def test_a_request_whose_run_was_lost_gets_another_one_and_no_second(waiting: Place) -> None:
    bundle_in_mlflow(waiting, 17)
    ask_again(waiting, version=17)  # the server has runs about v1, of tests before
    about: dict[str, Any] = {"model": MODEL, "version": 17}
    deploy(waiting.workspace, [("flows.promote_model.promote_model", "promote")])
    for _ in range(2):
        reopen_approvals(waiting.workspace)
        (run,) = runs_of("promote-model", MODEL, about)
    with connected() as client:
        client.set_flow_run_state(UUID(run.id), Cancelled(), force=True)
    for _ in range(2):
        reopen_approvals(waiting.workspace)
        again, before = runs_of("promote-model", MODEL, about)
        assert (again.ended, before) == (False, run._replace(ended=True))


def test_a_run_that_a_dead_machine_left_running_is_lost_and_a_void_request_asks_nobody(waiting: Place) -> None:
    bundle_in_mlflow(waiting, 18)
    ask_again(waiting, version=18)
    about: dict[str, Any] = {"model": MODEL, "version": 18}
    deploy(waiting.workspace, [("flows.promote_model.promote_model", "promote")])
    reopen_approvals(waiting.workspace)
    (run,) = runs_of("promote-model", MODEL, about)
    with connected() as client:
        client.set_flow_run_state(UUID(run.id), StateRunning(), force=True)
    assert not reopen_approvals(waiting.workspace), "it may be at work"
    reopen_approvals(waiting.workspace, server_started=dt.datetime.now(dt.UTC))
    again, _ = runs_of("promote-model", MODEL, about)
    assert not again.ended
    with connected() as client:
        client.set_flow_run_state(UUID(again.id), StateRunning(), force=True)
    long_after = dt.datetime.now(dt.UTC) - LONGEST_LOOK
    assert not is_lost(runs_of("promote-model", MODEL, about)[0], long_after)
    assert is_lost(runs_of("promote-model", MODEL, about)[0], dt.datetime.now(dt.UTC))
    snapshot = waiting.ledger("trained")[0]["facts"]["snapshot"]
    (waiting.home / f"store/objects/sha256/{snapshot[:2]}/{snapshot}").unlink()
    assert not reopen_approvals(waiting.workspace, server_started=dt.datetime.now(dt.UTC))


def test_another_key_cannot_read_the_secrets_and_says_so(waiting: Place, now: dt.datetime) -> None:
    code = code_of(APPROVER, waiting.workspace, now)
    public = waiting.workspace.archive.seal.public
    (waiting.home / "keys/signing.key").unlink()
    config = waiting.root / "configs/platform.yaml"
    config.write_text(config.read_text().replace("trusted: []", f"trusted: ['{public}']"))
    said = decide(waiting, APPROVER, code, now).sentence
    assert f"The secret of grace was stored with the key {public[:8]}" in said
    assert "and this installation holds" in said
    assert (rules(waiting), waiting.ledger("approved")) == (["unreadable_secret"], [])
    with pytest.raises(IntegrityError, match="The secret of grace was stored with the key"):
        verify_code(waiting.workspace, APPROVER, code, {}, now)


def test_a_secret_that_is_gone_or_changed_refuses_the_decision_and_ends_no_run(
    waiting: Place, now: dt.datetime
) -> None:
    code = code_of(APPROVER, waiting.workspace, now)
    (secret,) = [e["facts"]["secret"] for e in waiting.ledger("approver_enrolled", model=PEOPLE) if e["by"] == APPROVER]
    stored = waiting.home / f"store/objects/sha256/{secret[:2]}/{secret}"
    kept = stored.read_bytes()
    spoil(stored, kept[:-1])
    assert "The secret of grace cannot be read" in decide(waiting, APPROVER, code, now).sentence
    stored.unlink()
    assert "The secret of grace cannot be read" in decide(waiting, APPROVER, code, now).sentence
    assert rules(waiting) == ["unreadable_secret"] * 2
    stored.write_bytes(kept)
    assert decide(waiting, APPROVER, code, now).accepted
