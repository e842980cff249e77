"""Snapshots: the exact files that a run saw, kept by digest, so that the source may change or vanish.

Row order is part of the contract: files stand in the order of their names, rows in the order of their file, and
the bytes of a file never change. So the same snapshot always gives the same rows in the same order.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from plimsoll.digest import sha256_json
from plimsoll.errors import IntegrityError
from plimsoll.store import Store, get_object, put_json

KIND = "plimsoll snapshot"
ALL = "all"  # the name of the one file of an undivided table
Columns = tuple[tuple[str, str], ...]  # names and arrow types, in order


@dataclass(frozen=True)
class FileRef:
    """One part of a table, as it was."""

    name: str  # the date of a partition, or "all" for an undivided table
    digest: str
    bytes: int
    rows: int | None = None  # None where the bytes cannot be read
    columns: Columns = ()
    version: str = ""  # as its source counts them: a Delta version, a VersionId, an ETag; files on a disk have none
    flaw: str = ""  # why the bytes, kept as they were delivered, cannot be read as a table

    def to_json(self) -> dict[str, Any]:
        """Return all but the columns as JSON; what is not known is left out."""
        body = {"name": self.name, "digest": self.digest, "bytes": self.bytes, "rows": self.rows}
        return body | {k: v for k, v in (("version", self.version), ("flaw", self.flaw)) if v}


@dataclass(frozen=True)
class Snapshot:
    """A manifest of files by table; its id is the digest of the manifest."""

    model: str
    dates: tuple[str, ...]  # the slice asked for; empty for a table without a time axis
    as_of: str  # outcomes known at the end of this business date
    tables: Mapping[str, tuple[FileRef, ...]]  # "batch", "outcome", and one per lookup
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # per table: the place, the query, the slice

    @property
    def id(self) -> str:
        """The digest of the manifest."""
        return sha256_json(self.manifest())

    def manifest(self) -> dict[str, Any]:
        """Return the manifest as JSON; a schema that many files share is written once."""
        tables, schemas = {}, {}
        for table, files in sorted(self.tables.items()):
            listed = []
            for ref in files:
                schema = sha256_json(ref.columns)
                schemas[schema] = [list(column) for column in ref.columns]
                listed.append(ref.to_json() | {"schema": schema})
            tables[table] = {"source": dict(self.sources.get(table, {})), "files": listed}
        head = {"kind": KIND, "model": self.model, "dates": list(self.dates), "as_of": self.as_of}
        return {**head, "tables": tables, "schemas": schemas}

    def file(self, table: str, name: str) -> FileRef | None:
        """Return a table's file by its name, None when the snapshot has none."""
        parts = self._by_name.get(table, {})
        return parts.get(name) or parts.get(ALL)

    @cached_property
    def _by_name(self) -> dict[str, dict[str, FileRef]]:
        return {table: {ref.name: ref for ref in files} for table, files in self.tables.items()}

    @property
    def digests(self) -> dict[str, list[list[str]]]:
        """The bytes alone, whatever their sources call them: name and digest of every file by table."""
        return {table: [[ref.name, ref.digest] for ref in files] for table, files in sorted(self.tables.items())}

    def rows(self, table: str) -> int:
        """Return how many rows of a table can be read."""
        return sum(ref.rows or 0 for ref in self.tables.get(table, ()))


def save_snapshot(store: Store, snapshot: Snapshot) -> str:
    """Store a snapshot's manifest and return its id."""
    return put_json(store, snapshot.manifest())


def load_snapshot(store: Store, snapshot_id: str) -> Snapshot:
    """Return a stored snapshot; IntegrityError when its manifest is gone, changed or not a manifest."""
    data = get_object(store, snapshot_id)
    try:
        snapshot = _parse(json.loads(data))
        whole = snapshot.id == snapshot_id  # what is written again must be what was read, to the last key
    except (AttributeError, KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise IntegrityError(
            f"Object {snapshot_id[:12]} is not a snapshot manifest, although a snapshot of that id was asked for. "
            "Look up the id again: plimsoll runs --json"
        )
    return snapshot


def _parse(body: Any) -> Snapshot:
    schemas = {schema: tuple((str(n), str(t)) for n, t in columns) for schema, columns in body["schemas"].items()}
    tables = {table: tuple(_file(f, schemas) for f in part["files"]) for table, part in body["tables"].items()}
    sources = {table: part["source"] for table, part in body["tables"].items() if part["source"]}
    return Snapshot(body["model"], tuple(body["dates"]), body["as_of"], tables, sources)


def _file(body: Mapping[str, Any], schemas: Mapping[str, Columns]) -> FileRef:
    fields = {name: value for name, value in body.items() if name != "schema"}
    return FileRef(**fields, columns=schemas[body["schema"]])
