"""The object store: written once, verified on every read."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plimsoll.errors import ConfigError, FolderError, IntegrityError
from plimsoll.platform_config import StoreConfig
from plimsoll.store import get_json, get_object, object_key, put_json, put_object
from tasks.object_store import FolderStore, open_store


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = put_object(store, b"bytes")
    assert get_object(store, digest) == b"bytes"
    assert get_json(store, put_json(store, {"b": 1, "a": [None, 2.5]})) == {"a": [None, 2.5], "b": 1}


def test_the_first_writer_wins(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.put_if_absent("k", b"first")
    assert not store.put_if_absent("k", b"second")
    assert store.get("k") == b"first"


def test_of_many_racing_writers_one_wins_whole(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    values = [bytes([n]) * 100_000 for n in range(24)]
    with ThreadPoolExecutor(24) as pool:
        won = list(pool.map(lambda value: store.put_if_absent("k", value), values))
    assert won.count(True) == 1
    assert store.get("k") == values[won.index(True)]
    assert list(tmp_path.iterdir()) == [tmp_path / "k"], "a loser left a file behind"


def test_keys_are_sorted_and_hide_unfinished_files(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for key in ("a/2", "a/1", "ab", "b/1"):
        store.put_if_absent(key, b"")
    (tmp_path / "a/.unfinished").write_bytes(b"")
    assert list(store.keys("a/")) == ["a/1", "a/2"]
    assert list(store.keys("a")) == ["a/1", "a/2", "ab"]
    assert list(store.keys("none/")) == []


def test_a_changed_object_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = put_object(store, b"bytes")
    (tmp_path / object_key(digest)).write_bytes(b"Bytes")
    with pytest.raises(IntegrityError, match="was changed"):
        get_object(store, digest)
    with pytest.raises(IntegrityError, match="found nothing"):
        get_object(store, "0" * 64)


def test_a_path_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(FolderError, match="Cannot write to the store"):
        FolderStore(tmp_path / "store").put_if_absent("k", b"")


def test_an_unknown_kind_of_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a folder or s3://"):
        open_store(StoreConfig(url="ftp://somewhere"))
