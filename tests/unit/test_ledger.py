"""The ledger: one winner per entry, a chain that shows every change."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.errors import ApprovalError, ConflictError, IntegrityError
from plimsoll.ledger import Entry, append, entry_key, read_ledger
from plimsoll.standing import stand
from tasks.object_store import FolderStore


def write(store: FolderStore, kind: str = "trained", key: str = "", **facts: object) -> Entry:
    return append(
        store,
        "m",
        kind,
        facts=dict(facts),
        as_of="2013-03-01",
        recorded_at="2026-01-01T00:00:00+00:00",
        by="t",
        key=key,
    )  # type: ignore[arg-type]


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    written = [write(store, version=n) for n in range(12)]
    assert list(read_ledger(store, "m")) == written
    assert [e.previous for e in written[1:]] == [e.digest for e in written[:-1]]


def test_an_idempotency_key_is_written_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    first = write(store, "drift_decided", key="check:1", date="a")
    assert write(store, "drift_decided", key="check:1", date="b") == first
    assert len(read_ledger(store, "m")) == 1


def test_racing_writers_all_land_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        entries = list(pool.map(lambda n: write(store, version=n), range(40)))
    assert sorted(e.n for e in entries) == list(range(40))
    assert sorted(e.facts["version"] for e in read_ledger(store, "m")) == list(range(40))


def test_racing_writers_of_one_key_write_one_entry(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        entries = list(pool.map(lambda n: write(store, key="once", version=n), range(40)))
    assert len({e.digest for e in entries}) == 1
    assert len(read_ledger(store, "m")) == 1


def test_a_guard_refuses_on_what_is_there(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write(store, version=1)

    def guard(entries: object) -> None:
        raise ApprovalError("not now")

    with pytest.raises(ApprovalError, match="not now"):
        append(store, "m", "approved", facts={}, as_of="", recorded_at="", by="", guard=guard)
    assert len(read_ledger(store, "m")) == 1


def test_endless_conflict_gives_up(tmp_path: Path) -> None:
    class Busy(FolderStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            return False

    with pytest.raises(ConflictError, match="50 other writers"):
        write(Busy(tmp_path), version=1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_seen_and_named(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    store = FolderStore(tmp_path_factory.mktemp("ledger"))
    for n in range(4):
        write(store, version=n, note="µ ledger")
    n = data.draw(st.integers(0, 3))
    path = store.root / entry_key("m", n)
    body = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(body))
    with pytest.raises(IntegrityError, match=rf"{n:08d}|entry {n}"):
        read_ledger(store, "m")


def test_a_missing_entry_breaks_the_chain(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for n in range(3):
        write(store, version=n)
    (tmp_path / entry_key("m", 1)).unlink()
    with pytest.raises(IntegrityError, match="broken at entry 1"):
        read_ledger(store, "m")


def test_an_entry_of_another_ledger_does_not_fit(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write(store, version=1)
    stolen = json.loads((tmp_path / entry_key("m", 0)).read_bytes())
    target = tmp_path / entry_key("other", 0)
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(stolen, sort_keys=True, separators=(",", ":")))
    with pytest.raises(IntegrityError):
        read_ledger(store, "other")


def test_standing_follows_promotions_and_rollbacks(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for version in (1, 2):
        write(store, version=version, bundle="b")
        write(store, "promotion_requested", version=version)
        write(store, "promoted", version=version)
    write(store, "rolled_back", version=1, **{"from": 2})
    now = stand("m", read_ledger(store, "m"))
    assert (now.champion, now.previous) == (1, 2)
    assert {v.number: v.state for v in now.versions} == {1: "champion", 2: "former"}


def test_a_committed_batch_outranks_its_rejections(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write(store, "batch_rejected", date="d", reason="cut")
    assert stand("m", read_ledger(store, "m")).undecided() == ["d"]
    write(store, "batch_committed", date="d", versions={"1": "champion"})
    write(store, "batch_rejected", date="d", reason="late duplicate")
    now = stand("m", read_ledger(store, "m"))
    batch = now.batch("d")
    assert batch is not None
    assert batch.kind == "batch_committed"
