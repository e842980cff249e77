"""Verification without servers: what a chain, its marks and its records prove, and how it is told."""

from dataclasses import asdict
from pathlib import Path

import pytest

from plimsoll.archive import Archive, put_sealed
from plimsoll.ledger import Entry, append, entry_key, head_key
from plimsoll.references import named_by_entry, named_by_record
from plimsoll.run_record import (
    CodeVersion,
    Environment,
    RunEnd,
    RunStart,
    end_key,
    start_digest,
    start_key,
    write_end,
    write_start,
)
from plimsoll.verification import Finding, Verification, check_made_by, check_record, expired_key, read_chain, run_ids
from tests.archives import archive_at

MODEL = "a_model"
WHEN = "2013-03-01T00:00:00+00:00"


def start_of(run: str) -> RunStart:
    code = CodeVersion("c0ffee", "", "d1ff", "7ee", kept=False)
    environment = Environment("10c", "9ac", "CPython 3.11", "Linux", "a cpu", 2, {}, ())
    return RunStart(run, "score_batch", MODEL, "2013-03-01", WHEN, {}, "c0f", 7, 2, code, environment, "")


def end_of(start: RunStart) -> RunEnd:
    return RunEnd(start.run_id, start_digest(start), WHEN, "done", "Done.", ("5a9",), (), {})


def entries(archive: Archive, count: int) -> list[Entry]:
    facts = {"as_of": "2013-03-01", "recorded_at": WHEN, "by": "a person"}
    return [append(archive, MODEL, "drift_decided", facts={"date": f"day {n}"}, **facts) for n in range(count)]


def found(archive: Archive) -> Verification:
    seen = Verification()
    read_chain(archive, MODEL, seen)
    return seen


def test_a_whole_chain_is_counted_and_has_no_findings(tmp_path: Path) -> None:
    entries(archive_at(tmp_path), 3)
    seen = found(archive_at(tmp_path))
    assert seen.findings == []
    assert seen.sentence == "3 entries: all as written."
    assert Verification().sentence == "nothing was written yet: all as written."


@pytest.mark.parametrize("n", [0, 1, 2])
def test_every_signature_is_checked_and_not_the_last_alone(tmp_path: Path, n: int) -> None:
    """An entry in the middle, signed by another key, with a chain that is in order up to there."""
    entries(archive_at(tmp_path), 3)
    path = tmp_path / entry_key(MODEL, n)
    foreign = archive_at(tmp_path / "elsewhere", secret=b"another key of thirty-two bytes!")
    entries(foreign, 3)
    path.write_bytes((tmp_path / "elsewhere" / entry_key(MODEL, n)).read_bytes())
    assert found(archive_at(tmp_path)).damage[0].where == entry_key(MODEL, n)


def test_the_first_entry_that_is_gone_is_named_and_the_others_follow(tmp_path: Path) -> None:
    entries(archive_at(tmp_path), 4)
    (tmp_path / entry_key(MODEL, 1)).unlink()
    damage = found(archive_at(tmp_path)).damage
    assert f"{entry_key(MODEL, 1)} is gone" in damage[0].sentence


def test_a_tail_that_was_cut_off_is_proved_by_its_mark(tmp_path: Path) -> None:
    entries(archive_at(tmp_path), 3)
    (tmp_path / entry_key(MODEL, 2)).unlink()
    assert f"{entry_key(MODEL, 2)} is gone: {head_key(MODEL, 2)}" in found(archive_at(tmp_path)).damage[0].sentence


def test_a_missing_mark_is_owed_and_old_marks_may_go(tmp_path: Path) -> None:
    entries(archive_at(tmp_path), 4)
    (tmp_path / head_key(MODEL, 0)).unlink()
    assert found(archive_at(tmp_path)).findings == []
    (tmp_path / head_key(MODEL, 3)).unlink()
    seen = found(archive_at(tmp_path))
    assert [(f.owed, f.about) for f in seen.owed] == [("mark", "3")]
    assert not seen.damage


def test_a_record_is_there_or_expired_or_gone(tmp_path: Path) -> None:
    archive, seen = archive_at(tmp_path), Verification()
    start = start_of("run-1")
    write_start(archive, start)
    write_end(archive, end_of(start))
    record = check_record(archive, "run-1", "a test says so", seen)
    assert record is not None
    assert {r.digest for r in named_by_record(record)} == {"c0f", "7ee", "d1ff", "10c", "9ac", "5a9"}
    put_sealed(archive, expired_key("run-2"), {"run": "run-2"})
    assert check_record(archive, "run-2", "a test says so", seen) is None
    assert seen.findings == []
    assert seen.expired == {"run-2"}
    check_record(archive, "run-3", "entry 7 names it", seen)
    assert seen.damage[0].sentence.startswith(f"{start_key('run-3')} is gone, although entry 7 names it.")


def test_an_entry_made_with_another_record_is_found(tmp_path: Path) -> None:
    archive, seen = archive_at(tmp_path), Verification()
    start = start_of("run-1")
    write_start(archive, start)
    facts = {"run": "run-1", "record": start_digest(start)}
    honest = append(archive, MODEL, "trained", facts=facts, as_of="2013-03-01", recorded_at=WHEN, by="flow:train_model")
    record = {**asdict(start), "end": None}
    check_made_by(honest, record, seen)
    assert seen.findings == []
    check_made_by(honest, {**record, "seed": 8}, seen)
    assert "is not the record that" in seen.damage[0].sentence


def test_a_batch_names_its_snapshot_profiles_and_validation() -> None:
    facts = {"date": "2013-03-01", "snapshot": "a1", "validation": "b2", "profiles": {"1": "c3"}, "scores": "d4"}
    entry = Entry(4, MODEL, "batch_committed", "2013-03-01", WHEN, "flow:score_batch", facts)
    assert [(r.digest, r.kind) for r in named_by_entry(entry)] == [
        ("a1", "snapshot"),
        ("b2", "object"),
        ("c3", "object"),
    ]


def test_the_first_damage_is_told_and_the_others_counted() -> None:
    seen = Verification()
    for where in ("one", "two", "two", "three"):
        seen.found(Finding(where, f"{where} was changed."))
    seen.found(Finding("alias", "An alias was moved.", "alias", MODEL))
    assert seen.sentence == "one was changed. Found 2 more; --all lists them."
    assert not seen.to_json()["intact"]
    assert len(seen.owed) == 1


def test_half_a_record_is_looked_for_too() -> None:
    assert run_ids(iter([end_key("b"), start_key("b"), end_key("c")])) == ["b", "c"]
