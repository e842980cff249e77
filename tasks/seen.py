"""What proves that a part of a table need not be read again: signed notes, one by one or many in a pack."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from plimsoll.archive import Archive, get_sealed, put_all_sealed, put_sealed
from plimsoll.digest import sha256_json
from plimsoll.snapshot import FileRef

SEEN = "seen/"
PACKS = f"{SEEN}packs/"
MANY = 16  # notes that are worth a pack: one file and one signature for all


@dataclass(frozen=True)
class Proofs:
    """The notes about parts of one table, kept in one form; a proof is any JSON value that changes with the part."""

    archive: Archive
    table: str  # the digest of its place: what packs lie under
    form: Any

    def find(self, proof: Any) -> FileRef | None:
        """Return what was kept under a proof, None when nothing was; IntegrityError when the note was changed."""
        digest = self._digest(proof)
        body = self._packed.get(digest) or get_sealed(self.archive, f"{SEEN}{digest}.json")
        return None if body is None else FileRef(**{**body, "columns": tuple(map(tuple, body["columns"]))})

    def note(self, found: Iterable[tuple[Any, FileRef]]) -> None:
        """Write what was kept under proofs: few one by one, many in a pack."""
        notes = {self._digest(proof): ref for proof, ref in found}
        if len(notes) < MANY:
            bodies = {f"{SEEN}{digest}.json": _plain(ref, ref.columns) for digest, ref in notes.items()}
            return put_all_sealed(self.archive, bodies)
        schemas = {columns: sha256_json(columns) for columns in {ref.columns for ref in notes.values()}}
        listed = {digest: _plain(ref, schemas[ref.columns]) for digest, ref in notes.items()}
        place = f"{self._place}{sha256_json(sorted(notes))}.json"
        pack = {"schemas": {name: columns for columns, name in schemas.items()}, "parts": listed}
        put_sealed(self.archive, place, pack)
        return None

    @cached_property
    def _packed(self) -> dict[str, Any]:
        """All notes of this form that lie in packs, by the digest of their proof."""
        found: dict[str, Any] = {}
        for key in self.archive.store.keys(self._place):
            pack = get_sealed(self.archive, key) or {"schemas": {}, "parts": {}}
            for digest, body in pack["parts"].items():
                found[digest] = {**body, "columns": pack["schemas"][body["columns"]]}
        return found

    @property
    def _place(self) -> str:
        return f"{PACKS}{sha256_json([self.table, self.form])}/"

    def _digest(self, proof: Any) -> str:
        return sha256_json([proof, self.form])


def _plain(ref: FileRef, columns: Any) -> dict[str, Any]:
    """Return what was kept as JSON; the source's version is no part of it, since a proof holds it."""
    return replace(ref, version="").to_json() | {"columns": columns}
