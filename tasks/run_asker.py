"""Who asks for a run that names nobody: a schedule, an automation, or somebody in Prefect's UI."""

from typing import Any

SCHEDULE = "schedule"
IN_UI = "somebody in Prefect's UI"
IN_CODE = "a call in Python"


def asked_by(requested_by: str) -> str:
    """Return who asks for the present flow run: whoever is named, else what Prefect knows of the run's origin.

    Raises ServerError when Prefect does not answer.
    """
    from prefect.runtime import flow_run

    from tasks.prefect_api import connected

    if requested_by.strip() or not flow_run.id:
        return requested_by.strip() or IN_CODE
    with connected() as client:
        return origin_of(client.read_flow_run(flow_run.id))


def origin_of(run: Any) -> str:
    """Return who made a flow run, by Prefect's description of it: its schedule, an automation, an account, or the UI.

    A Prefect server without accounts names no account. An automation can bear anybody's name, so it is told as one.
    """
    maker = run.created_by
    if run.auto_scheduled or (maker and maker.type == "SCHEDULE"):
        return SCHEDULE
    if maker and maker.type == "AUTOMATION":
        return f"Prefect's automation {maker.display_value}"
    if maker and maker.display_value:
        return str(maker.display_value)
    return IN_UI if run.deployment_id else IN_CODE
