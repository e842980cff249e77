"""The manifest: its id is its digest, it is refused when it is something else, and two of them tell what differs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.digest import canonical_json
from plimsoll.errors import IntegrityError
from plimsoll.snapshot import FileRef, Snapshot, load_snapshot, save_snapshot
from plimsoll.snapshot_difference import describe_difference
from plimsoll.store import object_key, put_json, put_object
from tasks.object_store import FolderStore

COLUMNS = (("k", "string"), ("x", "double"))
FILES = tuple(FileRef(f"2013-01-0{n}", f"{n}" * 64, 100 + n, 10 * n, COLUMNS) for n in (1, 2, 3))
PLANES = FileRef("all", "b" * 64, 7, 1, (("tail", "string"),), version="Delta version 4")
SNAPSHOT = Snapshot(
    "m",
    ("2013-01-01", "2013-01-02", "2013-01-03"),
    "2013-01-04",
    {"batch": FILES, "planes": (PLANES,)},
    {"batch": {"kind": "path", "path": "flights"}, "planes": {"kind": "delta", "delta": {"path": "p"}, "version": 4}},
)
texts = st.text(max_size=20)
refs = st.builds(
    FileRef,
    name=texts,
    digest=texts,
    bytes=st.integers(0, 2**60),
    rows=st.none() | st.integers(0, 2**60),
    columns=st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
    version=texts,
    flaw=texts,
)
snapshots = st.builds(
    Snapshot,
    model=texts,
    dates=st.lists(texts, max_size=4).map(tuple),
    as_of=texts,
    tables=st.dictionaries(texts, st.lists(refs, max_size=4).map(tuple), max_size=4),
)


def changed(n: int = 0, **fields: object) -> Snapshot:
    """Return the snapshot with a batch file that differs."""
    files = list(FILES)
    files[n] = replace(files[n], **fields)  # type: ignore[arg-type]
    return replace(SNAPSHOT, tables={**SNAPSHOT.tables, "batch": tuple(files)})


@given(snapshots)
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_what_is_saved_is_loaded(tmp_path: Path, snapshot: Snapshot) -> None:
    store = FolderStore(tmp_path)
    assert save_snapshot(store, snapshot) == snapshot.id
    assert load_snapshot(store, snapshot.id) == snapshot


def test_a_schema_that_files_share_is_written_once() -> None:
    manifest = SNAPSHOT.manifest()
    assert len(manifest["schemas"]) == 2
    assert manifest["tables"]["batch"]["source"] == {"kind": "path", "path": "flights"}
    assert manifest["tables"]["batch"]["files"][0] == {
        "name": "2013-01-01",
        "digest": "1" * 64,
        "bytes": 101,
        "rows": 10,
        "schema": manifest["tables"]["batch"]["files"][1]["schema"],
    }
    assert SNAPSHOT.rows("batch") == 60


def test_the_id_follows_every_part() -> None:
    others = [
        changed(digest="f" * 64),
        changed(rows=11),
        changed(columns=(("k", "string"),)),
        changed(version="v"),
        changed(flaw="broken"),
        replace(SNAPSHOT, as_of="2013-01-05"),
        replace(SNAPSHOT, sources={}),
    ]
    assert len({one.id for one in [SNAPSHOT, *others]}) == 8


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\x00",
        b"PAR1",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"tables": {}}',
        canonical_json({**SNAPSHOT.manifest(), "more": 1}),
        canonical_json({**SNAPSHOT.manifest(), "kind": "other"}),
        canonical_json({**SNAPSHOT.manifest(), "schemas": {}}),
        canonical_json({**SNAPSHOT.manifest(), "dates": 5}),
        json.dumps(SNAPSHOT.manifest()).encode(),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, data: bytes) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(IntegrityError, match="is not a snapshot manifest"):
        load_snapshot(store, put_object(store, data))


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    snapshot_id = put_json(store, SNAPSHOT.manifest())
    path = tmp_path / object_key(snapshot_id)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"rows":10', b'"rows":11'))
    with pytest.raises(IntegrityError, match="was changed"):
        load_snapshot(store, snapshot_id)


def test_nothing_differs_between_equals() -> None:
    assert not describe_difference(SNAPSHOT, replace(SNAPSHOT))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (changed(digest="f" * 64, rows=12), ["batch 2013-01-01: 10 rows before, 12 rows now"]),
        (changed(digest="f" * 64), ["batch 2013-01-01: the same number of rows (10 rows), other bytes"]),
        (
            changed(1, digest="f" * 64, columns=(("k", "int64"), ("z", "string"))),
            ["batch 2013-01-02: column x gone; column z (string) new; column k was string, is int64; "
             "the same number of rows (20 rows), other bytes"],
        ),
        (
            changed(columns=COLUMNS[::-1], digest="f" * 64),
            ["batch 2013-01-01: the order of columns differs; the same number of rows (10 rows), other bytes"],
        ),
        (
            changed(digest="f" * 64, rows=None, flaw="ragged"),
            ["batch 2013-01-01: cannot be read any more; 10 rows before, unreadable now"],
        ),
        (replace(SNAPSHOT, tables={"batch": FILES}, sources={}), None),
        (
            replace(SNAPSHOT, tables={**SNAPSHOT.tables, "batch": FILES[:1]}),
            ["batch: 2 files gone (2013-01-02 and 2013-01-03)"],
        ),
        (replace(SNAPSHOT, as_of="2013-01-05"), ["outcomes known through: 2013-01-04 before, 2013-01-05 now"]),
    ],
)  # fmt: skip
def test_a_difference_is_told_in_words(other: Snapshot, words: list[str] | None) -> None:
    said = list(describe_difference(SNAPSHOT, other))
    assert said == words if words else "planes: gone" in said


def test_another_query_and_another_version_are_told() -> None:
    sources = {"batch": {"kind": "sql", "sql": {"select": "SELECT 2"}}, "planes": {**SNAPSHOT.sources["planes"]}}
    newer = replace(PLANES, version="Delta version 5")
    other = replace(SNAPSHOT, sources=sources, tables={"batch": FILES, "planes": (newer,)})
    said = list(describe_difference(SNAPSHOT, other))
    assert "batch: kind 'path' before, 'sql' now" in said
    assert "batch: sql.select not set before, 'SELECT 2' now" in said
    assert "planes all: Delta version 4 before, Delta version 5 now" in said
