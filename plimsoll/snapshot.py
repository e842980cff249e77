"""Snapshots: the exact files that a run saw, kept by digest, so that the source may change or vanish."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.digest import sha256_json
from plimsoll.errors import IntegrityError
from plimsoll.store import Store, get_json, put_json


@dataclass(frozen=True)
class FileRef:
    """One file of a source, as it was."""

    name: str  # the date of a partition, or "all" for an undivided table
    digest: str
    bytes: int


@dataclass(frozen=True)
class Snapshot:
    """A manifest of file digests by table; its id is the digest of the manifest."""

    model: str
    dates: tuple[str, ...]  # the slice asked for; empty for a table without a time axis
    as_of: str  # outcomes known at the end of this business date
    tables: Mapping[str, tuple[FileRef, ...]]  # "batch", "outcome", and one per lookup

    @property
    def id(self) -> str:
        """The digest of the manifest."""
        return sha256_json(self.manifest())

    def manifest(self) -> dict[str, Any]:
        """Return the manifest as JSON."""
        return {
            "model": self.model,
            "dates": list(self.dates),
            "as_of": self.as_of,
            "tables": {table: [asdict(f) for f in files] for table, files in sorted(self.tables.items())},
        }

    def file(self, table: str, name: str) -> FileRef | None:
        """Return a table's file by its name, None when the snapshot has none."""
        return next((f for f in self.tables.get(table, ()) if f.name in (name, "all")), None)


def save_snapshot(store: Store, snapshot: Snapshot) -> str:
    """Store a snapshot's manifest and return its id."""
    return put_json(store, snapshot.manifest())


def load_snapshot(store: Store, snapshot_id: str) -> Snapshot:
    """Return a stored snapshot; IntegrityError when its manifest is gone, changed or not a manifest."""
    body = get_json(store, snapshot_id)
    try:
        tables = {t: tuple(FileRef(**f) for f in files) for t, files in body["tables"].items()}
        return Snapshot(body["model"], tuple(body["dates"]), body["as_of"], tables)
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"Object {snapshot_id[:12]} is not a snapshot manifest: {error}.") from None


def describe_difference(old: Snapshot, new: Snapshot) -> Sequence[str]:
    """Return one line per file that differs between two snapshots."""
    mine, theirs = _flat(old), _flat(new)
    changed = sorted(name for name in mine.keys() & theirs.keys() if mine[name] != theirs[name])
    gone, come = sorted(mine.keys() - theirs.keys()), sorted(theirs.keys() - mine.keys())
    return [*(f"changed {n}" for n in changed), *(f"gone {n}" for n in gone), *(f"new {n}" for n in come)]


def _flat(snapshot: Snapshot) -> dict[str, str]:
    return {f"{table}/{f.name}": f.digest for table, files in snapshot.tables.items() for f in files}
