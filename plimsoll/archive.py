"""The archive: a store together with the keys that sign what is written there, and a witness outside of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from plimsoll.seal import Seal, seal_json, unseal_json
from plimsoll.store import Store


class Head(NamedTuple):
    """The last entry of a ledger that somebody has seen."""

    n: int
    digest: str


class Witness(Protocol):
    """What remembers, outside the store, how far each ledger had come."""

    @property
    def where(self) -> str:
        """Where it remembers, in words for a person."""

    def last_seen(self, model: str) -> Head | None:
        """Return the furthest head that was seen of a model's ledger."""

    def saw(self, model: str, head: Head) -> None:
        """Remember a head, unless a further one is remembered."""


@dataclass(frozen=True)
class Archive:
    """Where signed things are written to and read from."""

    store: Store
    seal: Seal
    witness: Witness | None = None


def put_sealed(archive: Archive, key: str, body: Any) -> bool:
    """Write a JSON value signed under a key unless the key exists; True when this call wrote it."""
    return archive.store.put_if_absent(key, seal_json(archive.seal, key, body))


def put_all_sealed(archive: Archive, bodies: Mapping[str, Any]) -> None:
    """Write JSON values signed under keys that are not there yet."""
    archive.store.put_all_if_absent({key: seal_json(archive.seal, key, body) for key, body in bodies.items()})


def get_sealed(archive: Archive, key: str) -> Any | None:
    """Return a signed JSON value after checking it, None when there is none.

    Raises IntegrityError that names the key when a byte of it changed or its signer is not trusted.
    """
    data = archive.store.get(key)
    return None if data is None else unseal_json(archive.seal, key, data)
