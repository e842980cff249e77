"""Archives for tests: a folder, and a key that only the test knows."""

from pathlib import Path

from plimsoll.archive import Archive, Witness
from plimsoll.seal import seal_of
from tasks.object_store import FolderStore

SECRET = bytes(range(32))


def archive_at(folder: Path, secret: bytes = SECRET, witness: Witness | None = None) -> Archive:
    """Return an archive in a folder, signed with a secret that is trusted there."""
    return Archive(FolderStore(folder), seal_of(secret), witness)
