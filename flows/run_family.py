"""run_family: one flow for every model of a family, each as a run of its own."""

import datetime as dt
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.running import Member, close_family, run_member
from tasks.open_approval import asked_together
from tasks.run_asker import asked_by
from tasks.workspace import open_workspace

Step = Literal["train_model", "score_batch", "check_drift"]


def _named() -> str:
    from prefect.runtime import flow_run

    given = flow_run.parameters
    return f"{str(given['step']).replace('_', ' ')} for each {given['family']}"


@flow(name="run-family", flow_run_name=_named)
def run_family(
    family: str,
    step: Step,
    start: dt.date | None = None,
    end: dt.date | None = None,
    as_of: dt.date | None = None,
    requested_by: str = "",
    search: bool = False,
) -> State[Any]:
    """Run a flow for every model of a family, one after the other; one that fails harms no other.

    Args:
        family: A config of configs/models with for_each.
        step: What is done with each of its models.
        start: First batch date; empty is what the step takes by itself.
        end: Last batch date.
        as_of: Business date of the runs; empty is today.
        requested_by: Who asks for the training; empty is whom Prefect knows of, as the schedule.
        search: Let each training look for settings anew.
    """
    given = {"start": start, "end": end, "as_of": as_of, "requested_by": asked_by(requested_by), "search": search}
    with asked_together(family):
        members: list[Member] = [run_member(step, name, given) for name in open_workspace().members(family)]
    return close_family(family, step, members)
