"""One part of a snapshot: a parquet file, read whole, in chunks, or for the rows of one key."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from plimsoll.assembled import CHUNK_ROWS
from plimsoll.errors import DataError
from plimsoll.keys import row_keys
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import FileRef
from plimsoll.store import Store, get_object

if TYPE_CHECKING:
    import pyarrow as pa

Reader = Callable[[io.BytesIO], Any]  # parquet bytes → pa.Table
READ_BYTES = 1 << 20  # of a column, at a time


def read_parquet(data: bytes, where: str, read: Reader | None = None) -> pd.DataFrame:
    """Return the table in parquet bytes, or what is read of it; DataError when they are not parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: pd.DataFrame = (read or pq.read_table)(io.BytesIO(data)).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{where}: expected a parquet file, found {len(data)} bytes that are not one ({error})."
        ) from None
    return found


def read_part(store: Store, ref: FileRef, where: str, read: Reader | None = None) -> pd.DataFrame:
    """Return the table in one part of a snapshot; DataError when it was kept as it came because it is not one."""
    if ref.flaw:
        raise DataError(ref.flaw)
    return read_parquet(get_object(store, ref.digest), where, read)


def read_row(store: Store, ref: FileRef, where: str, config: ModelConfig, key: str, company: int = 0) -> pd.DataFrame:
    """Return the rows of one key in one part of a snapshot, with the first few beside them.

    Words of other rows stay undecoded, which is most of the work of reading them all.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def read(source: io.BytesIO) -> "pa.Table":
        schema = pq.read_schema(source)
        words = [f.name for f in schema if pa.types.is_string(f.type) and f.name not in config.source.key]
        table = pq.read_table(source, read_dictionary=words)
        if not set(config.source.key) <= set(schema.names):
            return table.slice(0, company).cast(schema)  # whoever checks the columns says which one is missing
        here = (row_keys(table.select(config.source.key).to_pandas(), config) == key).to_numpy(dtype=bool, copy=True)
        here[:company] = True
        return table.filter(here).cast(schema)

    return read_part(store, ref, where, read)


def raw_chunks(stream: BinaryIO, where: str, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield the rows of a parquet file, CHUNK_ROWS at a time; of some columns when asked. DataError when it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # without a buffer all of a row group is read, and a file may have one alone
        file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=READ_BYTES)
        for batch in file.iter_batches(CHUNK_ROWS, columns=None if columns is None else [*columns]):
            yield pa.Table.from_batches([batch]).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{where}: expected a parquet file, found bytes that are not one ({error}).") from None
