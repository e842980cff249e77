"""The object store as the core sees it: named bytes, written once, and objects named by their digest.

The only lock in the project is `put_if_absent`: of any number of writers of one key exactly one wins.
"""

import json
from collections.abc import Iterator
from typing import Any, Protocol

from plimsoll.digest import canonical_json, sha256_hex
from plimsoll.errors import IntegrityError


class Store(Protocol):
    """Named bytes that are written once and never changed."""

    def __hash__(self) -> int:
        """Stores are values: two of the same place are the same."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write data under key unless key exists; True when this call wrote it."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes under key, None when there are none."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with prefix, sorted."""


def object_key(digest: str) -> str:
    """Return the key of an object from its digest."""
    return f"objects/sha256/{digest[:2]}/{digest}"


def put_object(store: Store, data: bytes) -> str:
    """Store bytes under their own digest, once, and return the digest."""
    digest = sha256_hex(data)
    store.put_if_absent(object_key(digest), data)
    return digest


def get_object(store: Store, digest: str) -> bytes:
    """Return an object's bytes after checking them against its digest.

    Raises IntegrityError when the object is not there or its bytes have changed.
    """
    data = store.get(object_key(digest))
    if data is None:
        raise IntegrityError(
            f"Expected object {digest[:12]} at {object_key(digest)}, found nothing. Restore it from a backup."
        )
    if (found := sha256_hex(data)) != digest:
        raise IntegrityError(
            f"Object {digest[:12]} at {object_key(digest)} was changed: its bytes now hash to {found[:12]}. "
            "Restore it from a backup; nothing was read from it."
        )
    return data


def put_json(store: Store, value: Any) -> str:
    """Store a JSON value as an object and return its digest."""
    return put_object(store, canonical_json(value))


def get_json(store: Store, digest: str) -> Any:
    """Return a JSON value stored by `put_json`, checked against its digest."""
    return json.loads(get_object(store, digest))
