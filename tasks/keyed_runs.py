"""Runs that were asked for with an idempotency key, as Prefect knows them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from tasks.prefect_api import PAGE, busy_since, connected


class Keyed(NamedTuple):
    """Where a run is that was asked for with a key."""

    id: str
    state: str  # its name
    ended: bool
    died: bool  # ended as failed, crashed or cancelled
    busy_since: datetime | None  # when a process is said to have taken it; None where none is needed now


def runs_by_key(flow_name: str, keys: Iterable[str]) -> dict[str, Keyed]:
    """Return the runs of a flow that were asked for with some keys, by key; those that Prefect lacks are left out.

    ServerError when Prefect does not answer; without a key it is not asked.
    """
    from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    if not (asked := [*keys]):
        return {}
    of_flow = FlowFilter.model_validate({"name": {"any_": [flow_name]}})
    found = list[Any]()
    with connected() as client:
        for at in range(0, len(asked), PAGE):
            mine = FlowRunFilter.model_validate({"idempotency_key": {"any_": asked[at : at + PAGE]}})
            found += client.read_flow_runs(
                flow_filter=of_flow, flow_run_filter=mine, sort=FlowRunSort.ID_DESC, limit=PAGE
            )
    return {run.idempotency_key: _keyed(run) for run in found}


def _keyed(run: Any) -> Keyed:
    state = run.state
    if state is None:  # just created
        return Keyed(str(run.id), "Scheduled", ended=False, died=False, busy_since=None)
    died = state.is_failed() or state.is_crashed() or state.is_cancelled()
    return Keyed(str(run.id), state.name or state.type.value, state.is_final(), died, busy_since(state))
