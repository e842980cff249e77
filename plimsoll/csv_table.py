"""CSV files as tables: UTF-8, a header, one type per column that is known before the file is read."""

import csv
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plimsoll.column_types import arrow_type, guess_types
from plimsoll.errors import DataError
from plimsoll.feed_config import CsvForm

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1 << 20
DELIMITERS = (";", "\t", "|", ",")
NO_ZONE = "expected a zone offset in "  # in pyarrow's words
TYPES = "Correct the file, or name the column's type under types in the model's config."


def csv_columns(path: Path, form: CsvForm, where: str) -> list[str]:
    """Return the names in a CSV file's header.

    Raises DataError when there is none, a name is empty or doubled, or all of it is one name with another delimiter.
    """
    import pyarrow as pa

    try:
        names = _open(path, form, {}).schema.names
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{where}: {_said(error, [], {})}") from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not all(name.strip() for name in names):
        raise DataError(f"{where}: every column needs a name of its own, found {', '.join(map(repr, names))}.")
    if len(names) == 1 and (
        other := next((one for one in DELIMITERS if one in names[0] and one != form.delimiter), "")
    ):
        raise DataError(
            f"{where}: the header is one name, {names[0][:80]!r}, so fields are not divided by {form.delimiter!r}. Say "
            f"by what they are, in the model's config beside format: csv: {{delimiter: {json.dumps(other)}}}"
        )
    return list(names)


def read_csv(
    path: Path, form: CsvForm, types: Mapping[str, str], where: str
) -> tuple["pa.Schema", Iterator["pa.RecordBatch"]]:
    """Return the schema and the rows of a CSV file, of the columns in types and in their order; in bounded memory.

    An unquoted null word is null in any column; quoted text is text. Raises DataError that names row and column
    where a row has too few or too many fields, a value does not fit its type, or the bytes are not UTF-8.
    """
    import pyarrow as pa

    schema = pa.schema([(name, arrow_type(word)) for name, word in types.items()])

    def rows() -> Iterator["pa.RecordBatch"]:
        header = csv_columns(path, form, where)
        try:
            yield from _open(path, form, types)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{where}: {_said(error, header, types)}") from None
        if _is_cut(path, form):
            raise DataError(f"{where}: a quote is open at the end: the file is cut off. Export the file again.")

    return schema, rows()


def guess_csv(path: Path, form: CsvForm, columns: list[str], where: str) -> dict[str, str]:
    """Return the types that fit every value of some columns of a CSV file."""
    text = dict.fromkeys(columns, "text")
    return guess_types(read_csv(path, form, text, where)[1], columns)


def _open(path: Path, form: CsvForm, types: Mapping[str, str]) -> Any:
    """Return pyarrow's streaming reader; without threads, since only then its errors say the row."""
    import pyarrow.csv as pc

    return pc.open_csv(
        path,
        read_options=pc.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=pc.ParseOptions(delimiter=form.delimiter, newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types={name: arrow_type(word) for name, word in types.items()},
            include_columns=list(types),
            null_values=form.nulls,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
        ),
    )


def _is_cut(path: Path, form: CsvForm) -> bool:
    """Say whether a file ends inside a quoted value, which pyarrow takes for its end.

    Quotes come in pairs, so all but few files are told by counting.
    """
    with path.open("rb") as stream:
        if not sum(chunk.count(b'"') for chunk in iter(lambda: stream.read(BLOCK_BYTES), b"")) % 2:
            return False
    with path.open(newline="", encoding="utf-8-sig") as text:
        try:
            deque(csv.reader(text, delimiter=form.delimiter, strict=True), maxlen=0)
        except csv.Error as error:
            return any(said in str(error) for said in ("unexpected end of data", "field larger than field limit"))
    return False


def _said(error: Exception, header: list[str], types: Mapping[str, str]) -> str:
    """Return pyarrow's complaint as a sentence with the row (the header is row 1) and the column by name."""
    said = " ".join(str(error).split())
    if found := re.search(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to .+?: (.*)", said):
        row, name = f"row {found[2]}, " if found[2] else "", (header or ["?"] * 10_000)[int(found[1])]
        if "UTF8" in found[3]:
            return f"{row}column {name} is not UTF-8. Export the file as UTF-8."
        if found[3].startswith(NO_ZONE):
            value = found[3].removeprefix(NO_ZONE).partition(". If these")[0]
            return (
                f"{row}column {name} is of type utc_time, and {value} has no zone, so nobody knows which time it is. "
                f"Write it with one, as 2026-11-03T08:00Z; or, if it is UTC, say types: {{{name}: time}} in the "
                "model's config: times without a zone count as UTC."
            )
        word = f"{types.get(name, 'text')}, as the config or its first file says"
        return f"{row}column {name} is of type {word}: {found[3].rstrip('.')}. {TYPES}"
    if found := re.search(r"CSV parse error: (?:Row #(\d+): )?(.*)", said):
        row = f"row {found[1]} is broken: " if found[1] else "the file is broken: "
        return f"{row}{found[2][:200]}. Export the file again."
    return f"expected a CSV file in UTF-8 with a header, found something else ({said[:200]})."
