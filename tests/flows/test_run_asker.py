"""Who asked for a run, as a real Prefect server tells it: its schedule, or somebody who pressed the button."""

from datetime import timedelta

from prefect import flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.client.schemas.sorting import FlowRunSort

from tasks.prefect_api import connected
from tasks.run_asker import IN_CODE, IN_UI, SCHEDULE, asked_by, origin_of


@flow(name="asks")
def asks(requested_by: str = "") -> str:
    """Say who asked."""
    return asked_by(requested_by)


def test_only_what_a_schedule_made_was_asked_for_by_it() -> None:
    schedule = IntervalSchedule(interval=timedelta(hours=1))
    with connected() as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow(asks), name="asks", schedules=[DeploymentScheduleCreate(schedule=schedule)]
        )
        pressed = client.create_flow_run_from_deployment(deployment)
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment}, json={"min_runs": 2})
        made = [
            run
            for run in client.read_flow_runs(limit=200, sort=FlowRunSort.ID_DESC)
            if run.deployment_id == deployment and run.id != pressed.id
        ]
        assert origin_of(client.read_flow_run(pressed.id)) == IN_UI
        assert made
        assert {origin_of(run) for run in made} == {SCHEDULE}
        client.delete_deployment(deployment)


def test_a_name_that_was_given_counts_and_a_call_in_python_is_no_schedule() -> None:
    assert asks(" ada ") == "ada"
    assert asks() == IN_CODE
