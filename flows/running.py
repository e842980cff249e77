"""How a command runs a flow: in this process or through a deployment, always against a real server."""

import os
from typing import Any

from plimsoll.errors import DataError, PlimsollError, ServerError
from tasks.workspace import Workspace

PLATFORM = "plimsoll"  # the name and tag of a deployment that is about no single model


def run_flow(workspace: Workspace, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a flow as the platform config says and return its result.

    Raises the flow's own PlimsollError, DataError for rejected batches, ServerError without a server.
    """
    use_server(workspace)
    if workspace.platform.dispatch == "deployment":
        return _run_deployment(name, parameters)
    return _run_here(name, parameters)


def use_server(workspace: Workspace) -> None:
    """Point Prefect at the configured server; ServerError when none answers."""
    from tasks.prefect_api import require_server
    from tasks.servers import quiet_console, telemetry_off

    require_server(workspace.platform.api_url)
    os.environ.update({**telemetry_off(), **quiet_console()})
    os.environ["PREFECT_API_URL"] = workspace.platform.api_url


def run_here(name: str, parameters: dict[str, Any]) -> tuple[Any, Any]:
    """Run a flow in this process and return its state and its result, which may be an exception."""
    import importlib

    from prefect import tags
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    quick = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}  # joining its thread costs 0.9 s a flow
    with temporary_settings(quick), tags(parameters.get("model", PLATFORM)):
        state = flow(**parameters, return_state=True)
    return state, None if state.name == "Rejected" else state.result(raise_on_failure=False)


def _run_here(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    state, result = run_here(name, parameters)
    if isinstance(result, PlimsollError):
        raise result
    if isinstance(result, BaseException):
        raise PlimsollError(f"{name} failed: {type(result).__name__}: {result}") from result
    if state.name == "Rejected":
        raise DataError(str(state.message))
    return {"sentence": state.message, **(result or {})}


def _run_deployment(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    from tasks.prefect_api import flow_run_url, start_run, wait_for_run

    flow, model = name.replace("_", "-"), parameters.get("model", PLATFORM)
    given = {key: value for key, value in parameters.items() if value is not None}
    run_id = start_run(flow, model, given, None, ["command line"], None)
    if run_id is None:
        raise ServerError(f"No deployment {flow}/{model} on this server. Make it with: plimsoll deploy")
    state, message = wait_for_run(run_id, 3600)
    if state not in {"Completed", "Approved"}:
        raise DataError(f"{flow}/{model} ended as {state}: {message} See {flow_run_url(run_id)}")
    return {"flow_run": run_id, "state": state, "sentence": message, "url": flow_run_url(run_id)}
