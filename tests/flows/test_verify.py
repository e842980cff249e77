"""Verify and repair: what was changed behind the project's back is named, what a process left undone is done."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plimsoll.ledger import _encode, append, entry_key, head_key, read_ledger
from tasks.mlflow_registry import connect
from tasks.mlflow_roles import candidates_of, mirror_alias, read_alias
from tasks.records import Run
from tasks.verify import verify
from tests.archives import archive_at
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, Answer, Place, damage, flip_a_byte, refused, spoil

Cli = Callable[..., Answer]
CORRUPTIONS = 200
WRITTEN = ("store", "predictions", "mlflow/artifacts", "witness")
KINDS = {  # what is written, by a part of its path; every file belongs to exactly one
    "ledger": "store/ledger/",
    "mark": "store/heads/",
    "record": "store/records/",
    "object": "store/objects/",
    "bundle signature": "store/bundles/",
    "verdict": "store/verdicts/",
    "night of losses": "store/quality/",
    "proof of a source": "store/seen/",
    "note of the table": "store/layout/",
    "log of the table": "predictions/_delta_log/",
    "rows": "predictions/model=",
    "bundle in MLflow": "/artifacts/bundle/",
    "record in MLflow": "/run_record.json",
    "reading in MLflow": "/artifacts/reading/",
    "witness": "witness/",
}


def written(place: Place) -> list[Path]:
    """Return every file that the project wrote and that somebody may be asked to trust."""
    return sorted(path for part in WRITTEN for path in (place.home / part).rglob("*") if path.is_file())


def kind_of(path: Path, home: Path) -> str:
    """Return what a written file is."""
    key = path.relative_to(home).as_posix()
    (kind,) = [kind for kind, part in KINDS.items() if part in key]
    return kind


def is_named(path: Path, home: Path, sentence: str) -> bool:
    """Say whether a sentence names a file, or the thing that it belongs to."""
    part, _, key = path.relative_to(home).as_posix().partition("/")
    if key.startswith("objects/"):
        return path.name[:12] in sentence
    if part == "mlflow":
        return f"MLflow {MODEL}_candidates v1" in sentence and (path.name != "run_record.json" or path.name in sentence)
    if part == "witness":
        return "witness" in sentence
    return key in sentence


def test_what_is_as_written_is_counted(lived: Place, plimsoll: Cli) -> None:
    answer = plimsoll("verify")
    assert answer.code == 0, answer.said
    assert "14 entries, 3 records, " in answer.out
    assert "1 bundle, 5 table files, 2 batches: all as written." in answer.out
    assert "1 bundle" in plimsoll("verify", MODEL, "--quick").out
    assert plimsoll("repair").out == "Nothing to repair: everything is as the ledger says.\n"
    assert lived.unfinished() == []


@pytest.mark.parametrize("corruptions", [30, pytest.param(CORRUPTIONS, marks=pytest.mark.campaign)])
def test_corruptions_of_one_byte_are_all_seen_and_named(lived: Place, corruptions: int) -> None:
    """Turn by turn a file of every kind, chosen evenly among these, and the byte evenly in the file.

    Objects are most of the files, and their kind is drawn as often as the others; no kind and no file is left out.
    """
    chance = random.Random(20130302)  # noqa: S311  # the same bytes every time
    files: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in written(lived):
        files[kind_of(path, lived.home)].append(path)
    assert all(files.values()), "every kind was written"
    for path in (lived.root / "configs/models").glob("*.yaml"):
        if path.stem != MODEL:
            path.unlink()  # MLflow is asked about each
    missed, seen = [], Counter[str]()
    for kind in itertools.islice(itertools.cycle(KINDS), corruptions):
        path = chance.choice(files[kind])
        old = path.read_bytes()
        data, at = bytearray(old), chance.randrange(len(old))
        data[at] ^= chance.randrange(1, 256)
        put_back = spoil(path, bytes(data))
        sentence = damage(lived)
        if sentence and "\n" not in sentence and is_named(path, lived.home, sentence):
            seen[kind] += 1
        else:
            missed.append((path.relative_to(lived.home), at, sentence))
        put_back()
        assert path.read_bytes() == old
    assert missed == []
    assert seen.total() == corruptions
    assert min(seen[kind] for kind in KINDS) == corruptions // len(KINDS) >= 2
    assert damage(lived) == ""


@pytest.mark.parametrize(
    "part", ["store/ledger", "store/layout", "predictions/_delta_log", "predictions/model=", "mlflow"]
)
@pytest.mark.parametrize("how", ["truncated", "emptied", "longer"])
def test_a_file_of_another_length_is_named(lived: Place, part: str, how: str) -> None:
    path = next(p for p in written(lived) if p.relative_to(lived.home).as_posix().startswith(part))
    data = path.read_bytes()
    spoil(path, {"truncated": data[:-1], "emptied": b"", "longer": data + b"\n"}[how])
    assert is_named(path, lived.home, damage(lived))


def test_objects_that_were_swapped_renamed_or_taken_away_are_named(lived: Place) -> None:
    one, other = sorted((lived.home / "store/objects").rglob("*/*/*"))[:2]
    first = one.read_bytes()
    undo = [spoil(one, other.read_bytes()), spoil(other, first)]
    assert one.name[:12] in damage(lived)
    for put_back in undo:
        put_back()
    for digest in (
        lived.ledger("trained")[0]["facts"]["snapshot"],
        lived.ledger("batch_committed")[0]["facts"]["validation"],
    ):
        path = lived.home / f"store/objects/sha256/{digest[:2]}/{digest}"
        path.rename(path.with_name("0" * 64))
        assert f"{digest} is gone, and " in damage(lived)
        path.with_name("0" * 64).rename(path)
    assert damage(lived) == ""


@pytest.mark.parametrize("half", ["start.json", "both"])
def test_a_record_that_is_gone_is_named(lived: Place, half: str) -> None:
    run = lived.ledger("batch_committed")[0]["facts"]["run"]
    (lived.home / f"store/records/{run}/start.json").unlink()
    if half == "both":
        shutil.rmtree(lived.home / f"store/records/{run}")
    assert damage(lived).startswith(f"records/{run}/start.json is gone, although ledger entry")


def test_a_ledger_whose_tail_was_cut_off_is_named(lived: Place, plimsoll: Cli) -> None:
    last = len(lived.ledger()) - 1
    store = lived.home / "store"
    (store / entry_key(MODEL, last)).unlink()
    refused(plimsoll("verify"), f"{entry_key(MODEL, last)} is gone", "Restore")
    (store / head_key(MODEL, last)).unlink()
    refused(plimsoll("verify"), "was cut off", "the witness in")
    shutil.rmtree(lived.home / "witness")
    refused(plimsoll("verify"), f"{entry_key(MODEL, last)} is gone", "end.json says that its run wrote it")
    (lived.home / f"store/records/{lived.records()[-1]['run_id']}/end.json").unlink()
    assert not damage(lived), "nothing is left that saw the entry"


def test_a_ledger_that_vanished_with_all_that_saw_it_is_named_by_mlflow(lived: Place, plimsoll: Cli) -> None:
    for folder in ("store/ledger", "store/heads", "store/records", "witness"):
        shutil.rmtree(lived.home / folder)
    refused(plimsoll("verify", MODEL), f"The ledger of {MODEL} was cut off: MLflow has seen another entry")


def test_an_older_backup_of_the_store_is_named(lived: Place, champion_home: Path, plimsoll: Cli) -> None:
    shutil.rmtree(lived.home / "store")
    shutil.copytree(champion_home / "store", lived.home / "store")
    refused(plimsoll("verify"), "was cut off", "the witness in")


def test_an_entry_forged_without_the_key_is_named(lived: Place, plimsoll: Cli, tmp_path: Path) -> None:
    entries = read_ledger(lived.workspace.archive, MODEL)
    forged = replace(entries[-1], n=len(entries), previous=entries[-1].link, by="mallory")
    place = lived.home / "store" / entry_key(MODEL, forged.n)
    place.write_bytes(_encode(forged, archive_at(tmp_path / "elsewhere")))
    refused(plimsoll("verify"), entry_key(MODEL, forged.n), "not trusted here")


def test_a_bundle_replaced_in_mlflow_is_named_and_not_repaired(lived: Place, plimsoll: Cli) -> None:
    flip_a_byte(next(lived.home.rglob("bundle/model.ubj")))
    refused(plimsoll("verify", MODEL), f"The bundle at MLflow {candidates_of(MODEL)} v1 was changed")
    refused(plimsoll("repair", MODEL), "was changed", "Nothing was repaired")


def test_rows_that_are_gone_are_named(lived: Place, plimsoll: Cli) -> None:
    from deltalake import DeltaTable

    DeltaTable(lived.home / "predictions").delete(f"batch_date = '{DAY}'")
    refused(plimsoll("verify"), f"The predictions of {MODEL} {DAY} by v1 are gone")
    refused(plimsoll("verify", "--quick"), f"The predictions of {MODEL} {DAY} by v1 are gone")


def test_rows_that_were_written_over_are_named(lived: Place, plimsoll: Cli) -> None:
    """The table's own log is in order, and even its notes are: only the ledger knows better."""
    from deltalake import DeltaTable

    from tasks.table_notes import note_table

    DeltaTable(lived.home / "predictions").update({"score": "0.5"}, predicate=f"batch_date = '{DAY}'")
    note_table(lived.workspace)
    refused(plimsoll("verify"), f"The predictions of {MODEL} {DAY} are not those of ledger", "scores differ")


def test_a_lost_signing_key_is_named_and_none_is_made(lived: Place, plimsoll: Cli) -> None:
    shutil.rmtree(lived.home / "keys")
    refused(plimsoll("verify"), "Expected the signing key at", "Restore it")
    assert not (lived.home / "keys").exists()


def test_everything_that_is_wrong_is_listed_when_asked(lived: Place, plimsoll: Cli) -> None:
    for path in sorted((lived.home / "store/objects").rglob("*/*/*"))[:3]:
        spoil(path, b"x")
    refused(plimsoll("verify"), "Found 2 more; --all lists them.")
    assert plimsoll("verify", "--all").out.count("Also wrong: ") == 2
    answer = plimsoll("verify", "--json")
    assert answer.code == 3
    assert '"intact": false' in answer.out


def test_a_model_that_is_not_there_is_a_mistake(lived: Place, plimsoll: Cli) -> None:
    for command in ("verify", "repair"):
        answer = plimsoll(command, "flight_delai")
        assert answer.code == 2
        assert MODEL in answer.err


def test_an_alias_moved_by_hand_is_told_and_put_back(lived: Place, plimsoll: Cli) -> None:
    mirror_alias(lived.workspace, MODEL, "champion", None)
    mirror_alias(lived.workspace, MODEL, "challenger", 1)
    answer = plimsoll("verify", MODEL)
    assert answer.code == 0
    assert f"alias champion of {MODEL} points at nothing, the ledger says v1" in answer.out
    assert "2 to be put right" in answer.out
    assert f"plimsoll repair {MODEL}" in plimsoll("score", MODEL, "--date", DAY).out
    assert "2 things would be put right." in plimsoll("repair", MODEL, "--dry-run").out
    assert read_alias(lived.workspace, MODEL, "champion") is None
    assert "2 things put right." in plimsoll("repair", MODEL).out
    assert read_alias(lived.workspace, MODEL, "champion") == 1
    assert read_alias(lived.workspace, MODEL, "challenger") is None
    assert "-repair-" in plimsoll("runs", "--last", 1, "--json").out
    assert "Nothing to repair" in plimsoll("repair").out


def test_marks_tags_copies_and_notes_are_put_back(lived: Place, plimsoll: Cli) -> None:
    store = lived.home / "store"
    (store / head_key(MODEL, 3)).unlink()
    connect(lived.workspace).set_model_version_tag(candidates_of(MODEL), "1", "plimsoll.snapshot", "another")
    next((lived.home / "mlflow").rglob("run_record.json")).unlink()
    note = sorted((store / "layout").rglob("*.json"))[-1]
    note.unlink()
    done = plimsoll("repair").out
    for said in ("marks ledger entry 3", "tags say again", "run_record.json is there", "has a note of its digest"):
        assert said in done
    assert note.exists()
    assert not verify(lived.workspace).findings


def test_a_promotion_that_was_cut_off_is_finished(
    waiting: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tasks.approvals.settle", lambda *_: None)
        assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    assert not waiting.ledger("promoted")
    assert "was approved, but a process died" in plimsoll("verify").out
    assert plimsoll("repair", MODEL).code == 0
    assert waiting.ledger("promoted")[0]["facts"]["version"] == 1
    assert not verify(waiting.workspace).findings


def test_a_batch_that_was_cut_off_is_finished(serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "decide", die)
        assert plimsoll("score", MODEL, "--date", DAY).code != 0
    before = serving.predictions()
    assert len(before) > 0
    assert f"predictions of {MODEL} {DAY} that no ledger entry knows" in plimsoll("verify").out
    assert plimsoll("repair").code == 0
    assert serving.ledger("batch_committed")[0]["facts"]["date"] == str(DAY)
    assert serving.predictions().equals(before)
    assert not verify(serving.workspace).findings


def test_a_damaged_verdict_trains_nothing(lived: Place, plimsoll: Cli) -> None:
    kept = sorted((lived.home / "store/verdicts").rglob("*.json"))
    for path in kept:
        flip_a_byte(path)
    answer = plimsoll("train", MODEL, "--as-of", AS_OF)
    refused(answer, "verdicts/", "Restore it")
    assert len(lived.ledger("trained")) == 1


def test_a_damaged_night_of_losses_decides_nothing(lived: Place, plimsoll: Cli) -> None:
    flip_a_byte(next((lived.home / "store/quality").rglob("*.json")))
    assert plimsoll("score", MODEL, "--date", "2013-03-04").code == 0
    refused(plimsoll("check", MODEL, "--date", "2013-03-04"), f"quality/{MODEL}/v1/{DAY}/")
    assert len(lived.ledger("drift_decided")) == 1


@pytest.mark.campaign
def test_a_verification_that_is_killed_leaves_nothing(lived: Place) -> None:
    before = {path: path.read_bytes() for path in lived.home.rglob("*") if path.is_file()}
    words = [sys.executable, "-c", "from flows.cli import main; main()", "verify"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy())
    time.sleep(4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert {path: path.read_bytes() for path in lived.home.rglob("*") if path.is_file()} == before


def test_entries_written_meanwhile_are_no_damage(lived: Place) -> None:
    append(
        lived.workspace.archive,
        MODEL,
        "approval_refused",
        facts={"version": 1},
        as_of="2013-03-04",
        recorded_at="2013-03-04T00:00:00+00:00",
        by="a person",
    )
    assert not verify(lived.workspace).damage
