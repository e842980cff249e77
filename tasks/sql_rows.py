"""Rows of a query as arrow batches: the types come from the database, or from the config and what was settled."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plimsoll.column_types import PATTERNS, arrow_type
from plimsoll.errors import DataError
from tasks.keeping import Keeper

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 8192
POSTGRESQL = {
    16: "boolean", 20: "integer", 21: "integer", 23: "integer", 700: "number", 701: "number", 1700: "number",
    25: "text", 1042: "text", 1043: "text", 19: "text", 2950: "text", 1082: "date", 1114: "time", 1184: "utc_time",
}  # fmt: skip  # type oids of PostgreSQL's catalogue
TEXT = {25, 1042, 1043}


@dataclass(frozen=True)
class SqlColumn:
    """A column that a query returns."""

    name: str
    word: str | None  # its type as the database says it; None where it says none
    collation: str = ""  # what makes text sort alike on every server


def read_columns(described: list[Any], dialect: str) -> list[SqlColumn]:
    """Return the columns of a cursor's description; DataError for a type of PostgreSQL that has no place here."""
    if dialect != "postgresql":
        return [SqlColumn(str(one[0]), None, " COLLATE BINARY") for one in described]  # whatever the table says
    columns = []
    for one in described:
        if (oid := int(one[1])) not in POSTGRESQL:
            raise DataError(
                f"Column {one[0]} is of a type (oid {oid}) that has no place in a table. Cast it in sql.select, "
                "for instance to text or double precision."
            )
        columns.append(SqlColumn(str(one[0]), POSTGRESQL[oid], ' COLLATE "C"' if oid in TEXT else ""))
    return columns


def settle_columns(
    keeper: Keeper, columns: list[SqlColumn], rows: Callable[[], Iterator[Sequence[Any]]]
) -> dict[str, "pa.DataType"]:
    """Return the arrow type of every column: the feed's, the database's, the config's, or settled from the rows."""
    said = {c.name: c.word for c in columns if c.word} | dict(keeper.feed.types)
    unsaid = [c.name for c in columns if c.name not in said]
    places = [c.name for c in columns]
    words = said | keeper.settle(unsaid, lambda unknown: _guess(rows(), places, unknown))
    return {name: arrow_type(str(words[name])) for name in places}


def rows_to_batches(chunks: Iterator[Sequence[Any]], schema: "pa.Schema", where: str) -> Iterator["pa.RecordBatch"]:
    """Yield chunks of rows as batches of a schema; DataError names the column and the value that does not fit."""
    import pyarrow as pa

    for chunk in chunks:
        columns = list(zip(*chunk, strict=True)) if chunk else [()] * len(schema)
        yield pa.RecordBatch.from_arrays(
            [_array(values, field, where) for values, field in zip(columns, schema, strict=True)], schema=schema
        )


def _array(values: Sequence[Any], field: "pa.Field", where: str) -> "pa.Array":
    """Return values as an array of a type; numbers become floats, and text becomes times where times are asked."""
    import pyarrow as pa

    try:
        if pa.types.is_float64(field.type):
            return pa.array([None if v is None else float(v) for v in values], field.type)
        if pa.types.is_temporal(field.type) and any(isinstance(v, str) for v in values):
            return pa.array(values, pa.string()).cast(field.type)
        if pa.types.is_boolean(field.type):
            return pa.array([_truth(v) for v in values], field.type)
        return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: a value of column {field.name} is not of its type {field.type}: {error}. "
            "Cast it in sql.select, or name the column's type under types in the model's config."
        ) from None


def _truth(value: Any) -> bool | None:
    if value in (None, True, False):
        return None if value is None else bool(value)
    raise ValueError(f"{value!r} is neither true nor false")


def _guess(chunks: Iterator[Sequence[Any]], places: list[str], unknown: list[str]) -> dict[str, str]:
    """Return the narrowest type of what a database without types returned; text for a column without values."""
    import re

    found: dict[str, set[str]] = {name: set() for name in unknown}
    for chunk in chunks:
        for name in unknown:
            at = places.index(name)
            found[name] |= {_word(row[at], re.compile(PATTERNS["utc_time"])) for row in chunk if row[at] is not None}
    return {name: _narrowest(words) for name, words in found.items()}


def _word(value: Any, utc_time: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, dt.datetime):
        return "utc_time" if value.tzinfo else "time"
    return "utc_time" if isinstance(value, str) and utc_time.match(value) else "text"


def _narrowest(words: set[str]) -> str:
    if len(words) == 1:
        return next(iter(words))
    return "number" if words == {"integer", "number"} else "text"
