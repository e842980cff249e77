"""Asking about a family: what its run shows, what people filled in in the forms of it, and what became of that."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from plimsoll.approval import Request, champion_of, find_approvals, open_requests, request_at, request_status
from plimsoll.automatic import policy_declined
from plimsoll.errors import ApprovalError, PlimsollError
from plimsoll.family_approval import Asked, Key, chosen, family_markdown, few_lines
from plimsoll.lapsed import told_lapses
from plimsoll.ledger import read_ledger
from plimsoll.people import PEOPLE, enrolments
from plimsoll.run_record import read_record
from plimsoll.store import put_object
from tasks.approvals import AGAIN, submit_policy
from tasks.family_decisions import Answer, Decided, decide_family
from tasks.identity import UnreadableSecretError
from tasks.index_page import publish_index
from tasks.pages import report_url
from tasks.prefect_api import Filled
from tasks.readable import each_readable
from tasks.records import Recorded
from tasks.requests import counted_now, current_evidence
from tasks.shown_pages import restore_pages
from tasks.workspace import Workspace

UNKNOWN = "What this form showed is not known any more, so nothing was decided. Look at the table and submit it again."
FLOW = "promote_family"


def form_key(run: Recorded) -> str:
    """Return the key of the form that a run shows: Prefect takes small letters, digits and dashes."""
    return run.id.lower().replace("_", "-")


def shown_in(workspace: Workspace, form: str) -> list[Key]:
    """Return the requests that a form showed, from the signed record of the run that drew it; none when it has none."""
    return [(str(model), int(version), int(n)) for model, version, n in _drawn(workspace, form).get("shown", ())]


def _drawn(workspace: Workspace, form: str) -> dict[str, Any]:
    """Return the outputs of the run that drew a form."""
    stamp, _, rest = form.partition("-")
    record = read_record(workspace.archive, f"{stamp.upper()}-{rest.replace(FLOW.replace('_', '-'), FLOW)}")
    return dict(((record or {}).get("end") or {}).get("outputs", {}))


def enter_answer(run: Recorded, family: str, answer: Filled, fields: dict[str, str], run_id: str) -> str:
    """Enter what was filled in in a form about what it showed, and return in words what became of it.

    fields are decision, who, code, comment and models. Nothing here ends the run: whatever is refused is asked again.
    """
    if fields["decision"] == AGAIN:
        return ""
    said = {name: fields[name] for name in ("decision", "who", "comment", "code")}
    given = Answer(**said, via="Prefect", run_id=run_id, entered=answer.at)
    try:
        if not (shown := shown_in(run.workspace, answer.form)):
            return UNKNOWN
        given = replace(given, shown=str(_drawn(run.workspace, answer.form).get("table", "")))
        about = requests_at(run.workspace, chosen(fields["models"], shown))
        done = decide_family(run.workspace, family, about, given)
    except (ApprovalError, UnreadableSecretError) as refused:
        return str(refused)
    run.outputs.setdefault("decided", []).extend(vars(one) for one in done)
    return told(done)


def told(done: Sequence[Decided]) -> str:
    """Return what became of an answer about several requests: how many were entered, and each that was not."""
    no = [one for one in done if not one.accepted]
    counted = f"Entered about {len(done) - len(no)} of {len(done)}."
    return "\n".join([counted, *(f"> {line}" for line in few_lines([f"- {one.sentence}" for one in no]))])


def requests_at(workspace: Workspace, keys: Sequence[Key]) -> list[Request]:
    """Return the requests that some ledger entries are, as they were made; ApprovalError where there is none."""
    return [_request(workspace, *key) for key in keys]


def _request(workspace: Workspace, model: str, version: int, n: int) -> Request:
    found = request_at(read_ledger(workspace.archive, model), n)
    if found is None or found.version != version:
        raise ApprovalError(f"The ledger of {model} has no request of v{version} in entry {n}. Nothing was decided.")
    return found


def decide_by_policy(run: Recorded, family: str, run_id: str) -> None:
    """Let the policy decide about members whose config says so; what goes wrong with one is a person's business."""
    for model in run.workspace.members(family):
        with suppress(PlimsollError):
            entries = read_ledger(run.workspace.archive, model)
            for one in open_requests(entries, datetime.now(UTC)):
                if one.policy.policy == "automatic" and not policy_declined(entries, one):
                    submit_policy(run.workspace, model, one.version, run_id)


def look_at_family(run: Recorded, family: str) -> list[Asked]:
    """Return the requests of a family's members that nobody has decided yet, each with its evidence checked now.

    Those that wait are noted in the run's record, which a suspension closes: that is what the form shows.
    """
    found, faults = asked_now(run.workspace, family)
    run.outputs |= {"shown": [[*one.key] for one in found if one.waits], "faults": faults}
    run.sentence = said_of(family, found, faults)
    return found


def asked_now(workspace: Workspace, family: str) -> tuple[list[Asked], dict[str, str]]:
    """Return the same, and why members cannot be read, by name."""
    members = workspace.members(family)
    each, unread = each_readable(workspace, lambda config: [*_asked(workspace, config.model)], members)
    return [one for asked in each for one in asked], {fault.name: str(fault.error) for fault in unread}


def _asked(workspace: Workspace, model: str) -> Iterator[Asked]:
    entries, now = read_ledger(workspace.archive, model), datetime.now(UTC)
    for request in open_requests(entries, now):
        counting, lapsed = counted_now(workspace, entries, request)
        yield Asked(
            request=request,
            status=request_status(counting, request, now, current_evidence(workspace, request)),
            champion=champion_of(entries),
            given=tuple(entry.by for entry in find_approvals(counting, request)),
            lapsed=told_lapses(lapsed),
            approvers=workspace.approvers().names_for(model),
            page=report_url(workspace, workspace.reports / str(request.summary.get("page", ""))),
        )


def said_of(family: str, found: Sequence[Asked], faults: dict[str, str]) -> str:
    """Return where a family's requests stand, in a sentence."""
    waits = [one.request.name for one in found if one.waits]
    void = [one.status.sentence for one in found if not one.waits]
    first = f"{len(waits)} of {family} wait for a decision." if waits else f"No model of {family} waits for a decision."
    return " ".join([first, *void[:2], *(f"{model}: {why}" for model, why in [*faults.items()][:2])])


def table_of(run: Recorded, family: str, found: Sequence[Asked], last: str) -> str:
    """Return the markdown that stands above the form, and keep it; last is what became of the answer before."""
    text = evidence_of(run.workspace, family, found, run.outputs["faults"], last)
    run.outputs["table"] = put_object(run.store, text.encode())
    return text


def evidence_of(
    workspace: Workspace, family: str, found: Sequence[Asked], faults: Mapping[str, str], last: str = ""
) -> str:
    """Return what a person reads about a family's requests, after their pages were put back where they had changed."""
    enrolled = enrolments(read_ledger(workspace.archive, PEOPLE))
    unread = [f"- {model} cannot be read: {why}" for model, why in faults.items()]
    mended = [restore_pages(workspace, one.request) for one in found if one.waits]
    told = few_lines([f"- {said}" for said in mended if said])
    return "\n\n".join([family_markdown(family, found, last, enrolled), *few_lines(unread), *told])


def publish_decided(run: Recorded, answers: Sequence[Filled]) -> None:
    """Draw the pages of models whose requests were shown in the answered forms and wait no more.

    A page that cannot be drawn stops no question.
    """
    now = {model for model, *_ in run.outputs["shown"]}
    decided = {model for answer in answers for model, *_ in shown_in(run.workspace, answer.form)} - now
    if decided:
        with suppress(PlimsollError):
            publish_index(run.workspace, sorted(decided))
