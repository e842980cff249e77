"""Scores made once more, to be held against those that are there: in scratch files, whatever their number."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from plimsoll.predictions import Served
from plimsoll.scores_digest import batch_digest


class ScoredAnew:
    """Takes the scores of some versions, chunk by chunk, and tells their digests."""

    def __init__(self, scratch: Path, served: Sequence[Served]) -> None:
        import pyarrow as pa

        self._scratch = scratch
        self._schema = pa.schema([("version", pa.int32()), ("key", pa.string()), ("score", pa.float64())])
        self._files = {one.version: scratch / f"anew-{one.version}.arrow" for one in served}
        self._rows = dict.fromkeys(self._files, 0)
        self._writers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Open a file for each version."""
        import pyarrow as pa

        self._writers = {version: pa.ipc.new_file(str(path), self._schema) for version, path in self._files.items()}
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()

    def write(self, version: int, keys: Any, scores: Any) -> None:
        """Append the scores of one chunk."""
        import pyarrow as pa

        numbers = pa.repeat(pa.scalar(version, pa.int32()), len(keys))
        table = pa.Table.from_arrays([numbers, keys, scores], schema=self._schema)
        self._writers[version].write_table(table)
        self._rows[version] += len(keys)

    def digest(self, version: int) -> str:
        """Return the digest of a version's scores, as the table's rows give it."""
        return batch_digest(self._parts(version), self._rows[version], self._scratch)

    def _parts(self, version: int) -> Iterator[Any]:
        import pyarrow as pa

        with pa.OSFile(str(self._files[version]), "rb") as source:
            file = pa.ipc.open_file(source)
            for n in range(file.num_record_batches):
                yield pa.Table.from_batches([file.get_batch(n)])
