"""promote_model: a request waits here until a person has decided about it; the ledger keeps the decision."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from prefect import flow, suspend_flow_run
from prefect.client.schemas.objects import State
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed
from pydantic import Field, SecretStr

from tasks.approvals import AGAIN, release_family, settle, submit_decision, submit_policy
from tasks.index_page import publish_pages
from tasks.prefect_api import take_inputs
from tasks.records import Run, recording
from tasks.requests import RequestView, keep_shown, read_request, shown_in_form


class Form(RunInput):
    """What a person fills in."""

    # words, not a list to choose from: in the classic UI of prefect 3.8.8 no list of a form opens in Chromium 156
    decision: str = Field(description="Write approve: it scores the next batch. Or reject: it never does.")
    who: str = Field(description="Your name in configs/approvers.yaml.")
    code: SecretStr = Field(description="The six digits that your authenticator app shows now. They count once.")
    comment: str = Field(default="", description="Why; it is kept in the ledger.")


@flow(name="promote-model", flow_run_name="APPROVE? {model} v{version}")
def promote_model(model: str, version: int) -> State[Any]:
    """Show a version's evidence, wait for a person's decision, and make an approved version champion.

    Args:
        model: A model of configs/models.
        version: The version that asks to be champion.
    """
    with recording("promote_model", model, None, {"version": version}) as run:
        hand_in(run, version)
        view = look(run, version)
        while view.status == "waiting" and can_ask(view):
            decide(run, version, view)
            view = look(run, version)
        state = close(run, version, view)
        publish_pages(run)
    return state


def look(run: Run, version: int) -> RequestView:
    """Return the request as it stands now, and note it in the run's record, which a suspension closes."""
    view = read_request(run.workspace, run.config.model, version, flow_run.id or "")
    run.outputs |= {"version": version, "status": view.status}
    run.parents[:] = [view.request.run] if view.request else []
    run.sentence = view.sentence
    return view


def can_ask(view: RequestView) -> bool:
    """Return whether an answer can be had: from the policy, or from the form of a run that a worker holds."""
    return view.automatic or deployment.id is not None


def decide(run: Run, version: int, view: RequestView) -> None:
    """Enter the policy's decision, or why it was refused; or ask a person."""
    model, run_id = run.config.model, flow_run.id or ""
    if view.automatic:
        submit_policy(run.workspace, model, version, run_id)
        return
    ask(run, view)


def ask(run: Run, view: RequestView) -> None:
    """Show the form; the process ends here, and a new one starts with what was filled in.

    Each form has a key of its own, since under a key that was answered Prefect shows none; it begins with the digest of
    what the form shows. What was filled in is read by `hand_in`, whatever the ledger says by then.
    """
    key = f"{keep_shown(run.workspace, view)}-{uuid4()}"
    form = Form.with_initial_data(description=view.evidence)
    suspend_flow_run(wait_for_input=form, key=key, timeout=_seconds_left(view))


def hand_in(run: Run, version: int) -> None:
    """Submit what was filled in in this run's forms and not read yet, also where its request has ended meanwhile.

    Then the refusal says why. Prefect forgets it before: it keeps it readable, and the code is part of it.
    """
    for answer in take_inputs(flow_run.id or ""):
        form = Form.model_validate(answer.fields)
        if form.decision == AGAIN:
            continue
        said, code = (form.decision, form.who, form.comment), form.code.get_secret_value()
        about, shown = (run.workspace, run.config.model, version), shown_in_form(run.workspace, answer.form)
        submit_decision(*about, *said, flow_run.id or "", "Prefect", code=code, entered=answer.at, shown=shown)


def close(run: Run, version: int, view: RequestView) -> State[Any]:
    """Finish what the decision owes and return the run's last state."""
    model = run.config.model
    if view.status in ("approved", "rejected"):
        settle(run.workspace, model, version)
        release_family(run.config.family)
        return Completed(name=view.status.capitalize(), message=view.sentence)
    if view.status == "waiting":
        run.sentence = f"{view.sentence} Decide: plimsoll approve {model} {version} --as NAME"
        return Completed(name="Awaiting", message=run.sentence)
    run.result = "refused"
    return Failed(name=view.status.capitalize(), message=view.sentence)


def _seconds_left(view: RequestView) -> int:
    until = view.request.expires_at if view.request else datetime.now(UTC)
    return max(1, int((until - datetime.now(UTC)).total_seconds()))
