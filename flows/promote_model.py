"""promote_model: a request waits here until a person has decided about it; the ledger keeps the decision."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow, suspend_flow_run
from prefect.client.schemas.objects import State
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from plimsoll.approval import POLICY
from tasks.approvals import RequestView, read_request, settle, submit_decision
from tasks.index_page import publish_pages
from tasks.records import Run, recording


class Form(RunInput):
    """What a person fills in."""

    # words, not a list to choose from: in the classic UI of prefect 3.8.8 no list of a form opens in Chromium 156
    decision: str = Field(description="Write approve: it scores the next batch. Or reject: it never does.")
    who: str = Field(description="Your name in configs/approvers.yaml.")
    comment: str = Field(default="", description="Why; it is kept in the ledger.")


@flow(name="promote-model", flow_run_name="APPROVE? {model} v{version}")
def promote_model(model: str, version: int) -> State[Any]:
    """Show a version's evidence, wait for a person's decision, and make an approved version champion.

    Args:
        model: A model of configs/models.
        version: The version that asks to be champion.
    """
    with recording("promote_model", model, None, {"version": version}) as run:
        view = look(run, version)
        while view.status == "waiting" and can_ask(view):
            answer = ask(view)
            submit_decision(run.workspace, model, version, **answer, run_id=flow_run.id or "")
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
    automatic = view.request is not None and view.request.policy.policy == "automatic"
    return automatic or deployment.id is not None


def ask(view: RequestView) -> dict[str, Any]:
    """Return the policy's or a person's answer; for a person the process ends here and starts anew with it.

    Prefect gives back the answer that was given under the same key: the run count lets a retried run ask
    again, the refusals let a refused person.
    """
    if view.request and view.request.policy.policy == "automatic":
        return {"decision": "approve", "who": POLICY, "comment": "approval.policy is automatic", "via": POLICY}
    form = suspend_flow_run(
        wait_for_input=Form.with_initial_data(description=view.evidence),
        key=f"attempt-{flow_run.run_count}-{view.refusals + 1}",
        timeout=_seconds_left(view),
    )
    return {"decision": form.decision, "who": form.who, "comment": form.comment, "via": "Prefect"}


def close(run: Run, version: int, view: RequestView) -> State[Any]:
    """Finish what the decision owes and return the run's last state."""
    model = run.config.model
    if view.status in ("approved", "rejected"):
        settle(run.workspace, model, version)
        return Completed(name=view.status.capitalize(), message=view.sentence)
    if view.status == "waiting":
        run.sentence = f"{view.sentence} Decide: plimsoll approve {model} {version} --as NAME"
        return Completed(name="Awaiting", message=run.sentence)
    run.result = "refused"
    return Failed(name=view.status.capitalize(), message=view.sentence)


def _seconds_left(view: RequestView) -> int:
    until = view.request.expires_at if view.request else datetime.now(UTC)
    return max(1, int((until - datetime.now(UTC)).total_seconds()))
