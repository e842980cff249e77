"""Assembled rows: what is validated and scored, held in memory when they are few, in a scratch file when many.

Chunks have a fixed number of rows, so that whatever is computed chunk by chunk does not depend on the machine.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from plimsoll.errors import DataError, FolderError

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 131_072  # some 25 MB of twenty-five columns; a batch of no more rows is held in memory


@dataclass(frozen=True, eq=False)
class Assembled:
    """A batch with its lookups, features and keys: a frame, or a parquet file whose row groups are its chunks."""

    rows: int
    held: pd.DataFrame | Path
    infinite: tuple[tuple[str, str, str], ...] = ()  # key, feature and value of numbers that became null

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows in order, CHUNK_ROWS at a time; of some columns when asked."""
        if isinstance(self.held, pd.DataFrame):
            yield self.held if columns is None else self.held[[c for c in columns if c in self.held]]
            return
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.held, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=None if columns is None else [*columns]).to_pandas()

    @property
    def names(self) -> list[str]:
        """The columns that the rows have."""
        if isinstance(self.held, pd.DataFrame):
            return [str(name) for name in self.held.columns]
        import pyarrow.parquet as pq

        return list(pq.read_schema(self.held).names)

    def frame(self) -> pd.DataFrame:
        """Return all rows at once."""
        return self.held if isinstance(self.held, pd.DataFrame) else pd.concat(self.chunks(), ignore_index=True)

    def checkable(self) -> "pa.Table | Path":
        """Return the rows as a suite can be run over them in place: an Arrow table, or the file."""
        return to_arrow(self.held) if isinstance(self.held, pd.DataFrame) else self.held


class ScratchFile:
    """Writes chunks to a parquet file with the types of the first one; columns of numbers are floats.

    Words are written as their places in a list of them, except those of keys, which are all different.
    """

    def __init__(self, path: Path, numbers: Collection[str] = (), keys: Collection[str] = ()) -> None:
        self._path, self._rows, self._numbers, self._keys = path, 0, frozenset(numbers), frozenset(keys)
        self._writer: Any = None

    def write(self, chunk: pd.DataFrame) -> None:
        """Append one chunk; DataError when a column changes its type within the batch."""
        import pyarrow as pa

        table = to_arrow(chunk)
        try:
            if self._writer is None:
                self._open(table.schema)
            self._writer.write_table(table.select(self._schema.names).cast(self._schema), row_group_size=CHUNK_ROWS)
        except (pa.ArrowException, KeyError) as error:
            raise DataError(
                f"A column does not keep its type from one part of the batch to the next: {error}. Mend the feed."
            ) from None
        except OSError as error:
            raise _unwritable(self._path, error) from None
        self._rows += len(chunk)

    def _open(self, first: Any) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([field.with_type(_settled(field, self._numbers)) for field in first])
        words = [f.name for f in self._schema if _is_text(f.type) and f.name not in self._keys]
        # read once or twice and thrown away: speed before size
        how: dict[str, Any] = {"compression": "lz4", "write_statistics": False, "use_dictionary": words or False}
        self._writer = pq.ParquetWriter(self._path, self._schema, **how)

    def close(self) -> Assembled:
        """Finish the file and return what lies in it."""
        try:
            if self._writer is not None:
                self._writer.close()
        except OSError as error:
            raise _unwritable(self._path, error) from None
        return Assembled(self._rows, self._path)


def _unwritable(path: Path, error: OSError) -> FolderError:
    said = os.strerror(error.errno) if error.errno else str(error)
    return FolderError(
        f"Cannot write to the scratch folder {path.parent}: {said}. A batch that is too large for memory needs about "
        "as much room there as its file has. Free some, or move the home folder to a larger disk: PLIMSOLL_HOME."
    )


def to_arrow(frame: pd.DataFrame) -> "pa.Table":
    """Return a frame as an Arrow table with NaN as null; DataError for a column of several types."""
    import pyarrow as pa

    try:
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except pa.ArrowException as error:
        raise DataError(f"A column holds values of several types: {error}. Mend the feed or the function.") from None


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _settled(field: Any, numbers: Collection[str]) -> Any:
    """Return a type that holds what later chunks of the same column may bring."""
    import pyarrow as pa

    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if field.name in numbers and not pa.types.is_string(kind):
        return pa.float64()
    if pa.types.is_decimal(kind):
        return pa.decimal128(38, kind.scale)
    return pa.string() if pa.types.is_null(kind) else kind
