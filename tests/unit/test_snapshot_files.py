"""Keeping a folder's files: once, whole, and not read again while the file system proves that they did not change."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plimsoll.archive import Archive
from plimsoll.digest import sha256_file
from plimsoll.errors import DataError, FolderError, IntegrityError
from plimsoll.feed_config import Feed
from plimsoll.seal import seal_of
from plimsoll.snapshot import FileRef
from plimsoll.store import get_object, object_key
from tasks import folder_source, keeping, object_store
from tasks.durable_files import wait_for_disk
from tasks.folder_source import FolderSource
from tasks.keeping import Keeper
from tasks.object_store import FolderStore
from tasks.seen import PACKS, SEEN

DAYS = ["2013-01-01", "2013-01-02", "2013-01-03"]
OLD = 1_600_000_000


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A store in a folder, and a key."""
    return Archive(FolderStore(tmp_path / "store"), seal_of(b"k" * 32))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, as they are read; and a clock on which no file is young."""
    found: list[str] = []
    whole = Keeper.keep
    monkeypatch.setattr(Keeper, "keep", lambda self, name, path: found.append(name) or whole(self, name, path))
    monkeypatch.setattr(folder_source, "clock", lambda: keeping.clock() + 3600)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three parquet files, as an export leaves them: with metadata and compression of its own."""
    (tmp_path / "flights").mkdir()
    for n, day in enumerate(DAYS):
        table = pa.table({"k": [f"{day}/{i}" for i in range(50)], "x": [float(i * n) for i in range(50)]})
        pq.write_table(table.replace_schema_metadata({"by": "them"}), tmp_path / f"flights/{day}.parquet")
    return tmp_path / "flights"


def source(archive: Archive, folder: Path, *, paranoid: bool = False, **feed: Any) -> FolderSource:
    """Return a source below the folder's parent."""
    said = Feed(**{"path": folder.name, **feed})
    return FolderSource(folder.parent, Keeper(archive, said, said.types, paranoid))


def flip(archive: Archive, key: str) -> None:
    """Change one byte of what lies under a key."""
    assert isinstance(archive.store, FolderStore)
    path = archive.store.root / key
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rows_of(archive: Archive, ref: FileRef) -> list[dict[str, Any]]:
    """Return the rows of a kept file."""
    rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(get_object(archive.store, ref.digest))).to_pylist()
    return rows


def test_parquet_is_kept_byte_for_byte(archive: Archive, folder: Path) -> None:
    kept = source(archive, folder).keep(["2012-12-31", *DAYS])
    assert [ref.name for ref in kept] == DAYS
    for ref in kept:
        path = folder / f"{ref.name}.parquet"
        assert (ref.digest, ref.bytes, ref.rows) == (sha256_file(path), path.stat().st_size, 50)
        assert ref.columns == (("k", "string"), ("x", "double"))
        assert get_object(archive.store, ref.digest) == path.read_bytes()


def test_an_undivided_file_is_named_all(archive: Archive, folder: Path) -> None:
    (folder / f"{DAYS[0]}.parquet").rename(folder.parent / "planes.parquet")
    feed = source(archive, folder, path="planes.parquet")
    assert [ref.name for ref in feed.keep(["all"])] == ["all"]
    assert feed.describe() == {"kind": "path", "path": "planes.parquet"}
    assert source(archive, folder, path="nothing.parquet").keep(["all"]) == ()


def test_what_has_not_changed_is_not_read_again(archive: Archive, folder: Path, reads: list[str]) -> None:
    first = source(archive, folder).keep(DAYS)
    assert sorted(reads) == DAYS, "several files are read at once"
    reads.clear()
    assert source(archive, folder).keep(DAYS) == first
    assert reads == []
    assert source(archive, folder, paranoid=True).keep(DAYS) == first
    assert sorted(reads) == DAYS, "several files are read at once"


def test_times_make_no_difference_to_what_is_kept(archive: Archive, folder: Path, reads: list[str]) -> None:
    first = source(archive, folder).keep(DAYS)
    for path in folder.iterdir():
        os.utime(path, (OLD, OLD))
    assert source(archive, folder).keep(DAYS) == first
    assert len(reads) == 6, "touched files are read again, and are the same"


@pytest.mark.parametrize("change", ["content", "content and mtime put back", "another file of the same name"])
def test_what_has_changed_is_seen(archive: Archive, folder: Path, reads: list[str], change: str) -> None:
    first = source(archive, folder).keep(DAYS)
    path = folder / f"{DAYS[1]}.parquet"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[60] ^= 1
    if change == "another file of the same name":
        (folder / "arriving").write_bytes(data)
        (folder / "arriving").replace(path)
    else:
        path.write_bytes(data)
    if change == "content and mtime put back":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    reads.clear()
    second = source(archive, folder).keep(DAYS)
    assert reads == [DAYS[1]]
    assert (second[0], second[2]) == (first[0], first[2])
    assert second[1].digest == sha256_file(path) != first[1].digest


def test_a_young_file_is_not_trusted(archive: Archive, folder: Path) -> None:
    source(archive, folder).keep(DAYS)
    assert not list(archive.store.keys(SEEN)), "it might change again within the same tick of its times"


def test_a_lost_object_is_stored_again(archive: Archive, folder: Path, reads: list[str]) -> None:
    first = source(archive, folder).keep(DAYS)
    archive.store.delete(object_key(first[1].digest))
    assert source(archive, folder).keep(DAYS) == first
    assert (sorted(reads[:3]), reads[3:]) == (DAYS, [DAYS[1]])
    assert get_object(archive.store, first[1].digest)


def test_a_cut_object_is_named(archive: Archive, folder: Path, reads: list[str]) -> None:
    ref = source(archive, folder).keep(DAYS)[0]
    assert isinstance(archive.store, FolderStore)
    path = archive.store.root / object_key(ref.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=f"Object {ref.digest[:12]}.* was changed: it had"):
        source(archive, folder).keep(DAYS)


def test_one_changed_byte_of_an_entry_is_seen(archive: Archive, folder: Path, reads: list[str]) -> None:
    source(archive, folder).keep(DAYS)
    for key in list(archive.store.keys(SEEN)):
        flip(archive, key)
        with pytest.raises(IntegrityError, match=key):
            source(archive, folder).keep(DAYS)
        flip(archive, key)
    assert source(archive, folder).keep(DAYS)


def test_an_entry_under_another_key_is_seen(archive: Archive, folder: Path, reads: list[str]) -> None:
    source(archive, folder).keep(DAYS)
    one, two, _ = archive.store.keys(SEEN)
    data = archive.store.get(two)
    assert data
    archive.store.delete(one)
    archive.store.put_if_absent(one, data)
    with pytest.raises(IntegrityError, match=one):
        source(archive, folder).keep(DAYS)


def writing(path: Path, times: int) -> Callable[[], None]:
    """Return a writer that changes a file so many times, once per call."""
    left = [times]

    def write() -> None:
        if left[0]:
            left[0] -= 1
            pq.write_table(pa.table({"n": [left[0]]}), path)

    return write


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    path = folder / f"{DAYS[0]}.parquet"
    write, whole = writing(path, times), Keeper.keep

    def keep(self: Keeper, name: str, delivered: Path) -> FileRef:
        ref = whole(self, name, delivered)
        write()
        return ref

    monkeypatch.setattr(Keeper, "keep", keep)
    if times == 3:
        with pytest.raises(DataError, match=r"flights/2013-01-01.parquet changed while it was read, 3 times over"):
            source(archive, folder).keep(DAYS[:1])
    else:
        [ref] = source(archive, folder).keep(DAYS[:1])
        assert ref.digest == sha256_file(path)


def test_a_slice_of_columns_is_canonical_and_a_kept_file_of_its_own(
    archive: Archive, folder: Path, reads: list[str]
) -> None:
    whole = source(archive, folder).keep(DAYS)
    cut = source(archive, folder, keep_columns=["x"]).keep(DAYS)
    assert [ref.columns for ref in cut] == [(("x", "double"),)] * 3
    assert [row["x"] for row in rows_of(archive, cut[2])] == [row["x"] for row in rows_of(archive, whole[2])]
    path = folder / f"{DAYS[2]}.parquet"
    pq.write_table(pq.ParquetFile(path).read(), path, compression="gzip", row_group_size=7)
    again = source(archive, folder, keep_columns=["x"]).keep(DAYS)
    assert again == cut, "the same rows, however they were written"
    assert source(archive, folder).keep(DAYS) != whole


@pytest.mark.parametrize("data", [b"", b"PAR1", b"k,x\n1\n2\n"])
def test_garbage_is_kept_as_it_came_with_the_reason(archive: Archive, folder: Path, data: bytes) -> None:
    (folder / f"{DAYS[1]}.parquet").write_bytes(data)
    (whole,) = source(archive, folder).keep(DAYS[1:2])
    (cut,) = source(archive, folder, keep_columns=["x"]).keep(DAYS[1:2])
    assert get_object(archive.store, whole.digest) == get_object(archive.store, cut.digest) == data
    assert (whole.rows, cut.rows) == (None, None)
    assert f"flights/2013-01-02.parquet: expected a parquet file, found {len(data)} bytes" in cut.flaw


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """Two CSV files in which x is a number and n has no value on the first day."""
    (tmp_path / "feed").mkdir()
    (tmp_path / f"feed/{DAYS[0]}.csv").write_text("k,x,n\na,1,\nb,2.5,\n")
    (tmp_path / f"feed/{DAYS[1]}.csv").write_text("k,x,n\nc,3,7\n")
    return tmp_path / "feed"


def test_csv_becomes_parquet_in_the_order_of_its_rows(archive: Archive, feed: Path) -> None:
    feed_source = source(archive, feed, format="csv")
    assert feed_source.dates() == DAYS[:2]
    first, second = feed_source.keep(DAYS)
    assert rows_of(archive, first) == [{"k": "a", "x": 1.0, "n": None}, {"k": "b", "x": 2.5, "n": None}]
    assert rows_of(archive, second) == [{"k": "c", "x": 3.0, "n": "7"}]
    assert first.columns == second.columns


def test_types_are_settled_once_and_kept(archive: Archive, feed: Path) -> None:
    source(archive, feed, format="csv").keep(DAYS[:1])
    (feed / f"{DAYS[1]}.csv").write_text("k,x,n,later\nc,1 knot,7,4\n")
    (ref,) = source(archive, feed, format="csv").keep(DAYS[1:2])
    assert ref.rows is None
    assert "row 2, column x is of type number, as the config or its first file says: invalid value '1 knot'" in ref.flaw
    (feed / f"{DAYS[1]}.csv").write_text("k,x,n,later\nc,1,7,4\n")
    (ref,) = source(archive, feed, format="csv").keep(DAYS[1:2])
    assert ref.columns == (("k", "string"), ("x", "double"), ("n", "string"), ("later", "int64"))
    assert len(list(archive.store.keys("types/"))) == 2


def test_stated_types_go_first(archive: Archive, feed: Path) -> None:
    first, _ = source(archive, feed, format="csv", types={"x": "text", "n": "number"}).keep(DAYS)
    assert dict(first.columns) == {"k": "string", "x": "string", "n": "double"}
    (ref,) = source(archive, feed, format="csv", types={"y": "text"}).keep(DAYS[:1])
    assert "column y is missing, and types names it" in ref.flaw


def test_a_changed_settled_type_is_seen(archive: Archive, feed: Path) -> None:
    source(archive, feed, format="csv").keep(DAYS)
    [key] = archive.store.keys("types/")
    flip(archive, key)
    with pytest.raises(IntegrityError, match=key):
        source(archive, feed, format="csv").keep(DAYS)


def test_a_corrected_csv_replaces_its_flaw(archive: Archive, feed: Path, reads: list[str]) -> None:
    source(archive, feed, format="csv").keep(DAYS[:1])
    whole = (feed / f"{DAYS[1]}.csv").read_text()
    (feed / f"{DAYS[1]}.csv").write_text("k,x,n\nc,3\n")
    assert "row 2 is broken" in source(archive, feed, format="csv").keep(DAYS[1:2])[0].flaw
    (feed / f"{DAYS[1]}.csv").write_text(whole)
    assert source(archive, feed, format="csv").keep(DAYS[1:2])[0].flaw == ""


def test_a_file_cut_inside_a_quoted_value_is_kept_with_the_reason(archive: Archive, feed: Path) -> None:
    (feed / f"{DAYS[1]}.csv").write_text('k,x,n\nc,3,"7')
    (ref,) = source(archive, feed, format="csv").keep(DAYS[1:2])
    assert (ref.rows, ref.bytes) == (None, 12)
    assert "feed/2013-01-02.csv: a quote is open at the end" in ref.flaw


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_folder_in_the_place_of_a_file_is_said_in_one_sentence(archive: Archive, folder: Path, kind: str) -> None:
    (folder / f"2013-02-01.{kind}").mkdir()
    with pytest.raises(DataError, match=f"2013-02-01.{kind} is a folder; expected one file"):
        source(archive, folder, format=kind).keep(["2013-02-01"])


def test_a_value_without_a_place_in_parquet_is_kept_with_the_reason(archive: Archive, folder: Path) -> None:
    far = pa.table({"t": pa.array([1 << 62], pa.timestamp("ms"))})
    pq.write_table(far, folder / f"{DAYS[0]}.parquet")
    (ref,) = source(archive, folder, keep_columns=["t"]).keep(DAYS[:1])
    assert ref.rows is None
    assert "flights/2013-01-01.parquet: a value has no place in parquet" in ref.flaw


def test_a_full_temporary_folder_is_said_in_one_sentence(archive: Archive) -> None:
    said = r"Cannot write to the temporary folder .*: No space left on device\. Free it"
    with pytest.raises(FolderError, match=said), keeping.scratch():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_first_part_settles_types_before_the_others_are_read(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir()
    for n, day in enumerate(DAYS):
        (tmp_path / f"wide/{day}.csv").write_text(f"k,x\na,{n if n else 0.5}\n")
    assert {ref.columns for ref in source(archive, tmp_path / "wide", format="csv").keep(DAYS)} == {
        (("k", "string"), ("x", "double"))
    }


def test_many_files_are_noted_with_few_waits_for_the_disk(
    archive: Archive, folder: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[Path] = []
    monkeypatch.setattr(object_store, "wait_for_disk", lambda root: waits.append(root) or wait_for_disk(root))
    first = source(archive, folder).keep(DAYS)
    assert len(waits) == 1
    assert len(list(archive.store.keys(SEEN))) == len(DAYS)
    assert source(archive, folder).keep(DAYS) == first
    assert sorted(reads) == DAYS


@pytest.fixture
def many(folder: Path) -> list[str]:
    """The dates of so many files that they are kept in rounds and noted in a pack."""
    data = (folder / f"{DAYS[2]}.parquet").read_bytes()
    for day in range(4, 24):
        (folder / f"2013-01-{day:02d}.parquet").write_bytes(data)
    return [path.stem for path in sorted(folder.iterdir())]


def test_many_files_are_kept_as_few_are_and_noted_in_one_pack(
    archive: Archive, folder: Path, reads: list[str], many: list[str]
) -> None:
    kept = source(archive, folder).keep(many)
    assert [ref.name for ref in kept] == many
    assert len(list(archive.store.keys(PACKS))) == len(list(archive.store.keys(SEEN))) == 1
    reads.clear()
    os.utime(folder / f"{many[5]}.parquet")
    assert source(archive, folder).keep(many) == kept
    assert reads == [many[5]]
    flip(archive, next(archive.store.keys(PACKS)))
    assert kept[:3] == source(archive, folder, paranoid=True).keep(DAYS)
    with pytest.raises(IntegrityError, match=PACKS):
        source(archive, folder).keep(many)


def test_of_many_files_one_that_changes_meanwhile_is_kept_as_it_is_now(
    archive: Archive, folder: Path, reads: list[str], many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, path = Keeper.put, folder / f"{many[7]}.parquet"
    change = writing(path, 1)

    def put_and_change(keeper: Keeper, file: Path) -> tuple[str, int]:
        found = put(keeper, file)
        if file == path:
            change()
        return found

    monkeypatch.setattr(Keeper, "put", put_and_change)
    kept = {ref.name: ref for ref in source(archive, folder).keep(many)}
    assert kept[many[7]].digest == sha256_file(path)
    assert reads == [many[7]], "the others are as they were"


def test_a_file_that_vanishes_among_many_is_said_in_one_sentence(
    archive: Archive, folder: Path, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, path = Keeper.put, folder / f"{many[7]}.parquet"
    monkeypatch.setattr(Keeper, "put", lambda keeper, file: (path.unlink(missing_ok=True), put(keeper, file))[1])
    with pytest.raises(DataError, match=f"Cannot read .*{many[7]}"):
        source(archive, folder).keep(many)
