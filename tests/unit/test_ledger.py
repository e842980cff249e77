"""The ledger: one winner per entry, a chain that shows every change."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.archive import Archive, Head
from plimsoll.errors import ApprovalError, ConflictError, FolderError, IntegrityError
from plimsoll.ledger import Entry, append, entry_key, head_key, read_ledger
from plimsoll.seal import Seal, seal_of
from plimsoll.standing import stand
from tasks.object_store import FolderStore
from tasks.signing import FileWitness
from tests.archives import SECRET, archive_at


@pytest.fixture(scope="module", autouse=True)
def no_power_cuts() -> Iterator[None]:
    """Nothing here is about power cuts, and forcing every file to disk is most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.durable_files.os.fsync", lambda _: None)
        yield


def write(archive: Archive, kind: str = "trained", key: str = "", **facts: object) -> Entry:
    return append(
        archive,
        "m",
        kind,
        facts=dict(facts),
        as_of="2013-03-01",
        recorded_at="2026-01-01T00:00:00+00:00",
        by="t",
        key=key,
    )  # type: ignore[arg-type]


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    written = [write(archive, version=n) for n in range(12)]
    assert list(read_ledger(archive, "m")) == written
    assert [e.previous for e in written[1:]] == [e.link for e in written[:-1]]


def test_what_was_read_before_is_not_read_again_and_must_still_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_at(tmp_path)
    for n in range(6):
        write(archive, version=n)
    known = read_ledger(archive, "m")
    write(archive_at(tmp_path), version=6)  # another process
    reads: list[str] = []
    get = FolderStore.get
    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "get", lambda self, key: reads.append(key) or get(self, key))
        now = read_ledger(archive, "m", known)
    assert [key for key in reads if key.startswith("ledger/")] == [entry_key("m", 6)]
    assert now == read_ledger(archive, "m")
    assert write(archive, version=7).previous == now[-1].link
    for n in (5, 6, 7):
        archive.store.delete(head_key("m", n))
        archive.store.delete(entry_key("m", n))
    assert len(read_ledger(archive, "m")) == 5, "marks and all were cut off"
    with pytest.raises(IntegrityError, match="was cut off: it ends after 5 entries, but this run has seen entry 6"):
        read_ledger(archive, "m", now)
    write(archive, version=99)
    write(archive, version=98)
    with pytest.raises(IntegrityError, match=r"was rewritten|is broken at entry"):
        read_ledger(archive, "m", now[:6])


def test_an_idempotency_key_is_written_once(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    first = write(archive, "drift_decided", key="check:1", date="a")
    assert write(archive, "drift_decided", key="check:1", date="b") == first
    assert len(read_ledger(archive, "m")) == 1


def test_racing_writers_all_land_once(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda n: write(archive, version=n), range(16)))
    assert sorted(e.n for e in entries) == list(range(16))
    assert sorted(e.facts["version"] for e in read_ledger(archive, "m")) == list(range(16))


def test_racing_writers_of_one_key_write_one_entry(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        entries = list(pool.map(lambda n: write(archive, key="once", version=n), range(16)))
    assert len({e.digest for e in entries}) == 1
    assert len(read_ledger(archive, "m")) == 1


def test_a_guard_refuses_on_what_is_there(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    write(archive, version=1)

    def guard(entries: object) -> None:
        raise ApprovalError("not now")

    with pytest.raises(ApprovalError, match="not now"):
        append(archive, "m", "approved", facts={}, as_of="", recorded_at="", by="", guard=guard)
    assert len(read_ledger(archive, "m")) == 1


def test_endless_conflict_gives_up(tmp_path: Path) -> None:
    class Busy(FolderStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            return False

    with pytest.raises(ConflictError, match="50 other writers"):
        write(Archive(Busy(tmp_path), seal_of(SECRET)), version=1)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger of four entries, which a test leaves as it found it."""
    folder = tmp_path_factory.mktemp("ledger")
    for n in range(4):
        write(archive_at(folder), version=n, note="µ ledger")
    return folder


@settings(max_examples=100)
@given(n=st.integers(0, 3), place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_any_changed_byte_is_seen_and_named(four: Path, n: int, place: int, change: int) -> None:
    path = four / entry_key("m", n)
    written = path.read_bytes()
    body = bytearray(written)
    body[place % len(body)] ^= change
    path.write_bytes(bytes(body))
    try:
        with pytest.raises(IntegrityError, match=rf"{n:08d}|entry {n}"):
            read_ledger(archive_at(four), "m")
    finally:
        path.write_bytes(written)


def test_a_change_after_this_process_has_read_an_entry_is_seen(tmp_path: Path) -> None:
    """What a process remembers of an entry is about its bytes, not about where they lie."""
    archive = archive_at(tmp_path)
    for n in range(3):
        write(archive, version=n)
    first, second = (tmp_path / entry_key("m", n) for n in (0, 1))
    assert len(read_ledger(archive, "m")) == 3
    kept = first.read_bytes(), second.read_bytes()
    first.write_bytes(kept[1])
    second.write_bytes(kept[0])
    with pytest.raises(IntegrityError, match="broken at entry 0"):
        read_ledger(archive, "m")
    first.write_bytes(kept[0])
    second.write_bytes(kept[1].replace(b'"version":1', b'"version":2'))
    with pytest.raises(IntegrityError, match=r"00000001\.json was changed"):
        read_ledger(archive, "m")


def test_what_callers_do_with_an_entry_does_not_reach_the_next_reader(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    write(archive, version=1)
    read_ledger(archive, "m")[0].facts["version"] = 2
    assert read_ledger(archive, "m")[0].facts["version"] == 1


@pytest.mark.parametrize("bomb", [b"[" * 100_000, b'{"digest":' * 50_000, b"\xff\xfe", b"null", b"3"])
def test_an_entry_that_is_no_entry_is_one_sentence(tmp_path: Path, bomb: bytes) -> None:
    archive = archive_at(tmp_path)
    write(archive, version=1)
    (tmp_path / entry_key("m", 0)).write_bytes(bomb)
    with pytest.raises(IntegrityError, match=r"00000000\.json cannot be read"):
        read_ledger(archive, "m")


@pytest.mark.parametrize(
    "note",
    ['{"n": -1, "digest": "D"}', '{"n": "2", "digest": "D"}', '{"n": true, "digest": "D"}', '{"n": 2, "digest": ""}'],
)
def test_a_witness_that_was_changed_is_not_believed(tmp_path: Path, note: str) -> None:
    """A head counted from the end, -1, is the last entry of any ledger: what was cut off would not show."""
    archive = archive_at(tmp_path / "store", witness=FileWitness(tmp_path / "witness"))
    last = [write(archive, version=n) for n in range(3)][-1]
    (tmp_path / "witness/m.json").write_text(note.replace("D", last.digest))
    with pytest.raises(IntegrityError, match=r"witness/m\.json cannot be read: it was changed"):
        read_ledger(archive, "m")


def test_a_missing_entry_breaks_the_chain(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    for n in range(3):
        write(archive, version=n)
    (tmp_path / entry_key("m", 1)).unlink()
    with pytest.raises(IntegrityError, match="broken at entry 1"):
        read_ledger(archive, "m")


def test_an_entry_of_another_ledger_does_not_fit(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    write(archive, version=1)
    stolen = json.loads((tmp_path / entry_key("m", 0)).read_bytes())
    target = tmp_path / entry_key("other", 0)
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(stolen, sort_keys=True, separators=(",", ":")))
    with pytest.raises(IntegrityError):
        read_ledger(archive, "other")


def test_standing_follows_promotions_and_rollbacks(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    for version in (1, 2):
        write(archive, version=version, bundle="b")
        write(archive, "promotion_requested", version=version)
        write(archive, "promoted", version=version)
    write(archive, "rolled_back", version=1, **{"from": 2})
    now = stand("m", read_ledger(archive, "m"))
    assert (now.champion, now.previous) == (1, 2)
    assert {v.number: v.state for v in now.versions} == {1: "champion", 2: "former"}


def test_a_committed_batch_outranks_its_rejections(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    write(archive, "batch_rejected", date="d", reason="cut")
    assert stand("m", read_ledger(archive, "m")).undecided() == ["d"]
    write(archive, "batch_committed", date="d", versions={"1": "champion"})
    write(archive, "batch_rejected", date="d", reason="late duplicate")
    now = stand("m", read_ledger(archive, "m"))
    batch = now.batch("d")
    assert batch is not None
    assert batch.kind == "batch_committed"


def test_a_cut_off_tail_shows(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    for n in range(5):
        write(archive, version=n)
    for n in (3, 4):
        (tmp_path / entry_key("m", n)).unlink()
    with pytest.raises(IntegrityError, match=r"cut off: it ends after 3 entries, but heads/m/00000004.json"):
        read_ledger(archive, "m")
    with pytest.raises(IntegrityError, match="cut off"):
        write(archive, version=9)


def test_a_ledger_cut_off_with_its_marks_is_seen_by_the_witness(tmp_path: Path) -> None:
    archive = archive_at(tmp_path / "store", witness=FileWitness(tmp_path / "witness"))
    for n in range(3):
        write(archive, version=n)
    for key in (entry_key("m", 2), head_key("m", 2)):
        (tmp_path / "store" / key).unlink()
    assert len(read_ledger(archive_at(tmp_path / "store"), "m")) == 2, "nothing in the store tells"
    with pytest.raises(IntegrityError, match=r"the witness in .* has seen entry 2"):
        read_ledger(archive, "m")


def test_a_whole_ledger_that_vanished_shows(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    write(archive, version=1)
    (tmp_path / entry_key("m", 0)).unlink()
    with pytest.raises(IntegrityError, match="ends after 0 entries"):
        read_ledger(archive, "m")


def test_an_entry_by_someone_without_the_key_is_not_believed(tmp_path: Path) -> None:
    archive, thief = archive_at(tmp_path), archive_at(tmp_path, bytes(32))
    write(archive, version=1)
    forged = Archive(thief.store, seal_of(bytes(32), archive.seal.trusted))  # it trusts, and is not trusted
    write(forged, "promoted", version=1)
    with pytest.raises(IntegrityError, match=r"is signed by key .* which is not trusted here"):
        read_ledger(archive, "m")
    with pytest.raises(IntegrityError, match="not trusted"):
        write(archive, version=2)
    ours = seal_of(SECRET, frozenset({thief.seal.public}))
    assert len(read_ledger(Archive(archive.store, ours), "m")) == 2, "a key that the team trusts counts"


def test_a_rewritten_ledger_of_one_own_key_shows(tmp_path: Path) -> None:
    archive = archive_at(tmp_path / "a", witness=FileWitness(tmp_path / "witness"))
    write(archive, version=1)
    other = archive_at(tmp_path / "b")
    write(other, version=2)
    key = entry_key("m", 0)
    (tmp_path / "a" / key).unlink()
    archive.store.put_if_absent(key, other.store.get(key) or b"")
    with pytest.raises(IntegrityError, match=r"rewritten: entry 0 is not the one that heads/m/00000000.json has seen"):
        read_ledger(archive, "m")


def test_a_writer_killed_before_its_mark_is_no_cut(tmp_path: Path) -> None:
    archive = archive_at(tmp_path, witness=FileWitness(tmp_path / "witness"))
    for n in range(3):
        write(archive, version=n)
    (tmp_path / head_key("m", 2)).unlink()
    assert len(read_ledger(archive, "m")) == 3
    write(archive, version=3)
    assert len(read_ledger(archive, "m")) == 4


def test_a_write_whose_answer_was_lost_counts_once(tmp_path: Path) -> None:
    class Lossy(FolderStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            super().put_if_absent(key, data)
            return False

    entry = write(Archive(Lossy(tmp_path), seal_of(SECRET)), version=1)
    assert read_ledger(archive_at(tmp_path), "m") == (entry,)


def test_a_reader_without_a_key_checks_and_cannot_write(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    write(archive, version=1)
    reader = Archive(archive.store, Seal(archive.seal.trusted))
    assert len(read_ledger(reader, "m")) == 1
    with pytest.raises(IntegrityError, match="no signing key"):
        write(reader, version=2)


def test_a_reader_whose_home_is_read_only_reads_and_a_writer_is_stopped(tmp_path: Path) -> None:
    class ReadOnly(FileWitness):
        def saw(self, model: str, head: Head) -> None:
            raise FolderError("Cannot write to the witness: Read-only file system.")

    write(archive_at(tmp_path / "store"), version=1)
    archive = archive_at(tmp_path / "store", witness=ReadOnly(tmp_path / "witness"))
    assert len(read_ledger(archive, "m")) == 1
    with pytest.raises(FolderError, match="Read-only"):
        write(archive, version=2)
