"""The object store on a local folder, and the choice between folder and S3."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from plimsoll.digest import CHUNK_BYTES
from plimsoll.errors import ConfigError, FolderError
from plimsoll.store import OBJECTS, Store, Stored, object_key
from tasks.durable_files import Draft, drafting, flush_later, force_all, force_names, wait_for_disk
from tasks.source_files import changed_file, copy_hashed, reading

if TYPE_CHECKING:
    from plimsoll.platform_config import StoreConfig

READ_ONLY, WRITABLE = 0o444, 0o644
DRAFTS_AT_ONCE = 128  # files that are open at a time


@dataclass(frozen=True)
class FolderStore:
    """A store in a folder: a key is a file, and a file appears whole or not at all.

    What is written under any key but an object's is on disk when the call returns, and so is every object
    that this process put before it. An object whose file has another length than the bytes to store was torn
    by a crash, and is replaced; its contents are checked when it is read. Objects' files are read-only.
    """

    root: Path

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write data under key unless key exists; True when this call wrote it."""
        target = self.root / key
        if self._there(key, target, len(data)):
            return False
        with self._writing(), drafting(target.parent, _mode(key)) as draft:
            draft.stream.write(data)
            return self._publish(draft, key, target)

    def put_all_if_absent(self, items: Mapping[str, bytes]) -> None:
        """Write what is not there yet of many keys that are not objects' keys; the disk is waited for once for many."""
        missing = {self.root / key: data for key, data in items.items() if self.size(key) is None}
        left = iter(missing)
        while some := list(islice(left, DRAFTS_AT_ONCE)):
            with self._writing(), ExitStack() as drafts:
                written = {path: drafts.enter_context(drafting(path.parent, WRITABLE)) for path in some}
                for path, draft in written.items():
                    draft.stream.write(missing[path])
                force_all(written.values())
                wait_for_disk(self.root)
                for path, draft in written.items():
                    draft.publish(path)
                force_names(self.root, written)

    def put_file(self, key: str, path: Path, sha256: str) -> bool:
        """Write a file's bytes under the key of an object; False when the object was there.

        Raises DataError when the file no longer hashes to sha256.
        """
        with reading(path) as source:
            target = self.root / key
            if self._there(key, target, os.fstat(source.fileno()).st_size):
                return False
            with self._writing(), drafting(target.parent, READ_ONLY, straight=True) as draft:
                if copy_hashed(source, path, draft.write_straight)[0] != sha256:
                    raise changed_file(path)
                return self._publish(draft, key, target)

    def put_by_digest(self, path: Path) -> tuple[str, int]:
        """Store a file under its own digest and return the digest and the bytes; the file is read once.

        A long file is written while it is hashed, and what was written is dropped when the object is there already.
        """
        with reading(path) as source:
            if os.fstat(source.fileno()).st_size <= CHUNK_BYTES:
                data = source.read()
                digest = hashlib.sha256(data).hexdigest()
                self.put_if_absent(object_key(digest), data)
                return digest, len(data)
            with self._writing(), drafting(self.root / OBJECTS, READ_ONLY, straight=True) as draft:
                digest, size = copy_hashed(source, path, draft.write_straight)
                target = self.root / object_key(digest)
                if not self._there(object_key(digest), target, size):
                    self._publish(draft, object_key(digest), target)
                return digest, size

    def get(self, key: str) -> bytes | None:
        """Return the bytes under key, None when there are none."""
        stream = self.open(key)
        if stream is None:
            return None
        try:
            with stream:
                return stream.read()
        except OSError as error:
            raise self._unreadable(key, error) from None

    def open(self, key: str) -> BinaryIO | None:
        """Return a stream of the bytes under key, not verified, None when there are none."""
        try:
            return (self.root / key).open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(key, error) from None

    def size(self, key: str) -> int | None:
        """Return how many bytes lie under key, None when there are none."""
        return self._size(key, self.root / key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with prefix, sorted."""
        yield from (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Stored]:
        """Yield what lies under the keys that start with prefix, sorted by key."""
        yield from (found for found in self._walk(prefix) if not _hidden(found.key))

    def delete(self, key: str) -> None:
        """Remove a key, if it is there. Nothing but the upkeep of the store may call this."""
        with self._writing():
            (self.root / key).unlink(missing_ok=True)

    def unfinished(self, before: float) -> Iterator[Stored]:
        """Yield the files of writers that died before a time (seconds since 1970): no key names them."""
        yield from (found for found in self._walk("") if _hidden(found.key) and found.modified < before)

    def clear_unfinished(self, before: float) -> int:
        """Remove what `unfinished` yields and return how many there were."""
        stale = list(self.unfinished(before))
        for found in stale:
            self.delete(found.key)
        return len(stale)

    def _size(self, key: str, target: Path) -> int | None:
        try:
            return target.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(key, error) from None

    def _there(self, key: str, target: Path, size: int) -> bool:
        """Say whether key, whose file is target, exists; an object only with the right length."""
        found = self._size(key, target)
        if found is None or not key.startswith(OBJECTS):
            return found is not None
        if found == size:
            flush_later(self.root, target)  # another process may have written it a moment ago
        return found == size

    def _publish(self, draft: Draft, key: str, target: Path) -> bool:
        if not key.startswith(OBJECTS):
            draft.force()
            wait_for_disk(self.root)
            won = draft.publish(target)
            force_names(self.root, [target])
            return won
        size = draft.size
        won = draft.publish(target)
        if not won and target.stat().st_size != size:
            draft.replace(target)
            won = True
        flush_later(self.root, target)
        return won

    def _walk(self, prefix: str) -> Iterator[Stored]:
        """Yield every file whose key starts with prefix, sorted by key; one folder's names are held at a time."""
        folder, _, start = prefix.rpartition("/")
        try:
            yield from _files(self.root / folder, f"{folder}/" if folder else "", start)
        except OSError as error:
            raise FolderError(f"Cannot list {prefix or 'keys'} in the store at {self.root}: {_why(error)}.") from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FolderError(
                f"Cannot write to the store at {self.root}: {_why(error)}. Free or unlock it, or name another."
            ) from None

    def _unreadable(self, key: str, error: OSError) -> FolderError:
        return FolderError(f"Cannot read {key} in the store at {self.root}: {_why(error)}.")


def open_store(config: "StoreConfig") -> Store:
    """Return the store that a URL names: a folder, or s3://bucket/prefix.

    Raises ConfigError for any other kind of URL.
    """
    if re.match("s3://[^/]", config.url):
        from tasks.s3 import S3Store
        from tasks.s3_client import connect

        return S3Store(config, connect(config))
    if "://" in config.url:
        raise ConfigError(f"store.url: expected a folder or s3://bucket/prefix, found {config.url!r}.")
    return FolderStore(Path(config.url))


def _files(folder: Path, above: str, start: str) -> Iterator[Stored]:
    try:
        found = [(f"{e.name}/" if e.is_dir() else e.name, e) for e in os.scandir(folder) if e.name.startswith(start)]
    except FileNotFoundError:
        return
    except NotADirectoryError:
        if folder.exists():  # a file where a folder belongs
            raise
        return  # nothing was written there; a write says why it cannot be
    for name, entry in sorted(found, key=lambda pair: pair[0]):  # "a.b" comes before "a/b", as in S3
        if name.endswith("/"):
            yield from _files(Path(entry.path), above + name, "")
            continue
        try:
            about = entry.stat()
        except FileNotFoundError:  # a draft that became a key, or a key that was removed
            continue
        yield Stored(above + name, about.st_size, about.st_mtime)


def _mode(key: str) -> int:
    return READ_ONLY if key.startswith(OBJECTS) else WRITABLE


def _hidden(key: str) -> bool:
    return key.rpartition("/")[2].startswith(".")


def _why(error: OSError) -> str:
    return error.strerror or str(error)
