"""Lineage: MLflow and Prefect show what a run saw and made, follow a home that moves, and harm nothing when gone."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import IntegrityError
from tasks.mlflow_registry import connect
from tasks.mlflow_roles import (
    VERSION,
    candidates_of,
    check_copy,
    mirror_alias,
    promoted_versions,
    read_alias,
    read_head_tag,
)
from tests.flows import places
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, Answer, Place

Cli = Callable[..., Answer]


def trained(place: Place) -> dict[str, Any]:
    facts: dict[str, Any] = place.ledger("trained")[0]["facts"]
    return facts


def artifact_of(model: str) -> Any:
    """Return the newest run-record artifact of a model from Prefect's API."""
    from tasks.prefect_api import connected

    key = f"run-record-{model.replace('_', '-')}"
    with connected() as client:
        body = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
        return client.request("POST", "/artifacts/filter", json=body).json()[0]


def test_a_run_in_mlflow_names_all_that_stands_behind_it(waiting: Place) -> None:
    facts, record = trained(waiting), waiting.records()[0]
    entry = waiting.ledger("trained")[0]
    client = connect(waiting.workspace)
    run = client.get_run(facts["mlflow_run"])
    tags = {name.removeprefix("plimsoll."): value for name, value in run.data.tags.items() if "plimsoll." in name}
    expected = {
        "run": facts["run"],
        "record": facts["record"],
        "snapshot": facts["snapshot"],
        "bundle": facts["bundle"],
        "gate_report": waiting.ledger("gates_passed")[0]["facts"]["gate_report"],
        "config": record["config"],
        "tree": record["code"]["tree"],
        "lock": record["environment"]["lock"],
        "as_of": str(AS_OF),
        "ledger_entry": f"{entry['n']}:{entry['digest']}",
    }
    assert expected.items() <= tags.items()
    assert record["prefect_run_id"] in tags["prefect_run"]
    assert tags["page"].endswith(f"/{MODEL}/v1.html")
    version = client.get_model_version(candidates_of(MODEL), "1")
    assert {f"plimsoll.{name}": value for name, value in expected.items()}.items() <= version.tags.items()
    assert facts["snapshot"] in version.description
    assert record["prefect_run_id"] in version.description


def test_mlflow_knows_the_data_by_its_snapshot(waiting: Place) -> None:
    facts = trained(waiting)
    inputs = connect(waiting.workspace).get_run(facts["mlflow_run"]).inputs.dataset_inputs
    seen = {one.dataset.name: one.dataset for one in inputs}
    assert set(seen) == {f"{MODEL} {table}" for table in ("batch", "outcome", "planes", "weather")}
    batch = seen[f"{MODEL} batch"]
    assert batch.digest == facts["snapshot"][:36]
    assert json.loads(batch.source)["snapshot"] == facts["snapshot"]
    assert json.loads(batch.profile)["num_files"] == 20
    assert json.loads(batch.profile)["num_rows"] > facts["rows"] - 1
    assert "flight_id" in {column["name"] for column in json.loads(batch.schema)["mlflow_colspec"]}


def test_the_record_lies_beside_the_run(waiting: Place) -> None:
    run = trained(waiting)["mlflow_run"]
    copy = json.loads((waiting.home / f"mlflow/artifacts/{MODEL}/{run}/artifacts/run_record.json").read_text())
    body = waiting.records()[0]
    assert copy["run_id"] == body["run_id"]
    assert copy["end"]["snapshots"] == body["end"]["snapshots"]


def test_the_head_of_the_ledger_is_copied_to_mlflow(waiting: Place, plimsoll: Cli) -> None:
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    head = waiting.ledger()[-1]
    assert read_head_tag(waiting.workspace, MODEL) == (head["n"], head["digest"])
    connect(waiting.workspace).set_registered_model_tag(MODEL, "plimsoll.ledger_head", "nonsense")
    with pytest.raises(IntegrityError, match="changed by hand"):
        read_head_tag(waiting.workspace, MODEL)
    assert read_head_tag(waiting.workspace, "never_trained") is None


def test_mlflow_may_not_read_pickles_anywhere(waiting: Place) -> None:
    from tasks import NO_PICKLE
    from tasks.servers import mlflow_server, prefect_workers

    for name, value in NO_PICKLE.items():
        assert os.environ[name] == value == "false"
        for server in (mlflow_server(waiting.workspace), *prefect_workers(waiting.workspace)):
            assert {**os.environ, **server.env}[name] == value


def test_prefect_shows_what_a_run_saw_and_made(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    record = serving.records()[-1]
    artifact = artifact_of(MODEL)
    assert artifact["type"] == "markdown"
    assert artifact["flow_run_id"] == record["prefect_run_id"]
    for said in (record["run_id"], record["end"]["snapshots"][0][:12], "batch committed", "Scored 7"):
        assert said in artifact["data"]


def test_a_run_that_was_refused_is_shown_too(waiting: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 2
    assert "**refused**: flight_delay has no champion yet" in artifact_of(MODEL)["data"]


def test_mirrors_that_fail_fail_nothing(serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr("tasks.prefect_api.publish_markdown", gone)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    assert serving.records()[-1]["end"]["result"] == "done"


def test_a_home_that_moved_keeps_its_models(serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = serving.home.with_name("elsewhere")
    serving.home.rename(moved)
    monkeypatch.setenv("PLIMSOLL_HOME", str(moved))
    place = Place(moved, serving.data, serving.root)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    check_copy(place.workspace, MODEL, 1, trained(place)["bundle"])
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    assert read_alias(place.workspace, MODEL, "champion") == 2
    assert not serving.home.exists(), "nothing is written where it was"


def test_a_copied_home_leaves_the_first_alone(waiting: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def files(home: Path) -> set[str]:
        return {str(path.relative_to(home)) for path in (home / "mlflow/artifacts").rglob("*")}

    connect(waiting.workspace)
    copy, before = waiting.home.with_name("copy"), files(waiting.home)
    places.copy_home(waiting.home, copy)
    monkeypatch.setenv("PLIMSOLL_HOME", str(copy))
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert files(waiting.home) == before
    assert files(copy) > before


def test_scoring_does_not_need_mlflows_files(serving: Place, plimsoll: Cli) -> None:
    shutil.rmtree(serving.home / "mlflow/artifacts")
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    key = serving.predictions(DAY).iloc[0]["key"]
    assert plimsoll("trace", key, "--date", DAY).code == 0


WRITES = (
    "create_registered_model",
    "create_model_version",
    "delete_registered_model_alias",
    "set_model_version_tag",
    "set_registered_model_alias",
    "set_registered_model_tag",
    "update_model_version",
)


@contextmanager
def without_the_right_to_write(registered: str) -> Iterator[None]:
    """Let MLflow refuse every write to a registered model, as its server does to whoever may only read it."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def refusing(write: Callable[..., Any]) -> Callable[..., Any]:
        def asked(client: MlflowClient, name: str, *args: Any, **kwargs: Any) -> Any:
            if name == registered:
                raise MlflowException("Permission denied")
            return write(client, name, *args, **kwargs)

        return asked

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(MlflowClient, name, refusing(getattr(MlflowClient, name)))
        yield


def test_who_may_only_train_trains_and_who_may_not_promote_is_told(serving: Place, plimsoll: Cli) -> None:
    with without_the_right_to_write(MODEL):
        assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
        assert read_alias(serving.workspace, MODEL, "challenger") == 2
        head = serving.ledger()[-1]
        assert read_head_tag(serving.workspace, candidates_of(MODEL)) == (head["n"], head["digest"])
        with_no_right = plimsoll("approve", MODEL, 2, "--as", APPROVER)
        assert "v2 was approved by grace and is champion now" in with_no_right.out
        assert "MLflow's aliases did not follow: MLflow at " in with_no_right.out
        assert "refused to create" not in with_no_right.said
        assert "could not move the alias champion of flight_delay: Permission denied" in with_no_right.out
    assert serving.ledger("promoted")[-1]["facts"]["version"] == 2, "the ledger decides"
    assert read_alias(serving.workspace, MODEL, "champion") == 1
    assert "alias champion of flight_delay points at v1, the ledger says v2" in plimsoll("verify", MODEL).out
    assert plimsoll("repair", MODEL).code == 0
    assert read_alias(serving.workspace, MODEL, "champion") == 2


def said_of(client: Any, number: int) -> Any:
    return client.get_model_version(MODEL, str(number))


def test_versions_of_two_registered_models_are_told_apart(serving: Place, plimsoll: Cli) -> None:
    for _ in range(2):
        assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", MODEL, 3, "--as", APPROVER).code == 0
    client = connect(serving.workspace)
    there = promoted_versions(client, MODEL)
    assert [(one.number, one.version) for one in there] == [(1, 1), (2, 3)]
    assert read_alias(serving.workspace, MODEL, "champion") == 3
    first, third = said_of(client, 1), said_of(client, 2)
    approved, promoted = (serving.ledger(kind)[-1] for kind in ("approved", "promoted"))
    assert third.tags["plimsoll.approved_entry"] == f"{approved['n']}:{approved['digest']}"
    assert third.tags["plimsoll.promoted_entry"] == f"{promoted['n']}:{promoted['digest']}"
    assert third.description.startswith(f"**Champion** at ledger entry {promoted['n']}.")
    assert f"Approved by {APPROVER} as of" in third.description
    assert "Nobody" not in third.description[:1500]
    assert "**Former** at ledger entry" in first.description
    assert "Replaced by v3" in first.description
    assert plimsoll("rollback", MODEL, "--as", APPROVER, "--reason", "too eager").code == 0
    again = promoted_versions(client, MODEL)
    assert [one[:3] for one in again] == [one[:3] for one in there], "a version that comes back is copied once"
    first, back = said_of(client, 1), serving.ledger("rolled_back")[-1]
    assert first.tags["plimsoll.promoted_entry"] == f"{back['n']}:{back['digest']}"
    assert f"Made champion again as of {back['as_of']}, by {APPROVER} (ledger entry {back['n']})" in first.description
    assert "Rolled back by v1" in said_of(client, 2).description
    assert client.get_model_version(candidates_of(MODEL), "1").description == first.description
    client.set_model_version_tag(MODEL, "1", "plimsoll.promoted_entry", "0:abc")
    assert "tags plimsoll.promoted_entry of flight_delay_candidates v1" in plimsoll("verify", MODEL).out
    assert plimsoll("repair", MODEL).code == 0
    assert said_of(client, 1).tags == first.tags
    assert client.get_model_version_by_alias(MODEL, "champion").version == 1
    client.set_model_version_tag(MODEL, "2", VERSION, "1")
    refused = plimsoll("verify", MODEL)
    assert (refused.code, "MLflow flight_delay version 2 says it is v1, and has other files" in refused.err) == (
        3,
        True,
    )
    client.set_model_version_tag(MODEL, "2", VERSION, "3")
    mirror_alias(serving.workspace, MODEL, "champion", 2)
    refused = plimsoll("verify", MODEL)
    assert (refused.code, "version 3 says it is v2, which nobody promoted" in refused.err) == (3, True)
    client.delete_model_version(MODEL, "3")
    assert plimsoll("repair", MODEL).code == 0
    assert read_alias(serving.workspace, MODEL, "champion") == 1


@pytest.mark.parametrize("layout", ["of an earlier release", "lost"])
def test_a_registry_that_does_not_know_the_ledgers_versions_gets_no_new_one(
    serving: Place, plimsoll: Cli, mlflow_database: Path, layout: str
) -> None:
    if layout == "lost":
        shutil.copy(mlflow_database, serving.home / "mlflow/mlflow.db")
        said = "Restore the database of MLflow from a backup."
    else:
        client = connect(serving.workspace)
        client.delete_registered_model(candidates_of(MODEL))
        client.delete_model_version_tag(MODEL, "1", VERSION)
        said = "MLflow holds v1 of flight_delay and no flight_delay_candidates: an earlier release of plimsoll wrote"
    before = serving.ledger("trained")
    refused, seen = plimsoll("train", MODEL, "--as-of", AS_OF), plimsoll("verify", MODEL)
    assert (refused.code, said in refused.err, "Nothing was registered" in refused.err) == (3, True, True), refused.said
    found = "The bundle of MLflow flight_delay_candidates v1 cannot be read" if layout == "lost" else said
    assert (seen.code, found in seen.err) == (3, True), seen.said
    assert serving.ledger("trained") == before
    assert plimsoll("score", MODEL, "--date", DAY).code == 0, "the ledger says who serves"
