"""Rows dealt into buckets by the hash of their key: equal keys meet in one bucket, and memory holds one at a time.

More than BUCKET_ROWS rows are dealt into 2**bits files by the leading bits of the hash, so few that a bucket holds no
more than that on average. Tables of one number of bits have their equal keys in buckets of the same place.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plimsoll.key_hash import BITS, key_hashes

if TYPE_CHECKING:
    import pyarrow as pa

BUCKET_ROWS = 524_288
DEAL_BITS = 6  # 64 files open at once; more buckets are dealt out of these, one after the other
HASH = "hash"


def bucket_bits(rows: int, most: int = BUCKET_ROWS) -> int:
    """Return into how many buckets so many rows are dealt, as a power of two."""
    return max(0, (max(rows, 1) - 1) // most).bit_length()


def hashed(rows: "pa.Table") -> "pa.Table":
    """Return rows with the hashes of their keys; a null key has that of an empty one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if HASH in rows.column_names:
        return rows
    plain = rows.combine_chunks()
    keys = pa.concat_arrays(plain["key"].chunks or [pa.array([], pa.string())])
    return plain.append_column(HASH, pa.array(key_hashes(pc.fill_null(keys, ""))))


class Buckets:
    """Takes rows part by part and then yields the buckets, in order of the leading bits; without bits it is one.

    Each waits in a file of a folder and is gone once the next one is asked for.
    """

    def __init__(self, folder: Path, bits: int, schema: "pa.Schema", dealt: int = 0) -> None:
        """Deal rows of a schema by so many bits after those that they were dealt by."""
        import pyarrow as pa

        self._folder, self._bits, self._dealt = folder, bits, dealt
        self._schema = schema.append(pa.field(HASH, pa.int64()))
        self._held: list[pa.Table] = []
        self._now = min(bits, DEAL_BITS)
        self._paths = [folder / f"bucket-{dealt}-{n}.arrow" for n in range(1 << self._now)] if bits else []
        if bits:
            folder.mkdir(exist_ok=True)
        sinks = [pa.OSFile(str(path), "wb") for path in self._paths]
        self._writers: list[Any] = [pa.ipc.new_file(sink, self._schema) for sink in sinks]
        self._open = [*self._writers, *sinks]

    def add(self, rows: "pa.Table") -> None:
        """Deal some rows."""
        part = hashed(rows).select(self._schema.names).cast(self._schema)
        if self._bits:
            self._deal(part)
        else:
            self._held.append(part)

    def close(self) -> None:
        """Finish the files: nothing more is added; also of what is not read to its end."""
        while self._open:
            self._open.pop(0).close()

    def __iter__(self) -> Iterator["pa.Table"]:
        """Yield the buckets."""
        import pyarrow as pa

        self.close()
        if not self._bits:
            yield pa.concat_tables(self._held) if self._held else self._schema.empty_table()
        for path in self._paths:
            with pa.OSFile(str(path), "rb") as source:
                yield from self._bucket(pa.ipc.open_file(source))
            path.unlink()

    def _bucket(self, file: Any) -> Iterator["pa.Table"]:
        import pyarrow as pa

        if self._bits == self._now:
            yield file.read_all()
            return
        inner = Buckets(
            self._folder, self._bits - self._now, self._schema.remove(len(self._schema) - 1), self._dealt + self._now
        )
        for n in range(file.num_record_batches):
            inner.add(pa.Table.from_batches([file.get_batch(n)]))
        yield from inner

    def _deal(self, part: "pa.Table") -> None:
        """Write rows to the file that the bits after those they were dealt by lead to."""
        import pyarrow as pa

        buckets = part[HASH].to_numpy() >> (BITS - self._dealt - self._now) & ((1 << self._now) - 1)
        order = np.argsort(buckets, kind="stable")
        ends = np.searchsorted(buckets[order], np.arange(1 << self._now), side="right")
        rows, start = part.take(pa.array(order)), 0
        for writer, end in zip(self._writers, ends.tolist(), strict=True):
            if end > start:
                writer.write_table(rows.slice(start, end - start))
            start = end
