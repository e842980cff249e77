"""Approvals: who may decide about which evidence until when, and what everyone else is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.story import describe
from plimsoll.approval import (
    Request,
    check_decision,
    decided_by,
    find_decision,
    find_request,
    open_requests,
    owed_promotion,
    refusals_of,
    request_status,
)
from plimsoll.approval_page import evidence_markdown
from plimsoll.approvers_config import ApproversConfig, too_few
from plimsoll.automatic import POLICY, check_policy, policy_declined
from plimsoll.config_loading import parse_config
from plimsoll.errors import ConfigError
from plimsoll.judged_against import never_compared, other_champion
from plimsoll.lapsed import lapses, without
from plimsoll.ledger import Entry, Kind
from plimsoll.model_config import Approval
from plimsoll.people import Enrolment
from plimsoll.standing import stand
from plimsoll.trace_facts import approval_facts

NOW = datetime(2013, 4, 2, 12, 0, tzinfo=UTC)
EVIDENCE = {name: name[0] * 64 for name in ("bundle", "snapshot", "code", "config", "gate_report")}
APPROVERS = ("ada", "grace")
SUMMARY: dict[str, Any] = {
    "rows": 80_000,
    "judged_on": {"rows": 12_000, "from": "2013-03-18", "to": "2013-03-31"},
    "metrics": {"auc": 0.71234, "log_loss": None},
    "champion": {"version": 2, "metrics": {"auc": 0.7, "log_loss": 0.5}},
    "gates": [{"verdict": "pass", "sentence": "auc is 0.7123, needs ≥ 0.6200 (asked by the config)"}],
    "excluded_dates": {"2013-03-01": "no rows"},
    "page": "flight_delay/v3.html",
}


def entry(n: int, kind: Kind, by: str = "flow:train_model", **facts: Any) -> Entry:
    facts.setdefault("version", 3)
    return Entry(n, "flight_delay", kind, "2013-03-31", "2013-04-01T09:30:00.000+00:00", by, facts)


def asked(n: int = 5, by: str = "schedule", version: int = 3, **policy: Any) -> Entry:
    return entry(
        n,
        "promotion_requested",
        by,
        version=version,
        evidence=EVIDENCE,
        requested_by=by,
        expires_at="2013-04-15T12:00:00+00:00",
        policy=Approval(**policy).model_dump(),
        summary=SUMMARY,
        run="run-1",
    )


def request_of(*entries: Entry, version: int = 3) -> Request:
    found = find_request(entries, version)
    assert found is not None
    return found


def refusal(
    entries: list[Entry],
    who: str = "ada",
    now: datetime = NOW,
    evidence: dict[str, str] | None = None,
    decision: Any = "approve",
) -> tuple[str, str] | None:
    request = request_of(*entries)
    current = EVIDENCE if evidence is None else evidence
    found = check_decision(entries, request, who, APPROVERS, request.policy, now, current, decision)
    return (found.rule, found.sentence) if found else None


def test_an_approver_may_decide_about_unchanged_evidence_in_time() -> None:
    assert refusal([asked()]) is None


@pytest.mark.parametrize("who", ["Ada", " ada ", "GRACE\n"])
def test_a_name_is_found_whatever_its_case_and_surrounding_spaces(who: str) -> None:
    assert refusal([asked()], who) is None


@pytest.mark.parametrize("who", ["mallory", "", "  ", "ada2", "flow:train_model", POLICY])
def test_nobody_else_may_and_is_told_who_may(who: str) -> None:
    rule, sentence = refusal([asked()], who) or ("", "")
    assert rule == "unknown_approver"
    assert "May approve: ada, grace (configs/approvers.yaml)" in sentence


@pytest.mark.parametrize("who", ["ada", "ADA", " Ada "])
def test_requesters_may_not_approve_their_own_request_but_may_withdraw_it(who: str) -> None:
    entries = [asked(by="ada")]
    rule, sentence = refusal(entries, who) or ("", "")
    assert (rule, sentence) == ("own_request", "ada requested flight_delay v3 and may not approve it alone. Ask grace.")
    assert refusal(entries, who, decision="reject") is None
    assert refusal(entries, "grace") is None


def test_requesters_may_approve_their_own_request_where_the_policy_lets_them() -> None:
    assert refusal([asked(by="ada", not_requester=False)]) is None


def judged(n: int = 4, kind: Kind = "gates_passed", version: int = 3, **facts: Any) -> Entry:
    return entry(n, kind, version=version, **facts)


def by_policy(n: int, when: str, version: int) -> Entry:
    return replace(entry(n, "approved", POLICY, version=version, identity="rule"), recorded_at=when)


def policy_says(
    *entries: Entry, now: datetime = NOW, evidence: dict[str, str] | None = None, champion: int = 2
) -> str | None:
    stood = (entry(0, "promoted", version=champion), *entries)
    found = check_policy(stood, request_of(*stood), now, EVIDENCE if evidence is None else evidence)
    return found.rule if found else None


def test_the_policy_decides_only_where_the_config_of_the_request_made_it_automatic() -> None:
    assert policy_says(judged(), asked(policy="automatic")) is None
    assert policy_says(judged(), asked()) == "not_automatic"
    assert refusal([asked(policy="automatic")], POLICY) is not None, "nobody can type its name"


def test_the_policy_needs_passed_gates_and_unchanged_evidence() -> None:
    automatic = asked(policy="automatic")
    assert policy_says(automatic) == "gates"
    assert policy_says(judged(), judged(4, "gates_failed"), automatic) == "gates"
    assert policy_says(judged(version=2), automatic) == "gates"
    assert policy_says(judged(), automatic, evidence={**EVIDENCE, "code": ""}) == "void"


def test_the_policy_leaves_a_version_of_which_a_gate_warned_to_a_person() -> None:
    automatic, warned = asked(policy="automatic"), {"verdict": "warn", "sentence": "bias is 0.3"}
    assert policy_says(judged(gates=[*SUMMARY["gates"], warned]), automatic) == "warned"
    assert policy_says(judged(3, gates=[warned]), judged(gates=SUMMARY["gates"]), automatic) is None, "the last counts"
    for before in (["auc is 0.7"], [{"passed": True, "sentence": "auc is 0.7"}], []):
        assert policy_says(judged(gates=before), automatic) is None, "written before a gate could warn"


def test_the_policy_leaves_a_version_that_was_judged_against_another_champion_to_a_person() -> None:
    automatic = asked(policy="automatic")
    assert policy_says(judged(), automatic, champion=1) == "other_champion"
    later = entry(6, "promoted", version=4)
    assert policy_says(judged(), automatic, later) == "other_champion", "also where it was promoted since"
    assert policy_says(judged(), automatic, later, entry(7, "rolled_back", version=2)) is None, "and back again"
    first = replace(automatic, facts={**automatic.facts, "summary": {**SUMMARY, "champion": None}})
    assert policy_says(judged(), first) == "other_champion"


def test_the_policy_leaves_a_first_version_to_a_person_unless_the_config_says_so_in_so_many_words() -> None:
    alone = {**SUMMARY, "champion": None}
    for by_policy_too, rule in ((False, "first_version"), (True, None)):
        asks = asked(policy="automatic", first_by_policy=by_policy_too)
        first = replace(asks, facts={**asks.facts, "summary": alone})
        found = check_policy((judged(), first), request_of(first), NOW, EVIDENCE)
        assert (found.rule if found else None) == rule
        if found:
            assert "there is none yet: a person is asked, unless approval.first_by_policy is true" in found.sentence


def test_whoever_decides_is_told_what_was_never_compared() -> None:
    request = request_of(asked())
    assert (other_champion(request, 2), never_compared(request, 2)) == ("", "")
    assert "The champion is v4 now, and flight_delay v3 was judged against v2." in other_champion(request, 4)
    assert "judged against v2, and never compared with v4, the champion at that time." in never_compared(request, 4)
    assert "There is no champion now" in other_champion(request, None)
    assert "no champion stood" in never_compared(request, None)


def test_the_policy_promotes_so_many_a_month_and_leaves_the_next_to_a_person() -> None:
    past = [by_policy(1, "2013-03-10T12:00:00.000+00:00", 1), by_policy(2, "2013-03-20T12:00:00.000+00:00", 2)]
    entries = [*past, judged(), asked(policy="automatic", automatic_per_month=2)]
    assert policy_says(*entries) == "automatic_limit"
    assert policy_says(*entries, now=datetime(2013, 4, 10, tzinfo=UTC)) is None, "the first is a month old"
    assert policy_says(*past, judged(), asked(policy="automatic", automatic_per_month=3)) is None
    by_people = [replace(e, facts={**e.facts, "identity": "verified"}) for e in past]
    assert policy_says(*by_people, *entries[2:]) is None, "people are not counted"
    declined = entry(6, "approval_refused", POLICY, request=5, identity="rule", rule="automatic_limit")
    assert not policy_declined(entries, request_of(*entries))
    assert policy_declined([*entries, declined], request_of(*entries))


def test_where_two_have_to_approve_the_second_decides() -> None:
    two, first = asked(approvals=2), entry(6, "approved", "ada")
    request = request_of(two)
    status = request_status([two, first], request, NOW)
    assert status.state == "waiting"
    assert status.sentence.endswith("Approved by ada so far; 2 have to.")
    rule, sentence = refusal([two, first], "Ada") or ("", "")
    assert rule == "approved_before"
    assert sentence.endswith("2 different people have to. Ask grace.")
    assert refusal([two, first], "grace") is None
    both = [two, first, entry(7, "approved", "grace")]
    assert request_status(both, request, NOW).sentence.startswith("flight_delay v3 was approved by ada and grace on")
    assert decided_by(both, request) == ["ada", "grace"]
    assert owed_promotion([two, first], request) is None
    assert owed_promotion(both, request) == both[-1]


def test_one_rejection_decides_whoever_approved_before() -> None:
    two, first, no = asked(approvals=2), entry(6, "approved", "ada"), entry(7, "rejected", "ada")
    assert refusal([two, first], "ada", decision="reject") is None, "a change of mind"
    assert request_status([two, first, no], request_of(two), NOW).state == "rejected"
    assert refusal([two, first, no], "grace") is not None


@given(names=st.lists(st.sampled_from(["ada", "bob", "cy"]), max_size=6), needed=st.integers(1, 3))
def test_a_request_is_approved_by_exactly_as_many_different_people_as_it_asks_for(
    names: list[str], needed: int
) -> None:
    entries = [asked(approvals=needed)]
    request = request_of(*entries)
    for who in names:
        found = check_decision(entries, request, who, ("ada", "bob", "cy"), request.policy, NOW, EVIDENCE)
        if found is None:
            entries.append(entry(len(entries) + 5, "approved", who))
    approved = request_status(entries, request, NOW).state == "approved"
    assert approved == (len(set(names)) >= needed)
    assert len(entries) - 1 == min(needed, len(set(names)))


def test_a_request_expires_at_its_minute_and_not_before() -> None:
    until = datetime(2013, 4, 15, 12, 0, tzinfo=UTC)
    assert refusal([asked()], now=until - timedelta(seconds=1)) is None
    rule, sentence = refusal([asked()], now=until) or ("", "")
    assert rule == "expired"
    assert "expired on 2013-04-15 12:00 UTC. Train it again" in sentence


@pytest.mark.parametrize("kind", ["approved", "rejected"])
def test_a_decision_is_final_and_names_who_took_it_when(kind: Kind) -> None:
    entries = [asked(), entry(6, kind, "grace")]
    rule, sentence = refusal(entries, now=NOW + timedelta(days=99)) or ("", "")
    assert rule == "decided"
    assert sentence == f"Already decided: flight_delay v3 was {kind} by grace on 2013-04-01 09:30 UTC."
    assert request_status(entries, request_of(*entries), NOW, {}).state == kind


def test_a_decision_about_another_version_or_an_earlier_request_decides_nothing() -> None:
    entries = [asked(4), entry(5, "rejected", "ada"), asked(6), entry(7, "approved", "ada", version=2)]
    assert refusal(entries) is None


@given(changed=st.sets(st.sampled_from(sorted(EVIDENCE)), min_size=1), gone=st.booleans())
def test_changed_evidence_voids_a_request_and_is_named(changed: set[str], gone: bool) -> None:
    current = {name: digest for name, digest in EVIDENCE.items() if name not in changed or not gone}
    current |= {} if gone else dict.fromkeys(changed, "f" * 64)
    rule, sentence = refusal([asked()], evidence=current) or ("", "")
    assert rule == "void"
    assert all(name.replace("_", " ") in sentence.split("void:")[1] for name in changed)


@given(
    who=st.sampled_from(["ada", "grace", "mallory", ""]),
    by=st.sampled_from(["ada", "schedule"]),
    days=st.integers(0, 30),
    intact=st.booleans(),
    decided=st.booleans(),
)
def test_an_approval_needs_every_rule_at_once(who: str, by: str, days: int, intact: bool, decided: bool) -> None:
    entries = [asked(by=by), *([entry(6, "rejected", "grace")] if decided else [])]
    now = datetime(2013, 4, 1, 12, tzinfo=UTC) + timedelta(days=days)
    allowed = who in APPROVERS and who != by and days < 14 and intact and not decided
    found = refusal(entries, who, now, EVIDENCE if intact else {**EVIDENCE, "bundle": ""})
    assert (found is None) == allowed


def test_a_time_without_a_zone_is_utc() -> None:
    entries = [replace(asked(), facts={**asked().facts, "expires_at": "2013-04-15T12:00:00"})]
    assert request_of(*entries).expires_at == datetime(2013, 4, 15, 12, tzinfo=UTC)


def test_a_version_without_a_request_has_none() -> None:
    assert find_request([asked(version=2)], 3) is None


def test_the_waiting_requests_are_those_without_decision_and_in_time() -> None:
    entries = [asked(1, version=1), asked(2, version=2), asked(3), entry(4, "approved", "ada", version=2)]
    assert [r.version for r in open_requests(entries, NOW)] == [1, 3]
    assert open_requests(entries, NOW + timedelta(days=30)) == []


def test_only_the_refusals_of_one_prefect_run_about_this_request_count() -> None:
    mine = {"request": 5, "prefect_run": "a"}
    entries = [
        entry(4, "approval_refused", request=2, prefect_run="a"),
        asked(5),
        entry(6, "approval_refused", **mine),
        entry(7, "approval_refused", request=5, prefect_run="b"),
        entry(8, "approval_refused", **mine),
    ]
    assert [e.n for e in refusals_of(entries, request_of(*entries), "a")] == [6, 8]


def test_an_approval_owes_a_promotion_until_the_champion_moves() -> None:
    entries = [asked(), entry(6, "approved", "ada")]
    owed = owed_promotion(entries, request_of(*entries))
    assert owed is not None
    assert owed.n == 6
    for move in (entry(7, "promoted"), entry(7, "promoted", version=4), entry(7, "rolled_back", version=1)):
        assert owed_promotion([*entries, move], request_of(*entries)) is None


def test_neither_a_waiting_nor_a_rejected_request_owes_anything() -> None:
    entries = [asked(), entry(6, "rejected", "ada")]
    assert owed_promotion(entries[:1], request_of(*entries)) is None
    assert owed_promotion(entries, request_of(*entries)) is None


def test_the_page_shows_what_was_measured_and_what_it_is_bound_to() -> None:
    page = evidence_markdown(request_of(asked()), 2, APPROVERS, "http://127.0.0.1:4280/flight_delay/v3.html")
    assert page.startswith("## Shall flight_delay v3 become champion?")
    assert "| auc | 0.7123 | 0.7000 |" in page
    assert "| log_loss | — | 0.5000 |" in page
    assert "2013-03-01: no rows" in page
    assert "gate report `gggggggggggg`" in page
    assert "may approve: **ada, grace**" in page


def test_the_page_of_a_request_made_before_gates_could_warn_shows_its_sentences() -> None:
    old = replace(asked(), facts={**asked().facts, "summary": {**SUMMARY, "gates": ["auc is 0.7, needs ≥ 0.62"]}})
    assert "\n- passed: auc is 0.7, needs ≥ 0.62\n" in evidence_markdown(request_of(old), 2, APPROVERS, "")


def test_the_page_opens_with_the_refusal_and_leaves_the_requester_out() -> None:
    page = evidence_markdown(request_of(asked(by="ada")), 2, APPROVERS, "", "'x' may not decide.")
    assert page.startswith("> ### Not accepted\n> 'x' may not decide.")
    assert "may approve: **grace**" in page


def test_the_page_says_who_has_approved_and_who_cannot() -> None:
    page = evidence_markdown(request_of(asked(approvals=2)), 2, APPROVERS, "", given=["ada"], enrolled={"ada"})
    assert "**1 of 2 approvals**: ada" in page
    assert "Not enrolled when this was drawn, so without a code then: grace" in page


def test_the_page_warns_when_the_champion_is_not_the_one_it_was_judged_against() -> None:
    page = evidence_markdown(request_of(asked()), 4, APPROVERS, "")
    assert "The champion is v4 now" in page
    assert "judged against v2" in page


def test_a_page_without_measurements_is_still_a_page() -> None:
    bare = replace(asked(), facts={**asked().facts, "summary": {}})
    assert "Bound to bundle" in evidence_markdown(request_of(bare), None, APPROVERS, "")


PEOPLE = "approvers:\n- {name: ada, models: ['*'], roles: [approver, steward]}\n"


@pytest.mark.parametrize(
    ("needed", "requester", "own", "said"),
    [
        (1, "ada", True, ""),
        (2, "schedule", True, ""),
        (2, "ada", False, ""),
        (
            2,
            "Ada ",
            True,
            "m needs 2 approvals, and 1 person may approve it (grace); ada asks, and may not approve that",
        ),
        (3, "", True, "m needs 3 approvals, and 2 people may approve it (ada, grace): its request could only expire."),
    ],
)
def test_more_approvals_than_people_are_found(needed: int, requester: str, own: bool, said: str) -> None:
    found = too_few("m", needed, APPROVERS, requester, own)
    assert found.startswith(said)
    assert bool(found) == bool(said)
    assert "no people may approve it:" in too_few("m", 1, (), "", True)


def test_approvers_may_decide_about_their_models_only() -> None:
    text = PEOPLE + "- {name: bob, models: [churn]}\n- {name: rita, models: ['*'], roles: [reviewer]}\n"
    config = parse_config(ApproversConfig, text, "configs/approvers.yaml")
    assert config.names_for("flight_delay") == ("ada",)
    assert config.names_for("churn") == ("ada", "bob")
    assert config.names_for("churn", "reject") == ("ada", "bob", "rita")
    assert config.names_for("churn", "roll back") == ("ada", "bob")
    assert config.stewards == ("ada",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("approvers: []", "approvers"),
        ("approvers:\n- {name: ada, model: ['*']}", "unknown key approvers.0.model. Did you mean models?"),
        (PEOPLE + "- {name: ada, models: [churn]}", "approvers names ada twice"),
        (PEOPLE + "- {name: bob, models: [churn], roles: [boss]}", "approvers.1.roles"),
        (PEOPLE + "- {name: policy, models: [churn]}", "approvers names policy, which is no person's name"),
        ("approvers:\n- {name: ada, models: ['*']}", "approvers needs one with the role steward"),
        ("approvers:\n- {name: 'Ada L', models: ['*']}", "approvers.0.name"),
    ],
)
def test_a_mistake_in_the_approvers_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"^configs/approvers\.yaml: ") as caught:
        parse_config(ApproversConfig, text, "configs/approvers.yaml")
    assert said in str(caught.value)


def test_an_approval_tells_what_each_person_was_shown_said_and_compared() -> None:
    beside = {"champion": 4, "judged_against": 2}
    first = entry(7, "approved", "ada", comment="older", shown="a" * 64, **beside)
    second = entry(8, "approved", "grace", comment="better", shown="b" * 64, **beside)
    facts = approval_facts(stand("flight_delay", [trained(1), asked(approvals=2), first, second]), 3)
    assert facts is not None
    assert facts["comment"] == "ada: older; grace: better"
    assert facts["shown"] == {"ada (entry 7)": "a" * 64, "grace (entry 8)": "b" * 64}
    said = "flight_delay v3 was judged against v2, and never compared with v4, the champion at that time."
    assert facts["warning"] == said
    assert describe(second) == f"v3: better · {said}"
    alone = approval_facts(stand("flight_delay", [trained(1), asked(), entry(7, "approved", "ada", comment="old")]), 3)
    assert alone is not None
    assert (alone["comment"], alone["shown"], alone["warning"]) == ("old", {}, ""), "as older versions wrote it"


def trained(n: int) -> Entry:
    return entry(n, "trained", bundle="b" * 64)


@pytest.mark.parametrize(
    ("enrolled", "approvers", "why"),
    [
        ({"ada": 11}, ("ada", "grace"), ""),
        ({"ada": 12}, ("ada", "grace"), "ada enrolled anew since"),
        ({}, ("ada", "grace"), "ada is not enrolled any more"),
        ({"ada": 11}, ("grace",), "ada may not approve flight_delay any more (configs/approvers.yaml)"),
    ],
)
def test_an_open_approval_counts_while_its_giver_may_give_it(
    enrolled: dict[str, int], approvers: tuple[str, ...], why: str
) -> None:
    people = {name: Enrolment(name, n, "", "", "", "", 0) for name, n in enrolled.items()}
    two, first = asked(approvals=2), entry(7, "approved", "ada", verified={"enrolment": 11, "entry": 20})
    second = entry(8, "approved", "grace", verified={"enrolment": 9, "entry": 21})
    entries, request = [two, first], request_of(two)
    found = lapses(entries, request, people, approvers)
    assert [one.why for one in found] == ([why] if why else [])
    assert without(entries, found) == ([two] if why else entries)
    assert not lapses([*entries, second], request, people, approvers), "what was decided stands"
    told = replace(second, facts={**second.facts, "lapsed": [one.n for one in found]})
    assert (find_decision([*entries, told], request) is None) == bool(why)
    third = entry(9, "approved", "cy")
    assert decided_by([*entries, told, third], request) == (["grace", "cy"] if why else ["ada", "grace"])
    by = stand("flight_delay", [trained(1), *entries, told, third]).approvals(3)
    assert [e.by for e in by][:2] == (["grace", "cy"] if why else ["ada", "grace"])


def test_an_approval_of_before_anybody_enrolled_and_that_of_the_policy_need_no_enrolment() -> None:
    two = asked(approvals=2)
    stated, rule = entry(7, "approved", "ada", identity="stated"), entry(7, "approved", POLICY, identity="rule")
    assert not lapses([two, stated], request_of(two), {}, ("ada",))
    assert not lapses([two, rule], request_of(two), {}, ("ada",))
