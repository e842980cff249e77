"""Reachability: which objects a store still needs, told from what names them.

Whatever looks like a digest in something that is kept counts as a reference, so a new kind of record needs no new
rule here, and the only error possible is to keep too much.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from plimsoll.snapshot import KIND

DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
RUN_ID = re.compile(r"\d{8}T\d{12}Z-[a-z_]+-[0-9a-f]{6}")


@dataclass(frozen=True)
class Named:
    """What something names: objects that may name others in turn, and data, which names nothing."""

    objects: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()


def digests_in(data: bytes) -> frozenset[str]:
    """Return whatever looks like a SHA-256 in some bytes."""
    return frozenset(found.decode() for found in DIGEST.findall(data))


def runs_in(text: str) -> frozenset[str]:
    """Return whatever looks like the id of a run in a text."""
    return frozenset(RUN_ID.findall(text))


def named_by(data: bytes) -> Named:
    """Return what an object names by its bytes; of a snapshot's manifest, the files are known to be data."""
    if data[:1] not in (b"{", b"["):
        return Named()
    found = digests_in(data)
    try:
        body = json.loads(data)
        tables = body["tables"].values() if body["kind"] == KIND else ()
        files = frozenset(str(file["digest"]) for table in tables for file in table["files"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Named(found)
    return Named(found - files, files)


@dataclass(eq=False)
class Reached:
    """Every object that can be reached from what was added so far.

    Not frozen: it grows while the store is read. `look` returns what an object names, None where there is none.
    """

    look: Callable[[str], Named | None]
    _followed: set[str] = field(default_factory=set)
    _data: set[str] = field(default_factory=set)

    def __contains__(self, digest: str) -> bool:
        """Say whether an object is needed."""
        return digest in self._followed or digest in self._data

    def add(self, roots: Named) -> None:
        """Add what something names, with all that can be reached from there."""
        self._data |= roots.data
        waiting = [digest for digest in roots.objects if digest not in self._followed]
        while waiting:
            digest = waiting.pop()
            if digest in self._followed:
                continue
            self._followed.add(digest)
            if found := self.look(digest):
                self._data |= found.data
                waiting += found.objects - self._followed


def closure(roots: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the roots and all that can be reached from them over edges."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += edges.get(one, ())
    return found
