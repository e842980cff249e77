"""Approvals: how a decision, a person's or the policy's, becomes ledger entries and a champion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plimsoll.approval import (
    Request,
    approvals_so_far,
    champion_of,
    check_decision,
    find_decision,
    find_request,
    owed_promotion,
)
from plimsoll.approvers_config import approver_named
from plimsoll.automatic import POLICY, check_policy
from plimsoll.business_date import decision_date, wrong_date
from plimsoll.errors import ServerError
from plimsoll.judged_against import champion_judged, never_compared
from plimsoll.lapsed import told_lapses
from plimsoll.ledger import Entry, Guard, Kind, append, read_ledger
from plimsoll.people import Refusal
from tasks.champion import mirror_aliases, promote
from tasks.identity import RefusedError, UnreadableSecretError, Verified, raise_refusal, verify_code
from tasks.requests import counted_now, current_evidence, no_request
from tasks.secrecy import without_secrets
from tasks.typed_text import as_typed, without_code
from tasks.workspace import Workspace

TERMINAL = "command line"
AGAIN = "(look again)"  # no person's decision: it ends a form, and the run looks at the ledger
PLACEHOLDER = {"decision": AGAIN, "who": "(decided in the ledger)", "code": "", "comment": ""}
BECAME = {
    "approved": " and is champion now: it scores the next batch.",
    "rejected": " and will never score.",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a submitted decision."""

    accepted: bool
    sentence: str
    decided: bool = False  # and not one of several approvals that are needed


def submit_decision(
    workspace: Workspace,
    model: str,
    version: int,
    decision: str,
    who: str,
    comment: str,
    run_id: str = "",
    via: str = TERMINAL,
    as_of: str | None = None,
    *,
    code: str = "",
    entered: datetime | None = None,
    now: datetime | None = None,
    verified: Verified | None = None,
    refused: Refusal | None = None,
    shown: str = "",
) -> Outcome:
    """Enter a person's decision in the ledger, or the refusal of it; the last approval needed promotes at once.

    The one check for the form and the command line; entered is when the form was filled in. The code is used up after
    every other rule has been found kept, and before the decision is entered; it is kept nowhere. as_of: its business
    date, that of `decision_date` if None, never one before the newest of the ledger. verified: whoever used
    up a code for several requests at once, this one among them; refused: why this one was not. shown: the object that
    holds the evidence as this person was shown it, which the entry names.
    """
    now = now or datetime.now(UTC)
    request = find_request(read_ledger(workspace.archive, model), version)
    if request is None:
        return Outcome(False, no_request(model, version))
    decision = as_typed(decision, code).casefold()
    approvers = workspace.approvers().names_for(model, "reject" if decision == "reject" else "approve")
    evidence = current_evidence(workspace, request)
    facts = {**_facts(request, without_code(comment, code), via, run_id), **({"shown": shown} if shown else {})}
    by = approver_named(who, approvers) or as_typed(who, code)

    def guard(entries: Sequence[Entry]) -> None:
        raise_refusal(refused)
        if as_of and (wrong := wrong_date(model, entries, as_of, now)):
            raise RefusedError(Refusal("business_date", wrong))
        counting, _ = counted_now(workspace, entries, request)
        raise_refusal(check_decision(counting, request, by, approvers, request.policy, now, evidence, decision))

    def prove() -> Mapping[str, Any]:
        if verified and verified.name == by:
            return {**verified.facts, "warning": ""}
        act = {"act": decision, "model": model, "version": version, "request": request.n}
        try:
            person = verify_code(workspace, by, code, act, now, entered)
        except UnreadableSecretError as unreadable:  # the run that waits asks again, and somebody else can decide
            raise RefusedError(Refusal("unreadable_secret", str(unreadable))) from None
        return {**person.facts, "warning": person.warning}

    return _enter(workspace, request, decision, by, facts, as_of, now, guard, prove)


def submit_policy(workspace: Workspace, model: str, version: int, run_id: str = "") -> Outcome:
    """Promote a version by its policy, or enter why a person has to be asked."""
    now = datetime.now(UTC)
    request = find_request(read_ledger(workspace.archive, model), version)
    if request is None:
        return Outcome(False, no_request(model, version))
    evidence = current_evidence(workspace, request)
    facts = {**_facts(request, "approval.policy is automatic", POLICY, run_id), "identity": "rule"}

    def guard(entries: Sequence[Entry]) -> None:
        raise_refusal(check_policy(entries, request, now, evidence))

    return _enter(workspace, request, "approve", POLICY, facts, None, now, guard, dict)


def _enter(
    workspace: Workspace,
    request: Request,
    decision: str,
    by: str,
    facts: dict[str, Any],
    as_of: str | None,
    now: datetime,
    guard: Guard,
    prove: Callable[[], Mapping[str, Any]],
) -> Outcome:
    """Append a decision that its rules allow and that is proved, or the refusal of it, and do what it owes."""
    archive, model, clock = workspace.archive, request.model, now.isoformat(timespec="milliseconds")
    kind: Kind = "approved" if decision == "approve" else "rejected"
    warning = ""
    before = read_ledger(archive, model)
    today = decision_date(before, now)
    facts |= _beside(before, request)
    _, lapsed = counted_now(workspace, before, request)
    if lapsed and kind == "approved":
        facts["lapsed"] = [one.n for one in lapsed]
    try:
        guard(before)  # before the code, so that none is used up in vain
        proof = dict(prove())
        warning = str(proof.pop("warning", ""))
        facts |= proof
        entry = append(archive, model, kind, facts=facts, as_of=as_of or today, recorded_at=clock, by=by, guard=guard)
    except RefusedError as refused:
        facts |= {"decision": decision, "rule": refused.rule, "sentence": str(refused)}
        append(archive, model, "approval_refused", facts=facts, as_of=today, recorded_at=clock, by=by)
        return Outcome(False, str(refused))
    missing = never_compared(request, entry.facts["champion"]) if kind == "approved" else ""
    fewer = told_lapses(lapsed) if kind == "approved" else ""
    warning = " ".join(part for part in (fewer, missing, warning, _settled(workspace, request)) if part)
    return _outcome(read_ledger(archive, model), request, entry, warning)


def _settled(workspace: Workspace, request: Request) -> str:
    """Do what a decision owes; return why MLflow could not follow: a decision does not wait for it."""
    try:
        settle(workspace, request.model, request.version)
    except ServerError as error:
        if owed_promotion(read_ledger(workspace.archive, request.model), request):
            raise
        return f"The ledger decides, but MLflow's aliases did not follow: {error}"
    return ""


def _outcome(entries: Sequence[Entry], request: Request, entry: Entry, warning: str) -> Outcome:
    decided = find_decision(entries, request) is not None
    said = f"{request.name} was {entry.kind} by {entry.by}"
    became = BECAME[entry.kind] if decided else f".{approvals_so_far(entries, request)}"
    return Outcome(True, " ".join(part for part in (f"{said}{became}", warning) if part), decided)


def settle(workspace: Workspace, model: str, version: int) -> None:
    """Do what a decision still owes: promote an approved version, and let MLflow's aliases follow.

    A promotion that was owed for long, since a process died, counts from the day on which it is made good.
    """
    entries, now = read_ledger(workspace.archive, model), datetime.now(UTC)
    request = find_request(entries, version)
    if request and (approved := owed_promotion(entries, request)):
        at_once = approved is entries[-1] and approved.recorded_at[:10] == now.date().isoformat()
        as_of = approved.as_of if at_once else max(approved.as_of, decision_date(entries, now))
        promote(workspace, model, version, by=approved.by, as_of=as_of)
    elif request:
        mirror_aliases(workspace, model)


def release_waiting(workspace: Workspace, model: str, version: int, *, with_family: bool = True) -> list[str]:
    """Resume every Prefect run that waits for this decision and return their ids; each looks at the ledger again.

    Among them is the run that asks about the whole family, unless whoever decides about several releases it once.
    """
    config = workspace.model(model)
    runs = _resume("promote-model", config.deployment, {"model": model, "version": version})
    return runs + (release_family(config.family) if with_family else [])


def release_family(family: str) -> list[str]:
    """Resume every Prefect run that asks about a family, if it is one's name: what they show is no longer so."""
    return _resume("promote-family", family, {"family": family}) if family else []


def _resume(flow: str, deployment: str, parameters: Mapping[str, Any]) -> list[str]:
    from tasks.prefect_api import current_api_url, resume_run, server_answers, waiting_runs

    if not server_answers(current_api_url()):
        return []
    runs = waiting_runs(flow, deployment, parameters)
    for run_id in runs:
        resume_run(run_id, PLACEHOLDER)
    return runs


def decide_from_terminal(
    workspace: Workspace,
    model: str,
    version: int,
    decision: str,
    who: str,
    comment: str,
    code: str,
    shown: str = "",
    as_of: str | None = None,
) -> Outcome:
    """Submit a decision from the command line; every run that waits for it ends, or shows who has approved by now."""
    outcome = submit_decision(workspace, model, version, decision, who, comment, as_of=as_of, code=code, shown=shown)
    if outcome.accepted:
        release_waiting(workspace, model, version)
    return outcome


def _facts(request: Request, comment: str, via: str, run_id: str) -> dict[str, Any]:
    return {
        "version": request.version,
        "request": request.n,
        "evidence": dict(request.evidence),
        "comment": without_secrets(comment.strip()),
        "via": via,
        "identity": "stated",  # until a code has proved it
        "prefect_run": run_id,
    }


def _beside(entries: Sequence[Entry], request: Request) -> dict[str, Any]:
    """Return which champion stood when a version was decided about, and which one it was compared with."""
    return {"champion": champion_of(entries), "judged_against": champion_judged(request)}
