"""Whether the files of a snapshot are there as they were kept."""

from plimsoll.errors import IntegrityError
from plimsoll.snapshot import load_snapshot
from plimsoll.store import Store, object_digest, object_key

HASHED_BYTES = 64 * 2**20  # of a larger snapshot only the sizes are looked at; `plimsoll verify` reads it all


def snapshot_is_whole(store: Store, snapshot_id: str) -> bool:
    """Return whether a manifest and every file that it names are there, of the right size, and up to 64 MiB hash right.

    Meant for whoever is about to decide, so it takes a second and not the time of reading gigabytes.
    """
    try:
        tables = load_snapshot(store, snapshot_id).tables
        sizes = {ref.digest: ref.bytes for files in tables.values() for ref in files}
        if sum(sizes.values()) <= HASHED_BYTES:
            return all(object_digest(store, digest) == digest for digest in sizes)
        return all(store.size(object_key(digest)) == size for digest, size in sizes.items())
    except IntegrityError:
        return False
