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
from typing import TYPE_CHECKING, Any

import numpy as np

from plimsoll.ahead import ahead, in_order
from plimsoll.key_hash import BITS, key_hashes

if TYPE_CHECKING:
    import pyarrow as pa

SORTED_ROWS = 524_288
DEAL_BITS = 6  # 64 files open at once; more buckets are dealt out of these, one after the other
BUCKETS_AT_ONCE = 2  # in memory, sorted side by side
COLUMNS = ["version", "key", "score"]
HASH = "hash"


def scores_digest(table: "pa.Table") -> str:
    """Return the digest of a table of version, key and score that is sorted in memory, however many rows it has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    hashed = table if HASH in table.column_names else _hashed(table)
    rows = hashed.sort_by([(name, "ascending") for name in ("version", HASH, "key", "score")]).combine_chunks()
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
    for one in in_order(scores_digest, _deal(ahead(parts), bits, scratch), BUCKETS_AT_ONCE):
        digest.update(bytes.fromhex(one))
    return digest.hexdigest()


def bucket_bits(rows: int) -> int:
    """Return into how many buckets so many rows are dealt, as a power of two."""
    return max(0, (max(rows, 1) - 1) // SORTED_ROWS).bit_length()


def _deal(parts: Iterable["pa.Table"], bits: int, scratch: Path, dealt: int = 0) -> Iterator["pa.Table"]:
    """Yield the buckets in order of the leading bits, of which the first few may be dealt by; each waits in a file."""
    import pyarrow as pa

    now = min(bits, DEAL_BITS)
    paths = [scratch / f"bucket-{dealt}-{n}.arrow" for n in range(1 << now)]
    sinks = [pa.OSFile(str(path), "wb") for path in paths]
    writers = [pa.ipc.new_file(sink, _schema().append(pa.field(HASH, pa.int64()))) for sink in sinks]
    try:
        for part in parts:
            _deal_part(part if HASH in part.column_names else _hashed(part), now, dealt, writers)
    finally:
        for held in (*writers, *sinks):
            held.close()
    for path in paths:
        with pa.OSFile(str(path), "rb") as source:
            bucket = pa.ipc.open_file(source)
            if bits == now:
                yield bucket.read_all()
            else:
                batches = (pa.Table.from_batches([bucket.get_batch(n)]) for n in range(bucket.num_record_batches))
                yield from _deal(batches, bits - now, scratch, dealt + now)
        path.unlink()


def _deal_part(part: "pa.Table", bits: int, dealt: int, writers: list[Any]) -> None:
    """Write rows to the file that the bits after those they were dealt by lead to."""
    import pyarrow as pa

    buckets = part[HASH].to_numpy() >> (BITS - dealt - bits) & ((1 << bits) - 1)
    order = np.argsort(buckets, kind="stable")
    ends = np.searchsorted(buckets[order], np.arange(1 << bits), side="right")
    rows, start = part.take(pa.array(order)), 0
    for writer, end in zip(writers, ends.tolist(), strict=True):
        if end > start:
            writer.write_table(rows.slice(start, end - start))
        start = end


def _hashed(rows: "pa.Table") -> "pa.Table":
    """Return rows with the hashes of their keys."""
    import pyarrow as pa

    plain = rows.select(COLUMNS).cast(_schema()).combine_chunks()
    keys = pa.concat_arrays(plain["key"].chunks or [pa.array([], pa.string())])
    return plain.append_column(HASH, pa.array(key_hashes(keys)))


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([("version", pa.int32()), ("key", pa.string()), ("score", pa.float64())])
