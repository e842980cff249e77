"""Integrity: what was changed behind the ledger's back is named, and nothing is read from it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from plimsoll.errors import IntegrityError
from tasks.bundles import bundle_objects
from tasks.mlflow_roles import check_copy, mirror_alias, read_alias
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place, flip_a_byte

Cli = Callable[..., Answer]


def bundle_of(place: Place, version: int = 1) -> Path:
    """Return the folder of a version's bundle in MLflow."""
    run = place.ledger("trained")[version - 1]["facts"]["mlflow_run"]
    return place.home / f"mlflow/artifacts/{MODEL}/{run}/artifacts/bundle"


def part_of(place: Place, name: str, version: int = 1) -> str:
    """Return the digest of one file of a version's bundle in the store."""
    return bundle_objects(place.workspace.store, place.ledger("trained")[version - 1]["facts"]["bundle"])[name]


def object_of(place: Place, digest: str) -> Path:
    return place.home / f"store/objects/sha256/{digest[:2]}/{digest}"


def refused(answer: Answer, *words: str) -> None:
    assert answer.code == IntegrityError.exit_code == 3, answer.said
    assert "Traceback" not in answer.said
    for word in words:
        assert word in answer.err


def test_an_alias_moved_by_hand_is_reported_and_not_served(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    mirror_alias(serving.workspace, MODEL, "champion", 2)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    warning = serving.records()[-1]["end"]["outputs"]["alias_warning"]
    assert "points at v2, the ledger says v1" in warning
    rows = serving.predictions()
    assert rows[rows["role"] == "champion"]["version"].unique().tolist() == ["1"]
    mirror_alias(serving.workspace, MODEL, "champion", None)
    assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    assert "points at nothing" in serving.records()[-1]["end"]["outputs"]["alias_warning"]


def test_the_next_decision_puts_the_alias_right(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    mirror_alias(serving.workspace, MODEL, "champion", 2)
    assert plimsoll("reject", MODEL, 2, "--as", APPROVER).code == 0
    assert read_alias(serving.workspace, MODEL, "champion") == 1


@pytest.mark.parametrize("name", ["model.ubj", "bundle.json", "reference.json"])
def test_a_changed_byte_of_the_champion_is_not_served(serving: Place, plimsoll: Cli, name: str) -> None:
    part = part_of(serving, name)
    flip_a_byte(object_of(serving, part))
    refused(plimsoll("score", MODEL, "--date", DAY), "bundle of flight_delay v1 was not loaded", f"Object {part[:12]}")
    assert serving.predictions().empty
    assert [e["kind"] for e in serving.ledger()][-1] == "promoted"
    assert serving.records()[-1]["end"]["result"] == "refused"


@pytest.mark.parametrize("what", ["manifest", "signature"])
def test_a_bundle_whose_manifest_or_signature_changed_is_not_served(serving: Place, plimsoll: Cli, what: str) -> None:
    digest = serving.ledger("trained")[0]["facts"]["bundle"]
    signature = serving.home / f"store/bundles/{MODEL}/{digest}.json"
    flip_a_byte(signature if what == "signature" else object_of(serving, digest))
    refused(plimsoll("score", MODEL, "--date", DAY), "flight_delay v1", what if what == "signature" else digest[:12])
    assert serving.predictions().empty


def test_a_bundle_without_a_signature_or_a_file_is_not_served(serving: Place, plimsoll: Cli) -> None:
    signature = next((serving.home / f"store/bundles/{MODEL}").iterdir())
    kept = signature.read_bytes()
    signature.unlink()
    refused(plimsoll("score", MODEL, "--date", DAY), "flight_delay v1 has no signature.json", "not loaded")
    signature.write_bytes(kept)
    object_of(serving, part_of(serving, "model.ubj")).unlink()
    refused(plimsoll("score", MODEL, "--date", DAY), "flight_delay v1 was not loaded", "found nothing")
    assert serving.predictions().empty


def test_a_damaged_shadow_is_named_and_does_not_harm_the_champion(serving: Place, plimsoll: Cli) -> None:
    serving.configure("rounds: 20", "rounds: 21")
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    flip_a_byte(object_of(serving, part_of(serving, "model.ubj", version=2)))
    answer = plimsoll("score", MODEL, "--date", DAY)
    assert answer.code == 0
    assert "v2 (challenger) did not score: The bundle of flight_delay v2 was not loaded" in answer.out
    assert serving.predictions()["version"].unique().tolist() == ["1"]
    assert serving.ledger("batch_committed")[0]["facts"]["versions"] == {"1": "champion"}
    assert "2" in serving.records()[-1]["end"]["outputs"]["left_out"]


@pytest.mark.parametrize("name", ["model.ubj", "bundle.json", "signature.json"])
def test_a_changed_byte_of_mlflows_copy_is_named(serving: Place, name: str) -> None:
    digest = serving.ledger("trained")[0]["facts"]["bundle"]
    check_copy(serving.workspace, MODEL, 1, digest)
    flip_a_byte(bundle_of(serving) / name)
    with pytest.raises(IntegrityError, match="MLflow flight_delay_candidates v1"):
        check_copy(serving.workspace, MODEL, 1, digest)


def test_a_copy_that_gained_a_pickle_is_named(serving: Place) -> None:
    (bundle_of(serving) / "model.pkl").write_bytes(b"a file more")
    with pytest.raises(IntegrityError, match=r"MLflow flight_delay_candidates v1 was changed.*model\.pkl"):
        check_copy(serving.workspace, MODEL, 1, serving.ledger("trained")[0]["facts"]["bundle"])


@pytest.mark.parametrize("where", ["store", "mlflow"])
def test_a_changed_bundle_voids_a_request(waiting: Place, plimsoll: Cli, where: str) -> None:
    stored = object_of(waiting, part_of(waiting, "model.ubj"))
    flip_a_byte(stored if where == "store" else bundle_of(waiting) / "model.ubj")
    answer = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert answer.code == 2
    assert "is void: the bundle changed since then" in answer.err
    assert not waiting.ledger("promoted")


@pytest.mark.parametrize("evidence", ["snapshot", "config", "gate_report"])
def test_lost_evidence_voids_a_request(waiting: Place, plimsoll: Cli, evidence: str) -> None:
    object_of(waiting, waiting.ledger("promotion_requested")[0]["facts"]["evidence"][evidence]).unlink()
    answer = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert answer.code == 2
    assert f"is void: the {evidence.replace('_', ' ')} changed since then" in answer.err


def test_a_changed_object_stops_the_run_that_needs_it(serving: Place, plimsoll: Cli) -> None:
    from plimsoll.digest import sha256_file

    planes = sha256_file(serving.data / "planes.parquet")  # kept since training
    flip_a_byte(object_of(serving, planes))
    refused(plimsoll("score", MODEL, "--date", DAY), f"Object {planes[:12]}", "was changed")
    assert serving.predictions().empty
    assert not serving.ledger("batch_committed", "batch_rejected")


def test_a_changed_profile_decides_nothing(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    profile = serving.ledger("batch_committed")[0]["facts"]["profiles"]["1"]
    flip_a_byte(object_of(serving, profile))
    refused(plimsoll("check", MODEL, "--date", DAY), f"Object {profile[:12]}", "was changed")
    assert not serving.ledger("drift_decided")


@pytest.mark.parametrize("how", ["changed", "gone", "foreign"])
def test_a_ledger_that_was_touched_decides_nothing(serving: Place, plimsoll: Cli, how: str) -> None:
    path = serving.home / f"store/ledger/{MODEL}/00000002.json"
    if how == "changed":
        path.write_text(path.read_text().replace("0.5", "0.4"))
    elif how == "gone":
        path.unlink()
    else:
        path.write_bytes((path.parent / "00000000.json").read_bytes())
    for words in (("score", "--date", DAY), ("check",), ("history",)):
        refused(plimsoll(words[0], MODEL, *words[1:]), "Restore", "ledger")
    assert serving.predictions().empty
