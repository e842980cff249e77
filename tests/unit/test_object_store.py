"""The object store in a folder: written once, verified on every read, and safe from full disks and power cuts."""

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from plimsoll.digest import sha256_file
from plimsoll.errors import ConfigError, DataError, FolderError, IntegrityError
from plimsoll.platform_config import StoreConfig
from plimsoll.store import get_object, object_key, put_file_object, put_object
from tasks import durable_files
from tasks.object_store import FolderStore, open_store
from tests.store_suite import Bed, StoreSuite, run_python, some_bytes, write

ENTRY = "ledger/m/00000000.json"


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    """A store in a folder that is not there yet."""
    root = tmp_path / "home/store"

    def tamper(key: str, data: bytes) -> None:
        (root / key).chmod(0o644)
        (root / key).write_bytes(data)

    return Bed(StoreConfig(url=str(root)), tamper)


class TestInAFolder(StoreSuite):
    """Every promise, in a folder."""

    big_bytes = (9 << 20) + 1
    huge_mib, more_mib = 96, 32


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store in the test's folder."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was forced to disk and what was given its name, in order."""
    events: list[str] = []
    fsync, link = os.fsync, os.link

    def spy_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        fsync(descriptor)
        events.append("draft" if path.name.startswith(".") else str(path))

    def spy_link(source: Path, target: Path) -> None:
        link(source, target)
        events.append(f"named {target}")

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "link", spy_link)
    return events


def test_nothing_is_committed_before_the_objects_that_it_may_name_are_on_disk(
    store: FolderStore, tmp_path: Path, forced: list[str]
) -> None:
    small = put_object(store, b"small")
    big, _ = put_file_object(store, write(tmp_path / "big", some_bytes(3 << 20)))
    store.put_if_absent(ENTRY, b"{}")
    objects = [store.root / object_key(digest) for digest in (small, big)]
    folders = {folder for path in objects for folder in path.parents if folder.is_relative_to(store.root)}
    named = forced.index(f"named {store.root / ENTRY}")
    assert {"draft", *map(str, objects), *map(str, folders)} <= set(forced[:named])
    assert forced[named + 1 :] == [str(store.root / folder) for folder in ("ledger/m", "ledger", "")]


@pytest.mark.parametrize("whole", [True, False])
def test_very_many_objects_are_on_disk_too_before_anything_names_them(
    store: FolderStore, forced: list[str], monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    force = durable_files._force_file_systems

    def spy(folders: Iterable[Path]) -> bool:
        told.extend(folders)
        forced.append("file system")
        return whole and force(told)

    told: list[Path] = []
    monkeypatch.setattr(durable_files, "_force_file_systems", spy)
    put = [store.root / object_key(put_object(store, b"%d" % n)) for n in range(durable_files.MANY + 8)]
    store.put_if_absent(ENTRY, b"{}")
    before = forced[: forced.index(f"named {store.root / ENTRY}")]
    assert {path.parent for path in put[durable_files.MANY :]} | {store.root} == set(told)
    assert before.count("file system") == 1
    if not whole:  # another system than Linux, or an old one
        after = before[before.index("file system") :]
        assert {*map(str, put[durable_files.MANY :]), *(str(path.parent) for path in put)} <= set(after)
    forced.clear()
    store.put_if_absent("ledger/m/00000001.json", b"{}")
    assert "file system" not in forced, "nothing is owed"


def test_an_object_that_another_process_wrote_is_forced_too(store: FolderStore, forced: list[str]) -> None:
    code = "import sys; from pathlib import Path; from tasks.object_store import FolderStore; "
    run_python(code + "FolderStore(Path(sys.argv[1])).put_if_absent(sys.argv[2], b'x')", str(store.root), "objects/o")
    assert not store.put_if_absent("objects/o", b"x")
    store.put_if_absent(ENTRY, b"{}")
    assert str(store.root / "objects/o") in forced


def test_an_object_that_the_disk_refuses_keeps_everything_from_being_committed(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(durable_files, "_force", refuse)
        digest = put_object(store, b"bytes")
        with pytest.raises(FolderError, match="Input/output error"):
            store.put_if_absent(ENTRY, b"{}")
    assert list(store.entries("")) == [], "the kernel may have dropped its bytes"
    assert put_object(store, b"bytes") == digest
    assert store.put_if_absent(ENTRY, b"{}")


@pytest.mark.parametrize("size", [1000, 3 << 20])
@pytest.mark.parametrize("left", [0, 500])
def test_an_object_that_a_power_cut_tore_is_written_again(
    store: FolderStore, tmp_path: Path, size: int, left: int
) -> None:
    path = write(tmp_path / "file", some_bytes(size))
    digest, _ = put_file_object(store, path)
    os.truncate(store.root / object_key(digest), left)
    with pytest.raises(IntegrityError, match="was changed"):
        get_object(store, digest)
    assert put_file_object(store, path) == (digest, size)
    assert get_object(store, digest) == path.read_bytes()
    os.truncate(store.root / object_key(digest), left)
    assert store.put_file(object_key(digest), path, digest)
    assert store.put_if_absent(object_key(digest), path.read_bytes()) is False
    assert get_object(store, digest) == path.read_bytes()


@pytest.mark.parametrize("more", [1, 511, 512, 4096, 4097, 1 << 20])
@pytest.mark.parametrize("refused", [False, True])
def test_a_long_file_is_stored_whole_with_or_without_the_page_cache(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, refused: bool
) -> None:
    path = write(tmp_path / "file", some_bytes((2 << 20) + more))
    if refused:
        monkeypatch.setattr(os, "O_DIRECT", 0, raising=False)
    digest, size = put_file_object(store, path)
    assert (size, digest) == (path.stat().st_size, sha256_file(path))
    assert get_object(store, digest) == path.read_bytes()


def test_a_write_that_ends_early_is_gone_on_with(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:100_001]))
    path = write(tmp_path / "file", some_bytes(3 << 20))
    assert get_object(store, put_file_object(store, path)[0]) == path.read_bytes()


def test_one_object_that_the_disk_refuses_leaves_the_others_owed(
    store: FolderStore, forced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    force = durable_files._force
    good = store.root / object_key(put_object(store, b"good"))
    durable_files.wait_for_disk(store.root)

    def refuse(path: Path) -> None:
        if path.name.startswith("bad"):
            raise OSError(5, "Input/output error")
        force(path)

    with monkeypatch.context() as patch:
        patch.setattr(durable_files, "_force", refuse)
        store.put_if_absent("objects/sha256/ba/bad", b"bad")
        store.put_if_absent(object_key(good.name), b"good")
        with pytest.raises(FolderError, match="Input/output error"):
            store.put_if_absent(ENTRY, b"{}")
    assert store.get("objects/sha256/ba/bad") is None
    forced.clear()
    assert store.put_if_absent(ENTRY, b"{}")
    named = forced.index(f"named {store.root / ENTRY}")
    assert str(good.parent) in forced[:named]


def test_objects_are_read_only_and_the_umask_holds(store: FolderStore, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        small = put_object(store, b"small")
        big, _ = put_file_object(store, write(tmp_path / "big", some_bytes(3 << 20)))
        store.put_if_absent(ENTRY, b"{}")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((store.root / object_key(digest)).stat().st_mode) for digest in (small, big)]
    assert modes == [0o440, 0o440]
    assert stat.S_IMODE((store.root / ENTRY).stat().st_mode) == 0o640


def test_what_a_killed_writer_left_is_hidden_found_and_cleared(store: FolderStore) -> None:
    code = """
import os, sys
from pathlib import Path
from tasks.object_store import FolderStore
os.link = lambda *paths: os.kill(os.getpid(), 9)
FolderStore(Path(sys.argv[1])).put_if_absent("a/k", b"12345")
"""
    killed = subprocess.run([sys.executable, "-c", code, str(store.root)], check=False)
    assert killed.returncode == -9
    assert list(store.entries("")) == []
    assert list(store.unfinished(time.time() - 60)) == [], "it may be under way"
    assert [found.bytes for found in store.unfinished(time.time() + 60)] == [5]
    assert store.clear_unfinished(time.time() - 60) == 0
    assert store.clear_unfinished(time.time() + 60) == 1
    assert store.put_if_absent("a/k", b"12345")


def test_a_full_disk_is_said_in_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from plimsoll.errors import FolderError
from plimsoll.store import fetch_object, put_file_object, put_object
from tasks.object_store import FolderStore
store, path = FolderStore(Path(sys.argv[1]) / "store"), Path(sys.argv[2])
kept = put_object(store, b"before")
for do in (
    lambda: store.put_if_absent("ledger/m/0", path.read_bytes()),
    lambda: put_object(store, path.read_bytes()),
    lambda: put_file_object(store, path),
    lambda: store.put_file("objects/o", path, "0" * 64),
):
    try:
        do()
    except FolderError as error:
        print(error)
print([entry.key for entry in store.entries("")] == [f"objects/sha256/{kept[:2]}/{kept}"])
print(list(store.unfinished(time.time() + 60)), put_object(store, b"after") != kept)
"""
    disk = tmp_path / "disk"
    disk.mkdir()
    path = write(tmp_path / "file", some_bytes(8 << 20))
    mount = f'mount -t tmpfs -o size=2m tmpfs {disk} && exec "$@"'
    unshare = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c"]
    if subprocess.run([*unshare, mount, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no private mounts, so there is no small disk to fill")
    words = [*unshare, mount, "sh", sys.executable, "-c", code, str(disk), str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    full = f"Cannot write to the store at {disk}/store: No space left on device. Free or unlock it, or name another."
    assert (done.stdout.splitlines(), done.stderr) == ([full] * 4 + ["True", "[] True"], "")


def test_a_folder_that_may_not_be_written_or_read_is_said_in_one_sentence(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from plimsoll.errors import FolderError
from plimsoll.store import put_file_object, put_object
from tasks.object_store import FolderStore
store, locked, path = FolderStore(Path(sys.argv[1])), FolderStore(Path(sys.argv[2])), Path(sys.argv[3])
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
for do in (
    lambda: store.put_if_absent("ledger/m/1", b""),
    lambda: put_object(store, b"new"),
    lambda: put_file_object(store, path),
    lambda: store.delete("k"),
    lambda: locked.get("k"),
    lambda: list(locked.keys("")),
    lambda: locked.put_if_absent("k", b""),
):
    try:
        print("did", do())
    except FolderError as error:
        print(error)
print(store.get("k"), store.put_if_absent("k", b""))
"""
    store, locked = FolderStore(tmp_path / "store"), FolderStore(tmp_path / "locked")
    for one in (store, locked):
        one.put_if_absent("k", b"there")
        one.put_if_absent("objects/o", b"")
    path = write(tmp_path / "file", some_bytes(3 << 20))
    for folder in tmp_path.parents[:3]:
        if folder.owner() == Path.home().owner() and folder != Path("/tmp"):  # noqa: S108
            folder.chmod(folder.stat().st_mode | 0o055)
    tmp_path.chmod(0o755)
    for folder in (store.root, store.root / "objects"):
        folder.chmod(0o555)
    locked.root.chmod(0o000)
    said = run_python(code, str(store.root), str(locked.root), str(path)).splitlines()
    locked.root.chmod(0o755)
    write_refused = f"Cannot write to the store at {store.root}: Permission denied. Free or unlock it, or name another."
    assert said == [
        *[write_refused] * 4,
        f"Cannot read k in the store at {locked.root}: Permission denied.",
        f"Cannot list keys in the store at {locked.root}: Permission denied.",
        f"Cannot read k in the store at {locked.root}: Permission denied.",
        "b'there' False",
    ]
    shutil.rmtree(store.root)


def test_a_path_that_is_no_folder_is_said_in_one_sentence(tmp_path: Path) -> None:
    store = FolderStore(write(tmp_path / "store", b"a file, not a folder"))
    with pytest.raises(FolderError, match="Cannot write to the store"):
        store.put_if_absent("k", b"")
    with pytest.raises(FolderError, match="Cannot list keys"):
        list(store.keys(""))
    with pytest.raises(DataError, match="Is a directory"):
        put_file_object(store, tmp_path)


@pytest.mark.parametrize("url", ["ftp://somewhere", "s3://", "s3:///prefix"])
def test_an_unknown_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected a folder or s3://bucket/prefix"):
        open_store(StoreConfig(url=url))


def test_a_key_for_encryption_without_that_encryption_is_refused() -> None:
    with pytest.raises(ValueError, match="sse_kms_key_id is used with sse: aws:kms only"):
        StoreConfig(sse="AES256", sse_kms_key_id="key")
