"""Rollback: a former champion proves itself first; one entry a person asked for, and none by accident."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import ApprovalError, ChangedFeaturesError, IntegrityError
from tasks.bundles import bundle_objects
from tasks.mlflow_roles import read_alias
from tasks.rollback import roll_back_as
from tests.flows import places
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Grown, Place, code_of, flip_a_byte

Cli = Callable[..., Answer]


@pytest.fixture(scope="module")
def second_home(grown: Grown, champion_home: Path) -> Path:
    """A home in which v1 scored a date and v2, which never scored, is champion. Only to be copied."""
    from flows.score_batch import score_batch
    from flows.train_model import train_model
    from tasks.approvals import submit_decision

    def live(place: Place) -> None:
        assert score_batch(MODEL, DAY, return_state=True).is_completed()
        train_model(MODEL, as_of=AS_OF, requested_by=places.REQUESTER)
        assert submit_decision(place.workspace, MODEL, 2, "approve", APPROVER, "", code=code_of(APPROVER)).accepted

    return grown("second", champion_home, live)


@pytest.fixture
def two(empty: Place, second_home: Path) -> Place:
    """A place of its own with that home."""
    places.copy_home(second_home, empty.home)
    return empty


def object_of(place: Place, digest: str) -> Path:
    return place.home / f"store/objects/sha256/{digest[:2]}/{digest}"


def refused(answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code, answer.said
    assert "Traceback" not in answer.said
    for word in words:
        assert word in answer.err


def proof_of(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = place.ledger("rolled_back")[-1]["facts"]["proof"]
    return found


def test_the_last_batch_proves_a_version_that_scored(two: Place, plimsoll: Cli) -> None:
    done = plimsoll("rollback", MODEL, "--as", "ada", "--reason", "a bad feeling")
    assert done.code == 0, done.said
    assert "v1 is champion again, by ada; it was v2." in done.out
    batch = two.ledger("batch_committed")[0]
    proof = proof_of(two)
    assert (proof["by"], proof["date"], proof["entry"]) == ("batch", str(DAY), batch["n"])
    assert (proof["rows"], proof["snapshot"]) == (batch["facts"]["rows"], batch["facts"]["snapshot"])
    assert read_alias(two.workspace, MODEL, "champion") == 1


def test_rows_kept_at_registration_prove_one_that_never_scored(two: Place, plimsoll: Cli) -> None:
    assert plimsoll("rollback", MODEL, "--as", "ada").code == 0
    assert plimsoll("rollback", MODEL, "--to", 2, "--as", "ada").code == 0
    proof = proof_of(two)
    assert (proof["by"], proof["version"], proof["rows"]) == ("probe", 2, 100)
    assert proof["snapshot"] == two.ledger("trained")[1]["facts"]["snapshot"]


def test_a_dry_run_proves_and_changes_nothing(two: Place, plimsoll: Cli) -> None:
    before = two.ledger()
    told = plimsoll("rollback", MODEL, "--as", "ada", "--dry-run", "--json")
    assert told.code == 0, told.said
    assert json.loads(told.out)["proof"]["version"] == 1
    assert two.ledger() == before
    refused(plimsoll("rollback", MODEL, "--as", "mallory", "--dry-run"), 2, "'mallory' may not roll back")


def test_asking_twice_does_not_flip_back(two: Place, plimsoll: Cli) -> None:
    assert plimsoll("rollback", MODEL, "--as", "ada").code == 0
    refused(plimsoll("rollback", MODEL, "--as", "ada"), 2, "v1 is champion by a rollback already", "--to 2 undoes it")
    again = plimsoll("rollback", MODEL, "--to", 1, "--as", "ada")
    assert again.code == 0
    assert "champion again already" in again.out
    refused(plimsoll("rollback", MODEL, "--to", 1, "--as", APPROVER), 2, "cannot be rolled back to v1")
    assert len(two.ledger("rolled_back")) == 1


def test_of_two_who_race_one_is_refused(two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import tasks.rollback

    both = threading.Barrier(2)
    prove = tasks.rollback.prove

    def prove_together(*given: Any) -> Any:
        proof = prove(*given)
        both.wait(30)
        return proof

    monkeypatch.setattr(tasks.rollback, "prove", prove_together)
    said: dict[str, Exception | None] = {}

    def ask(who: str) -> None:
        try:
            roll_back_as(two.workspace, MODEL, None, who, str(NEXT), "", code=code_of(who))
            said[who] = None
        except ApprovalError as error:
            said[who] = error

    threads = [threading.Thread(target=ask, args=(who,)) for who in ("ada", APPROVER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [error for error in said.values() if error]
    assert len(errors) == 1
    assert "v1 became champion meanwhile, by" in str(errors[0])
    assert len(two.ledger("rolled_back")) == 1


@pytest.mark.parametrize("name", ["model.ubj", "bundle.json"])
def test_a_damaged_bundle_is_not_rolled_back_to(two: Place, plimsoll: Cli, name: str) -> None:
    bundle = two.ledger("trained")[0]["facts"]["bundle"]
    part = bundle_objects(two.workspace.store, bundle)[name]
    if part in bundle_objects(two.workspace.store, two.ledger("trained")[1]["facts"]["bundle"]).values():
        assert bundle == two.ledger("trained")[1]["facts"]["bundle"], "the same days give the same bytes"
    flip_a_byte(object_of(two, part))
    answer = plimsoll("rollback", MODEL, "--as", "ada")
    refused(answer, IntegrityError.exit_code, "flight_delay v1 was not loaded", f"Object {part[:12]}", "was changed")
    assert not two.ledger("rolled_back")


@pytest.mark.parametrize("how", ["a score", "a byte", "a file"])
def test_predictions_that_were_changed_prove_nothing(two: Place, plimsoll: Cli, how: str) -> None:
    from deltalake import DeltaTable

    file = next((two.home / "predictions").rglob("*.parquet"))
    if how == "a score":
        key = two.predictions().iloc[5]["key"]
        DeltaTable(str(two.home / "predictions")).update(predicate=f"key = '{key}'", updates={"score": "0.5"})
    elif how == "a byte":
        flip_a_byte(file)
    else:
        file.unlink()
    answer = plimsoll("rollback", MODEL, "--as", "ada")
    refused(answer, IntegrityError.exit_code, f"predictions of {MODEL} for {DAY} are not those of ledger entry")
    assert not two.ledger("rolled_back")


def test_code_that_makes_other_features_is_told(two: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import tasks.assemble

    assemble = tasks.assemble.reassemble
    monkeypatch.setattr(
        tasks.assemble, "reassemble", lambda *given: assemble(*given).assign(departure_minute=0, distance=1.0)
    )
    refused(plimsoll("rollback", MODEL, "--as", "ada"), 3, "does not score as it did", "rows differ, first")
    monkeypatch.setattr(tasks.assemble, "reassemble", lambda *given: assemble(*given).drop(columns="distance"))
    refused(plimsoll("rollback", MODEL, "--as", "ada"), 3, "needs the feature", "distance")
    assert not two.ledger("rolled_back")


def test_a_registry_that_does_not_answer_stops_no_rollback(
    two: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(two.home / "mlflow")
    monkeypatch.setenv("PLIMSOLL_MLFLOW__TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = plimsoll("rollback", MODEL, "--as", "ada")
    assert done.code == 0, done.said
    assert "MLflow's alias did not follow" in done.out
    assert len(two.ledger("rolled_back")) == 1


def test_one_whose_features_scoring_would_refuse_is_refused_before_the_code_is_used(two: Place, plimsoll: Cli) -> None:
    features = two.root / "configs/features/flights.py"
    written = features.read_text()
    features.write_text(written.replace("departure.dt.weekday.", "departure.dt.month."))
    code = code_of("ada")
    with pytest.raises(ChangedFeaturesError, match=r"flights\.py computes something else than what flight_delay v1"):
        roll_back_as(two.workspace, MODEL, None, "ada", str(NEXT), "", code=code)
    refused(plimsoll("rollback", MODEL, "--as", "ada", "--dry-run"), 2, "v1 was trained with", "Put that function back")
    assert not two.ledger("rolled_back")
    features.write_text(written + "\n\ndef another(batch):\n    return batch\n")
    assert roll_back_as(two.workspace, MODEL, None, "ada", str(NEXT), "", code=code).entry.facts["version"] == 1
