"""The object store as the core sees it: named bytes, written once, and objects named by their digest.

The only lock in the project is `put_if_absent`: of any number of writers of one key exactly one wins.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from plimsoll.digest import CHUNK_BYTES, canonical_json, sha256_hex
from plimsoll.errors import FolderError, IntegrityError

OBJECTS = "objects/"


@dataclass(frozen=True)
class Stored:
    """What lies under a key: how many bytes, and when they were written (seconds since 1970, UTC)."""

    key: str
    bytes: int
    modified: float


class Store(Protocol):
    """Named bytes that are written once and never changed."""

    def __hash__(self) -> int:
        """Stores are values: two of the same place are the same."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write data under key unless key exists; True when this call wrote it."""

    def put_all_if_absent(self, items: Mapping[str, bytes]) -> None:
        """Write what is not there yet of many keys; for what needs no winner, and faster than one by one."""

    def put_file(self, key: str, path: Path, sha256: str) -> bool:
        """Write a file's bytes under the key of an object, streamed; False when the object was there.

        Raises DataError when the file no longer hashes to sha256.
        """

    def put_by_digest(self, path: Path) -> tuple[str, int]:
        """Store a file under its own digest, streamed; return the digest and the bytes."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes under key, None when there are none."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO] | None:
        """Return a stream of the bytes under key, not verified, None when there are none."""

    def size(self, key: str) -> int | None:
        """Return how many bytes lie under key, None when there are none."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with prefix, sorted."""

    def entries(self, prefix: str) -> Iterator[Stored]:
        """Yield what lies under the keys that start with prefix, sorted by key."""

    def delete(self, key: str) -> None:
        """Remove a key, if it is there. Nothing but the upkeep of the store may call this."""

    def unfinished(self, before: float) -> Iterator[Stored]:
        """Yield what writers that died left behind before a time (seconds since 1970): no key names it."""

    def clear_unfinished(self, before: float) -> int:
        """Remove what `unfinished` yields and return how many there were."""


def object_key(digest: str) -> str:
    """Return the key of an object from its digest."""
    return f"{OBJECTS}sha256/{digest[:2]}/{digest}"


def put_object(store: Store, data: bytes) -> str:
    """Store bytes under their own digest, once, and return the digest."""
    digest = sha256_hex(data)
    store.put_if_absent(object_key(digest), data)
    return digest


def put_file_object(store: Store, path: Path) -> tuple[str, int]:
    """Store a file under its own digest, once, and return the digest and the number of bytes.

    Memory does not grow with the file. The digest is that of the bytes that were stored, also when the
    file changes meanwhile, or DataError is raised.
    """
    return store.put_by_digest(path)


def get_object(store: Store, digest: str) -> bytes:
    """Return an object's bytes after checking them against its digest.

    Raises IntegrityError when the object is not there or its bytes have changed.
    """
    data = store.get(object_key(digest))
    if data is None:
        raise _missing(digest)
    if (found := sha256_hex(data)) != digest:
        raise _changed(digest, found)
    return data


def fetch_object(store: Store, digest: str, folder: Path) -> Path:
    """Copy an object to a file in folder, named by its digest, and return the path; in bounded memory.

    The file appears whole and verified or not at all. Raises IntegrityError like `get_object`.
    """
    source = store.open(object_key(digest))
    if source is None:
        raise _missing(digest)
    target, partial = folder / digest, folder / f".{digest}.partial"
    try:
        with source as stream, partial.open("wb") as sink:
            found = _hash(stream, sink)
        if found != digest:
            raise _changed(digest, found)
        partial.replace(target)
    except OSError as error:
        raise FolderError(f"Cannot write {target}: {error.strerror or error}. Free or unlock it.") from None
    finally:
        partial.unlink(missing_ok=True)
    return target


@contextmanager
def open_object(store: Store, digest: str, folder: Path) -> Iterator[BinaryIO]:
    """Yield a seekable stream of an object whose bytes were checked; where the store has no files, of a copy in folder.

    Raises IntegrityError like `get_object`. Memory does not grow with the object.
    """
    source = store.open(object_key(digest))
    if source is None:
        raise _missing(digest)
    with source as stream:
        if stream.seekable():
            if (found := _hash(stream)) != digest:
                raise _changed(digest, found)
            stream.seek(0)
            yield stream
            return
    path = fetch_object(store, digest, folder)
    try:
        with path.open("rb") as copy:
            yield copy
    finally:
        path.unlink(missing_ok=True)


def object_digest(store: Store, digest: str) -> str:
    """Return what an object's bytes hash to now, read in chunks; IntegrityError when it is not there."""
    source = store.open(object_key(digest))
    if source is None:
        raise _missing(digest)
    with source as stream:
        return _hash(stream)


def put_json(store: Store, value: Any) -> str:
    """Store a JSON value as an object and return its digest."""
    return put_object(store, canonical_json(value))


def get_json(store: Store, digest: str) -> Any:
    """Return a JSON value stored by `put_json`, checked against its digest."""
    return json.loads(get_object(store, digest))


def _hash(stream: BinaryIO, sink: BinaryIO | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        if sink:
            sink.write(chunk)
    return digest.hexdigest()


def _missing(digest: str) -> IntegrityError:
    return IntegrityError(
        f"Expected object {digest[:12]} at {object_key(digest)}, found nothing. Restore it from a backup."
    )


def _changed(digest: str, found: str) -> IntegrityError:
    return IntegrityError(
        f"Object {digest[:12]} at {object_key(digest)} was changed: its bytes now hash to {found[:12]}. "
        "Restore it from a backup; nothing was read from it."
    )
