"""Prefect's API: runs started, found, resumed and watched; events and artifacts sent. Never an ephemeral server."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from plimsoll.errors import ServerError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

CONNECT_SECONDS = 5.0  # an empty port of this machine refuses at once; a host that does not answer is waited for
BUSY_SECONDS = 30.0  # a server at work takes the connection at once and answers when it can
POLL_SECONDS = 0.5
PAGE = 200  # the most that one answer of the API holds
SHOWN_AS, FILLED_IN = "suspended-", "-response"  # around the key of a form, in Prefect's name of what was filled in


class RunState(NamedTuple):
    """Where a flow run is."""

    name: str
    message: str


class Filled(NamedTuple):
    """What a person filled in in a form of a run."""

    fields: dict[str, Any]
    at: datetime | None  # when
    form: str  # the key under which the run showed it


class RunOf(NamedTuple):
    """A run of a deployment."""

    id: str
    ended: bool
    busy_since: datetime | None = None  # when a process is said to have taken it; None where none is needed now


def server_answers(api_url: str) -> bool:
    """Return whether a Prefect API answers at an address: at once where nobody is, later where somebody is busy.

    A port that refuses is empty. A server that is there, and fails or drops an answer, is asked again for a while.
    """
    import httpx  # and not Prefect, which takes seconds to import

    end, secure = time.monotonic() + BUSY_SECONDS, api_url.startswith("https")  # reading certificates takes 20 ms
    while True:
        try:
            left = httpx.Timeout(max(end - time.monotonic(), POLL_SECONDS), connect=CONNECT_SECONDS)
            if not httpx.get(f"{api_url}/health", timeout=left, verify=secure).is_server_error:
                return True
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol):
            return False
        except httpx.HTTPError:
            pass
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)


def require_server(api_url: str) -> None:
    """Raise ServerError unless a Prefect API answers at an address."""
    if not server_answers(api_url):
        raise ServerError(f"Expected a Prefect server at {api_url}, found none. Start one in another terminal: make up")


def current_api_url() -> str:
    """Return the address of the API: Prefect's own setting where a worker made one, else platform.yaml's."""
    from prefect.settings import PREFECT_API_URL

    from tasks.workspace import open_workspace

    return str(PREFECT_API_URL.value() or open_workspace().platform.api_url)


@contextmanager
def connected(api_url: str | None = None) -> Iterator["SyncPrefectClient"]:
    """Open a client of the running server; ServerError when none answers or it refuses."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    address = api_url or current_api_url()
    require_server(address)
    known = PREFECT_API_URL.value() == address  # other settings are all settings read anew, in a tenth of a second
    try:
        with nullcontext() if known else temporary_settings({PREFECT_API_URL: address}):  # noqa: SIM117
            with get_client(sync_client=True) as client:
                yield client
    except httpx.HTTPStatusError as error:
        raise ServerError(f"Prefect at {address} refused: {error.response.text[:300]}") from None
    except httpx.HTTPError as error:
        raise ServerError(f"Prefect at {address} does not answer: {error!r}") from None


def start_run(
    flow_name: str,
    deployment_name: str,
    parameters: Mapping[str, Any],
    idempotency_key: str | None = None,
    tags: Sequence[str] = (),
    run_name: str | None = None,
) -> str | None:
    """Ask a worker to run a deployment and return the run's id; None when there is no such deployment.

    The same idempotency key gives the same run.
    """
    from prefect.exceptions import ObjectNotFound

    with connected() as client:
        try:
            deployment = client.read_deployment_by_name(f"{flow_name}/{deployment_name}")
        except ObjectNotFound:
            return None
        run = client.create_flow_run_from_deployment(
            deployment.id,
            parameters=dict(parameters),
            idempotency_key=idempotency_key,
            tags=[*deployment.tags, *tags],
            name=run_name,
        )
        return str(run.id)


def runs_of(
    flow_name: str, deployment_name: str, parameters: Mapping[str, Any], state: str | None = None
) -> list[RunOf]:
    """Return the runs of a deployment that were given some parameters, in a state by name if asked, newest first."""
    from prefect.client.schemas.filters import DeploymentFilter, FlowFilter, FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    asked: dict[str, Any] = {
        "flow_filter": FlowFilter.model_validate({"name": {"any_": [flow_name]}}),
        "deployment_filter": DeploymentFilter.model_validate({"name": {"any_": [deployment_name]}}),
        "flow_run_filter": FlowRunFilter.model_validate({"state": {"name": {"any_": [state]}}}) if state else None,
        "sort": FlowRunSort.EXPECTED_START_TIME_DESC,
    }
    runs, page = list[Any](), PAGE
    with connected() as client:
        while page == PAGE:  # all of a family's runs are those of one deployment
            more = client.read_flow_runs(**asked, limit=PAGE, offset=len(runs))
            runs, page = [*runs, *more], len(more)
    mine = [run for run in runs if parameters.items() <= run.parameters.items()]
    return [RunOf(str(run.id), bool(run.state and run.state.is_final()), busy_since(run.state)) for run in mine]


def busy_since(state: Any) -> datetime | None:
    """Return since when a process is said to have a run; None where none is needed in its state."""
    busy = state and (state.is_running() or state.is_pending() or state.is_cancelling())
    return state.timestamp if busy else None


def waiting_runs(flow_name: str, deployment_name: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the ids of suspended runs of a deployment that were given some parameters, the newest first."""
    return [run.id for run in runs_of(flow_name, deployment_name, parameters, "Suspended")]


def resume_run(run_id: str, run_input: Mapping[str, Any]) -> None:
    """Resume a suspended run with the form's fields; ServerError when Prefect does not accept them."""
    with connected() as client:
        answer = client.resume_flow_run(UUID(run_id), run_input=dict(run_input))
    if answer.status.value != "ACCEPT":
        reason = getattr(answer.details, "reason", None) or answer.status.value
        raise ServerError(f"Prefect did not resume run {run_id}: {reason}")


def take_inputs(run_id: str) -> list[Filled]:
    """Return what people filled in in the forms of a run, oldest first, and delete it.

    Prefect would keep it in clear.
    """
    with connected() as client:
        found = client.filter_flow_run_input(UUID(run_id), key_prefix=SHOWN_AS, limit=PAGE, exclude_keys=set())
        answers = [one for one in found if one.key.endswith(FILLED_IN)]
        for one in answers:
            client.delete_flow_run_input(UUID(run_id), one.key)
    keys = [one.key.removeprefix(SHOWN_AS).removesuffix(FILLED_IN) for one in answers]
    taken = [Filled(dict(one.decoded_value), one.created, key) for one, key in zip(answers, keys, strict=True)]
    return sorted(taken, key=lambda one: one.at.timestamp() if one.at else 0.0)


def wait_for_run(run_id: str, seconds: float) -> RunState:
    """Return where a run is once it has ended or waits for a person; after some seconds, wherever it is."""
    end = time.monotonic() + seconds
    with connected() as client:
        while True:
            state = client.read_flow_run(UUID(run_id)).state
            if state and (state.is_final() or state.name == "Suspended" or time.monotonic() > end):
                return RunState(state.name or state.type.value, state.message or "")
            time.sleep(POLL_SECONDS)


def ui_url(api_url: str) -> str:
    """Return the address of the UI that belongs to an API."""
    return api_url.removesuffix("/").removesuffix("/api")


def flow_run_url(run_id: str) -> str:
    """Return the page of a run; in the classic UI, where a waiting run has a Resume button."""
    return f"{ui_url(current_api_url())}/runs/flow-run/{run_id}"


def emit(event: str, resource_id: str, payload: Mapping[str, Any]) -> None:
    """Send one event, which leads to the run that sends it, and wait until the server has it."""
    from prefect.events import Event
    from prefect.runtime import flow_run

    run = {"prefect.resource.id": f"prefect.flow-run.{flow_run.id}", "prefect.resource.role": "flow-run"}
    related = [{**run, "prefect.resource.name": str(flow_run.name)}] if flow_run.id else []
    resource = {"prefect.resource.id": resource_id, "prefect.resource.name": resource_id.rpartition(".")[2]}
    sent = Event.model_validate({"event": event, "resource": resource, "related": related, "payload": dict(payload)})
    with connected() as client:
        client.request("POST", "/events", json=[sent.model_dump(mode="json")])


def publish_markdown(key: str, markdown: str, description: str) -> None:
    """Show a page of markdown beside the current run; every run with this key adds a version to it."""
    from prefect.artifacts import create_markdown_artifact

    create_markdown_artifact(markdown=markdown, key=key, description=description)
