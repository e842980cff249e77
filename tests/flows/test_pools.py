"""Work pools: the flows that promote can have one of their own, so that a worker with another account runs them."""

from typing import Any
from uuid import UUID

import pytest

from flows.deploy import deploy
from tasks.prefect_api import connected, start_run
from tests.flows.places import MODEL, Place

PROMOTERS = "promoters_of_a_test"
DEPLOYED = {
    "train-model": "plimsoll",
    "promote-model": PROMOTERS,
    "score-batch": "plimsoll",
    "check-drift": "plimsoll",
    "backtest-policy": "plimsoll",
}


def pools() -> dict[str, Any]:
    with connected() as client:
        return {flow: client.read_deployment_by_name(f"{flow}/{MODEL}").work_pool_name for flow in DEPLOYED}


def test_what_promotes_is_deployed_to_a_pool_of_its_own_and_back(empty: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(empty.workspace)
    assert set(pools().values()) == {"plimsoll"}
    before = str(start_run("promote-model", MODEL, {"model": MODEL, "version": 99}))
    monkeypatch.setenv("PLIMSOLL_PREFECT__PROMOTE_POOL", PROMOTERS)
    try:
        for _ in range(2):  # run again, it changes nothing
            deploy(empty.workspace)
            assert pools() == DEPLOYED
        with connected() as client:
            assert client.read_work_pool(PROMOTERS).type == "process"
            old = client.read_flow_run(UUID(before))
            new = client.read_flow_run(UUID(str(start_run("promote-model", MODEL, {"model": MODEL, "version": 98}))))
        assert (old.work_pool_name, new.work_pool_name) == ("plimsoll", PROMOTERS)
    finally:
        monkeypatch.delenv("PLIMSOLL_PREFECT__PROMOTE_POOL")
        deploy(empty.workspace)
    assert set(pools().values()) == {"plimsoll"}
