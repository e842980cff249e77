"""How a command runs a flow: in this process or through a deployment, always against a real server."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from plimsoll.errors import DataError, PlimsollError, ServerError, UserError
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

PLATFORM = "plimsoll"  # the name and tag of a deployment that is about no single model
TRAIN = "train_model"
OF_TRAINING = ("requested_by", "search")  # what only a training is told
SHOWN = 3  # members that failed which a sentence tells of


class Member(NamedTuple):
    """What became of one model's run in a family's."""

    model: str
    state: str
    sentence: str

    @property
    def done(self) -> bool:
        """Whether its run ended as it should."""
        return self.state == "Completed"


def run_flow(workspace: Workspace, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a flow as the platform config says and return its result.

    Raises the flow's own PlimsollError, DataError for rejected batches, ServerError without a server.
    """
    use_server(workspace)
    if workspace.platform.dispatch == "deployment":
        return _run_deployment(workspace, name, parameters)
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

    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    with _without_heartbeat(), tags(parameters.get("model") or parameters.get("family", PLATFORM)):
        state = flow(**parameters, return_state=True)
    return state, None if state.name == "Rejected" else state.result(raise_on_failure=False)


@contextmanager
def _without_heartbeat() -> Iterator[None]:
    """Let flows have no heartbeat: joining its thread costs 0.9 s a flow. What is off already costs nothing here."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    if PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is None:
        yield
        return
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _run_here(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    state, result = run_here(name, parameters)
    if isinstance(result, PlimsollError):
        raise result
    if isinstance(result, BaseException):
        raise PlimsollError(f"{name} failed: {type(result).__name__}: {result}") from result
    if state.name == "Rejected":
        raise DataError(str(state.message))
    return {"sentence": state.message, **(result or {})}


def family_parameters(workspace: Workspace, step: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a flow is given for a model, or what run_family is given where the name is a family's.

    Raises ConfigError when the name is neither, UserError for what makes sense for one model alone.
    """
    if not workspace.members(name):
        workspace.model(name)
        return {"model": name, **given}
    if given.get("version") is not None:
        raise UserError(f"{name} is a family, and a version is one model's. Name the model: plimsoll models")
    asked = {key: given[key] for key in ("start", "end", "as_of", *OF_TRAINING) if key in given}
    return {"family": name, "step": step, **asked}


def run_member(step: str, model: str, given: Mapping[str, Any]) -> Member:
    """Run a flow for one model of a family within the family's run, and return what became of it."""
    asked = {"model": model, **{key: value for key, value in given.items() if step == TRAIN or key not in OF_TRAINING}}
    state, result = run_here(step, asked)
    if isinstance(result, BaseException):
        return Member(model, state.name, str(result) or type(result).__name__)
    return Member(model, state.name, str((result or {}).get("sentence") or state.message or ""))


def close_family(family: str, step: str, members: Sequence[Member]) -> "State[Any]":
    """Return the state of a family's run: failed by name when a member's run did not end as it should."""
    from prefect.states import Completed, Failed

    done, failed = [one for one in members if one.done], [one for one in members if not one.done]
    sentence = f"{step} of {family}: {len(done)} of {len(members)} models done."
    data = {"members": [one._asdict() for one in members]}
    if members and not failed:
        return Completed(message=sentence, data={**data, "sentence": sentence})
    told = "; ".join(f"{one.model} {one.state}: {one.sentence}" for one in failed[:SHOWN])
    more = f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    said = f"{sentence} {told}{more}" if members else f"{family} is no family: no config of that name has for_each."
    return Failed(name="Rejected", message=said, data=data)


def _run_deployment(workspace: Workspace, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    from tasks.prefect_api import flow_run_url, start_run, wait_for_run

    flow, model = name.replace("_", "-"), _deployment_of(workspace, parameters)
    given = {key: value for key, value in parameters.items() if value is not None}
    run_id = start_run(flow, model, given, None, ["command line"], None)
    if run_id is None:
        raise ServerError(f"No deployment {flow}/{model} on this server. Make it with: plimsoll deploy")
    state, message = wait_for_run(run_id, 3600)
    if state not in {"Completed", "Approved"}:
        raise DataError(f"{flow}/{model} ended as {state}: {message} See {flow_run_url(run_id)}")
    return {"flow_run": run_id, "state": state, "sentence": message, "url": flow_run_url(run_id)}


def _deployment_of(workspace: Workspace, parameters: Mapping[str, Any]) -> str:
    """Return the name of the deployment that runs a flow with some parameters."""
    if "family" in parameters:
        return family_deployment(str(parameters["family"]), str(parameters["step"]))
    return workspace.model(parameters["model"]).deployment if "model" in parameters else PLATFORM


def family_deployment(family: str, step: str) -> str:
    """Return the name of the deployment that does a step for all models of a family."""
    return f"{family}-{step.partition('_')[0]}"
