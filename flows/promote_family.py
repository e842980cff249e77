"""promote_family: what all members of a family ask waits here in one table for one person with one code."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow, suspend_flow_run
from prefect.client.schemas.objects import State
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Completed
from pydantic import Field, SecretStr

from plimsoll.family_approval import Asked
from tasks.family_asking import (
    decide_by_policy,
    enter_answer,
    form_key,
    look_at_family,
    publish_decided,
    table_of,
)
from tasks.prefect_api import Filled, take_inputs
from tasks.records import Recorded, recording_platform


class FamilyForm(RunInput):
    """What a person fills in about a family."""

    # words, not lists to choose from, as in promote_model
    decision: str = Field(description="Write approve: they score the next batch. Or reject: they never do.")
    who: str = Field(description="Your name in configs/approvers.yaml.")
    code: SecretStr = Field(description="The six digits that your authenticator app shows now. They count once.")
    models: str = Field(default="all", description="all of the table, or models of it with commas between.")
    comment: str = Field(default="", description="Why; it is kept in the ledger of each.")


@flow(name="promote-family", flow_run_name="APPROVE? {family}")
def promote_family(family: str) -> State[Any]:
    """Show what a family's members ask, wait for a person's decision about them, and enter it for each.

    Args:
        family: A config of configs/models with for_each.
    """
    with recording_platform("promote_family", None, {"family": family}) as run:
        answers = take_inputs(flow_run.id or "")
        last = hand_in(run, family, answers)
        decide_by_policy(run, family, flow_run.id or "")
        asked = look_at_family(run, family)
        publish_decided(run, answers)
        ask(run, family, asked, last)
    return close(run, family, asked)


def hand_in(run: Recorded, family: str, answers: list[Filled]) -> str:
    """Submit what was filled in, and return what became of the last of it; Prefect has forgotten it by now."""
    said = ""
    for answer in answers:
        form = FamilyForm.model_validate({"models": "all", **answer.fields})
        fields = {**form.model_dump(exclude={"code"}), "code": form.code.get_secret_value()}
        said = enter_answer(run, family, answer, fields, flow_run.id or "")
    return said


def ask(run: Recorded, family: str, asked: list[Asked], last: str) -> None:
    """Show the form where something waits and a worker holds the run.

    The process ends here, and a new one starts with what was filled in. The form's key leads to the run's record, and
    so to what was shown.
    """
    waits = [one.request.expires_at for one in asked if one.waits]
    if waits and deployment.id:
        left = int((max(waits) - datetime.now(UTC)).total_seconds())
        form = FamilyForm.with_initial_data(description=table_of(run, family, asked, last))
        suspend_flow_run(wait_for_input=form, key=form_key(run), timeout=max(left, 1))


def close(run: Recorded, family: str, asked: list[Asked]) -> State[Any]:
    """Return the run's last state."""
    if not any(one.waits for one in asked):
        return Completed(name="Decided", message=run.sentence)
    said = f"{run.sentence} Decide: plimsoll approve {family} --as NAME"
    return Completed(name="Awaiting", message=said)
