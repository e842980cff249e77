"""The digest of what a batch was told: the same whichever run wrote it and in whatever order its rows lie.

Rows are in order of version, hash of the key, key and score (a hash sorts five times faster). SHA-256 is taken over
all versions (int32), the lengths of all keys in bytes (int64), all keys (UTF-8), all scores (float64), little-endian.

More than SORTED_ROWS rows are first dealt into 2**bits buckets by the leading bits of the hash, so few bits that a
bucket holds no more than that on average; the digest is then that of the buckets' digests, one after the other. So
memory does not grow with the batch.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from plimsoll.ahead import ahead, in_order
from plimsoll.key_buckets import BUCKET_ROWS, HASH, Buckets, hashed
from plimsoll.key_buckets import bucket_bits as bits_for

if TYPE_CHECKING:
    import pyarrow as pa

SORTED_ROWS = BUCKET_ROWS
BUCKETS_AT_ONCE = 2  # in memory, sorted side by side
COLUMNS = ["version", "key", "score"]


def scores_digest(table: "pa.Table") -> str:
    """Return the digest of a table of version, key and score that is sorted in memory, however many rows it has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = table if HASH in table.column_names else hashed(table.select(COLUMNS).cast(_schema()))
    rows = plain.sort_by([(name, "ascending") for name in ("version", HASH, "key", "score")]).combine_chunks()
    keys = pa.concat_arrays(rows["key"].chunks or [pa.array([], pa.string())]).cast(pa.large_binary())
    digest = hashlib.sha256()
    for values, kind in ((rows["version"], "<i4"), (pc.binary_length(keys), "<i8")):
        digest.update(values.to_numpy().astype(kind).tobytes())
    digest.update(memoryview(keys.buffers()[2] or b"")[: pc.sum(pc.binary_length(keys)).as_py() or 0])
    digest.update(rows["score"].to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


def batch_digest(parts: Iterable["pa.Table"], rows: int, scratch: Path, *, undealt: bool = False) -> str:
    """Return the digest of a batch of so many rows that comes in parts; a large one goes through files in scratch.

    undealt takes it as earlier code did, which sorted batches of any size in memory.
    """
    import pyarrow as pa

    bits = 0 if undealt else bucket_bits(rows)
    if not bits:
        found = [part.select(COLUMNS).cast(_schema()) for part in parts]
        return scores_digest(pa.concat_tables(found) if found else _schema().empty_table())
    digest = hashlib.sha256()
    for one in in_order(scores_digest, _dealt(ahead(parts), bits, scratch), BUCKETS_AT_ONCE):
        digest.update(bytes.fromhex(one))
    return digest.hexdigest()


def bucket_bits(rows: int) -> int:
    """Return into how many buckets so many rows are dealt, as a power of two."""
    return bits_for(rows, SORTED_ROWS)


def _dealt(parts: Iterable["pa.Table"], bits: int, scratch: Path) -> Iterator["pa.Table"]:
    """Yield the buckets of rows that come in parts."""
    buckets = Buckets(scratch, bits, _schema())
    try:
        for part in parts:
            buckets.add(part)
        yield from buckets
    finally:
        buckets.close()


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([("version", pa.int32()), ("key", pa.string()), ("score", pa.float64())])
