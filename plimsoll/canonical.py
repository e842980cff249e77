"""Canonical parquet: the same rows give the same bytes, whatever chunks they came in.

CSV, query results, Delta and column slices are written by this file alone, with settings that never vary. Whole
parquet files are not: they are immutable and ordered as delivered, and are kept byte for byte, which is faster.
The bytes depend on the release of pyarrow, which is pinned; its name stands in every parquet file.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plimsoll.errors import DataError
from plimsoll.snapshot import Columns

if TYPE_CHECKING:
    import pyarrow as pa

FORM = 1  # counted up with any change to the bytes that this file writes
ROW_GROUP_ROWS = 1 << 16
SETTINGS: dict[str, Any] = {
    "version": "2.6",
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": True,
    "write_statistics": True,
    "data_page_version": "1.0",
    "store_schema": False,  # no metadata of arrow or pandas: the parquet types say all that is kept
}


def write_canonical(
    batches: Iterable["pa.RecordBatch"], schema: "pa.Schema", path: Path, where: str = "The table"
) -> int:
    """Write batches of one schema to a parquet file and return the number of rows.

    Memory is that of one row group of 65,536 rows. The schema is first made plain by `plain_schema`. Raises DataError
    for a value that has no place in parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, plain = 0, plain_schema(schema)
    try:
        with pq.ParquetWriter(path, plain, **SETTINGS) as writer:
            for group in _groups(batches, plain):
                writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
                rows += group.num_rows
    except pa.ArrowException as error:
        raise DataError(
            f"{where}: a value has no place in parquet ({error}). Cast its column where it comes from."
        ) from None
    return rows


def read_columns(path: Path, columns: list[str] | None, where: str) -> tuple["pa.Schema", Iterator["pa.RecordBatch"]]:
    """Return the schema and the rows of a parquet file, of some columns in the order asked; in bounded memory.

    Raises DataError when the file is not parquet or lacks a column, the rows' iterator when it is cut off.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(path, pre_buffer=False)  # else memory grows with the file
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(where, path, error) from None
    schema = select_columns(source.schema_arrow, columns, where)

    def rows() -> Iterator["pa.RecordBatch"]:
        try:
            with source:
                for batch in source.iter_batches(ROW_GROUP_ROWS, columns=schema.names, use_threads=False):
                    yield batch.select(schema.names)
        except (pa.ArrowException, OSError) as error:
            raise _not_parquet(where, path, error) from None

    return schema, rows()


def load() -> None:
    """Import what reads footers, so that it can be done while something else waits for the disk."""
    import pyarrow.parquet  # noqa: F401


def describe_parquet(path: Path) -> tuple[int | None, Columns]:
    """Return a parquet file's rows and columns from its footer; None and nothing when it has no footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as source:
            return source.metadata.num_rows, describe_schema(source.schema_arrow)
    except (pa.ArrowException, OSError):
        return None, ()


def describe_schema(schema: "pa.Schema") -> Columns:
    """Return a schema as names and arrow types."""
    return tuple((field.name, str(field.type)) for field in schema)


def select_columns(schema: "pa.Schema", columns: list[str] | None, where: str) -> "pa.Schema":
    """Return the schema of some columns, in the order asked; DataError names the one that is missing or doubled."""
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in select_names(schema.names, columns, where)])


def select_names(names: list[str], columns: list[str] | None, where: str) -> list[str]:
    """Return the columns asked, all without a choice; DataError names the one that is missing or doubled."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{where}: column {', '.join(twice)} is there twice. Columns need names of their own.")
    for name in columns or []:
        if name not in names:
            from plimsoll.config_loading import nearest  # YAML, for the sentence alone

            raise DataError(f"{where}: column {name} is missing, and keep_columns names it.{nearest(name, names)}")
    return columns or names


def plain_schema(schema: "pa.Schema") -> "pa.Schema":
    """Return a schema without metadata, in the types that parquet itself can say: one type for text, times in UTC."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _plain_type(field.type)) for field in schema])


def _plain_type(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ns" if kind.unit == "ns" else "us", "UTC" if kind.tz else None)
    return kind


def _groups(batches: Iterable["pa.RecordBatch"], schema: "pa.Schema") -> Iterator["pa.Table"]:
    """Yield the rows of batches as tables of exactly one row group each, in one chunk; the last may be shorter."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, ROW_GROUP_ROWS - count)
            held.append(_cast(piece, schema))
            start, count = start + piece.num_rows, count + piece.num_rows
            if count == ROW_GROUP_ROWS:
                yield pa.Table.from_batches(held, schema).combine_chunks()
                held, count = [], 0
    if held:
        yield pa.Table.from_batches(held, schema).combine_chunks()


def _cast(batch: "pa.RecordBatch", schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    arrays = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _not_parquet(where: str, path: Path, error: Exception) -> DataError:
    said = str(error).replace(str(path), "it").rstrip(".")
    return DataError(f"{where}: expected a parquet file, found {path.stat().st_size} bytes that are not one ({said}).")
