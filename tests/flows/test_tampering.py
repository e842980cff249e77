"""Tampering: what somebody with a hand in the store, in MLflow or on the key may try, and which sentence names it."""

import base64
import json
import random
import shutil
from collections.abc import Callable

import pytest

from plimsoll.errors import IntegrityError
from plimsoll.ledger import entry_key, head_key, read_ledger
from plimsoll.seal import public_key
from plimsoll.standing import stand
from tasks.outcomes_feed import late_losses
from tests.flows.places import DAY, MODEL, NEXT, Answer, Place, refused, spoil

Cli = Callable[..., Answer]


def test_an_end_that_is_gone_is_named_by_its_copy_in_mlflow(lived: Place, plimsoll: Cli) -> None:
    run = lived.ledger("trained")[0]["facts"]["run"]
    (lived.home / f"store/records/{run}/end.json").unlink()
    refused(plimsoll("verify", MODEL), f"records/{run}/end.json is gone", "is a copy of it")


def test_ends_of_two_runs_that_were_exchanged_are_named(lived: Place, plimsoll: Cli) -> None:
    one, other = sorted((lived.home / "store/records").glob("*/end.json"))[:2]
    first = one.read_bytes()
    spoil(one, other.read_bytes())
    spoil(other, first)
    refused(plimsoll("verify"), f"records/{one.parent.name}/end.json was changed")
    refused(plimsoll("runs"), "end.json was changed")


def test_a_signature_of_a_bundle_that_is_gone_is_named(lived: Place, plimsoll: Cli) -> None:
    path = next((lived.home / "store/bundles").rglob("*.json"))
    data = path.read_bytes()
    path.unlink()
    for words in (("verify",), ("verify", MODEL, "--quick"), ("score", MODEL, "--date", "2013-03-04")):
        refused(plimsoll(*words), "signature", "Restore it" if words[0] == "verify" else "restore it")
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    refused(plimsoll("verify", MODEL), f"bundles/{MODEL}/{path.name}")


@pytest.mark.parametrize("how", ["exchanged", "of another model", "an older mark", "renamed", "beside"])
def test_entries_and_marks_that_were_moved_are_named(lived: Place, plimsoll: Cli, how: str) -> None:
    store = lived.home / "store"
    third, fourth = (store / entry_key(MODEL, n) for n in (3, 4))
    if how == "exchanged":
        first = third.read_bytes()
        spoil(third, fourth.read_bytes())
        spoil(fourth, first)
        refused(plimsoll("history", MODEL), "broken at entry 3")
    elif how == "of another model":
        (store / "ledger/breast_cancer").mkdir()
        (store / entry_key("breast_cancer", 0)).write_bytes((store / entry_key(MODEL, 0)).read_bytes())
        refused(plimsoll("history", "breast_cancer"), "is not the first of this ledger")
    elif how == "an older mark":
        (store / head_key(MODEL, 8)).write_bytes((store / head_key(MODEL, 7)).read_bytes())
        refused(plimsoll("history", MODEL), "was changed")
    elif how == "renamed":
        third.rename(third.with_name("00000009.json"))
        refused(plimsoll("history", MODEL), "broken at entry 3")
    else:
        (store / "ledger/readme.txt").write_text("what is this")
    refused(plimsoll("verify"), "ledger/" if how != "an older mark" else head_key(MODEL, 8))


@pytest.mark.parametrize("how", ["first byte", "half", "not SQLite"])
def test_a_damaged_database_of_mlflow_is_named(lived: Place, plimsoll: Cli, how: str) -> None:
    path = lived.home / "mlflow/mlflow.db"
    data = path.read_bytes()
    path.write_bytes({"first byte": b"s" + data[1:], "half": data[: len(data) // 2], "not SQLite": b"{}" * 999}[how])
    refused(plimsoll("verify", MODEL), f"MLflow's database {path} was changed", "Restore it")
    refused(plimsoll("repair", MODEL), "Nothing was repaired")


def test_a_file_more_in_mlflows_copy_is_named(lived: Place, plimsoll: Cli) -> None:
    folder = next(lived.home.rglob("bundle/model.ubj")).parent / "deep"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(b"more")
    refused(plimsoll("verify", MODEL), f"The bundle at MLflow {MODEL}_candidates v1 was changed", "deep/model.pkl")


@pytest.mark.parametrize("part", ["predictions/_delta_log", "predictions/model="])
def test_damaged_predictions_decide_nothing(lived: Place, plimsoll: Cli, part: str) -> None:
    """The losses of a night are what they were, or there is a sentence: whatever the byte that changed was part of."""
    shutil.rmtree(lived.home / "store/quality")  # else the losses of the night are known
    standing = stand(MODEL, read_ledger(lived.workspace.archive, MODEL))
    config, chance = lived.workspace.model(MODEL), random.Random(7)  # noqa: S311
    files = sorted(path for path in (lived.home / "predictions").rglob("*") if part in str(path) and path.is_file())
    files = [path for path in files if f"batch_date={NEXT}" not in str(path)]  # its outcomes have not come
    true = [night.to_json() for night in late_losses(lived.workspace, config, standing, 1, str(NEXT))]
    assert true
    found: list[str] = []
    for path in chance.choices(files, k=24):
        shutil.rmtree(lived.home / "store/quality")
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        put_back = spoil(path, bytes(data))
        try:
            assert [night.to_json() for night in late_losses(lived.workspace, config, standing, 1, str(NEXT))] == true
        except IntegrityError as error:
            (lived.home / "store/quality").mkdir(exist_ok=True)
            found.append(str(error))
        put_back()
    assert len(found) > 5
    assert not [sentence for sentence in found if "\n" in sentence]


def test_a_mistaken_key_makes_no_other(lived: Place, plimsoll: Cli) -> None:
    shutil.rmtree(lived.home / "keys")
    for words in (("history", MODEL), ("score", MODEL, "--date", DAY), ("key", "show")):
        refused(plimsoll(*words), "Expected the signing key at", "Restore it")
    assert not (lived.home / "keys").exists()


def test_a_second_key_is_trusted_when_the_team_says_so(
    lived: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine signs with a key of its own: nothing of ours is believed there before the config names us."""
    ours = lived.workspace.archive.seal.public
    monkeypatch.setenv("PLIMSOLL_SIGNING_KEY", base64.b64encode(bytes(32)).decode())
    refused(plimsoll("verify"), f"signed by key {ours[:12]}, which is not trusted here", "signing.trusted")
    refused(plimsoll("score", MODEL, "--date", "2013-03-04"), "is not trusted here")
    platform = lived.root / "configs/platform.yaml"
    assert "trusted: []" in platform.read_text()
    platform.write_text(platform.read_text().replace("trusted: []", f"trusted: ['{ours}', '{public_key(bytes(32))}']"))
    assert plimsoll("verify").code == 0
    monkeypatch.delenv("PLIMSOLL_SIGNING_KEY")
    assert plimsoll("verify").code == 0


def test_what_verify_says_fits_programs_too(lived: Place, plimsoll: Cli) -> None:
    said = json.loads(plimsoll("verify", MODEL, "--json").out)
    assert said["intact"] is True
    assert {name: said["checked"][name] for name in ("entries", "records", "bundles", "table_files", "batches")} == {
        "entries": 14,  # nine of the model, and five of the people who decide
        "records": 3,
        "bundles": 1,
        "table_files": 5,
        "batches": 2,
    }
