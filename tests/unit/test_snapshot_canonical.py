"""Canonical parquet: the same rows are the same bytes, in the same order, however they came."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.canonical import ROW_GROUP_ROWS, SETTINGS, describe_parquet, read_columns, write_canonical
from plimsoll.column_types import guess_types
from plimsoll.csv_table import csv_columns, guess_csv, read_csv
from plimsoll.digest import sha256_file
from plimsoll.errors import DataError
from plimsoll.feed_config import CsvForm

FORM = CsvForm()
SCHEMA = pa.schema([("i", pa.int64()), ("x", pa.float64()), ("s", pa.string()), ("t", pa.timestamp("us", "UTC"))])
rows = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.text(st.characters(codec="utf-8"), max_size=8),
        st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    ),
    max_size=60,
)
quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))


def batches(values: list[tuple[object, ...]], size: int) -> list[pa.RecordBatch]:
    """Return rows in batches of some size."""
    parts = [values[n : n + size] for n in range(0, len(values), size)]
    return [
        pa.RecordBatch.from_arrays([pa.array(c, f.type) for c, f in zip(zip(*p, strict=True), SCHEMA, strict=True)],
                                   schema=SCHEMA)
        for p in parts
    ]  # fmt: skip


@given(rows, st.integers(1, 7), st.integers(1, 70))
@quick
def test_the_same_rows_are_the_same_bytes_in_any_chunks(
    tmp_path: Path, values: list[tuple[object, ...]], small: int, large: int
) -> None:
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    assert write_canonical(batches(values, small), SCHEMA, one) == len(values)
    write_canonical(batches(values, large), SCHEMA.with_metadata({"pandas": "{}"}), two)
    assert one.read_bytes() == two.read_bytes()
    found = pq.ParquetFile(one).read()
    assert [tuple(row.values()) for row in found.to_pylist()] == values, "every row, in the order it came"
    assert found.schema.metadata is None


def test_row_groups_have_one_size_whatever_the_batches(tmp_path: Path) -> None:
    table = pa.table({"n": range(2 * ROW_GROUP_ROWS + 5)})
    sizes = []
    for size in (1000, ROW_GROUP_ROWS, 3 * ROW_GROUP_ROWS):
        path = tmp_path / f"{size}.parquet"
        write_canonical(table.to_batches(size), table.schema, path)
        meta = pq.ParquetFile(path).metadata
        sizes.append([meta.row_group(n).num_rows for n in range(meta.num_row_groups)])
    assert sizes == [[ROW_GROUP_ROWS, ROW_GROUP_ROWS, 5]] * 3
    assert len({sha256_file(path) for path in tmp_path.iterdir()}) == 1


def test_types_that_mean_the_same_become_one(tmp_path: Path) -> None:
    plain = pa.table({"s": pa.array(["a", None, "b"]), "t": pa.array([1, 2, None], pa.timestamp("us", "UTC"))})
    other = pa.table(
        {
            "s": plain["s"].cast(pa.large_string()).combine_chunks().dictionary_encode(),
            "t": plain["t"].cast(pa.timestamp("us", "Europe/Berlin")),
        }
    )
    for name, table in (("plain", plain), ("other", other)):
        write_canonical(table.to_batches(), table.schema, tmp_path / name)
    assert sha256_file(tmp_path / "plain") == sha256_file(tmp_path / "other")
    assert describe_parquet(tmp_path / "other") == (3, (("s", "string"), ("t", "timestamp[us, tz=UTC]")))


def test_the_bytes_are_pinned(tmp_path: Path) -> None:
    table = pa.table({"k": ["a", "b", None], "x": [1.5, None, 2.0]})
    write_canonical(table.to_batches(), table.schema, tmp_path / "pinned")
    assert sha256_file(tmp_path / "pinned").startswith("bcb658281849"), (
        "canonical parquet has other bytes than before: count FORM up, and pin again, when that is meant"
    )
    assert SETTINGS["store_schema"] is False


@given(rows, st.permutations(["i", "x", "s"]))
@quick
def test_a_slice_has_the_columns_asked_in_the_order_asked(
    tmp_path: Path, values: list[tuple[object, ...]], asked: list[str]
) -> None:
    write_canonical(batches(values, 9), SCHEMA, tmp_path / "whole")
    schema, found = read_columns(tmp_path / "whole", asked[:2], "w")
    assert schema.names == asked[:2]
    at = [SCHEMA.names.index(name) for name in asked[:2]]
    got = [tuple(row.values()) for batch in found for row in batch.to_pylist()]
    assert got == [tuple(row[n] for n in at) for row in values]


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_canonical([], SCHEMA, tmp_path / "whole")
    with pytest.raises(DataError, match=r"w: column ii is missing, and keep_columns names it. Did you mean i\?"):
        read_columns(tmp_path / "whole", ["ii"], "w")


def test_what_is_not_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="w: expected a parquet file, found 16 bytes that are not one"):
        read_columns(path, None, "w")
    assert describe_parquet(path) == (None, ())


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["1", "-20", "0"], "integer"),
        (["1", "2.5", "-3e4", ".5"], "number"),
        (["1", "007"], "text"),
        (["0.5", "01.5"], "text"),
        (["nan"], "text"),
        (["inf"], "text"),
        (["1" * 30], "number"),
        (["true", "False"], "boolean"),
        (["1", "true"], "text"),
        (["2013-01-01"], "text"),
        (["2013-01-01T05:00:00Z", "2013-01-01 05:00:00.25+01:00"], "utc_time"),
        (["2013-01-01 05:00"], "time"),
        (["2013-01-01T05:00:00Z", "2013-01-01T05:00:00"], "text"),
        ([None, None], "text"),
        ([None, "4"], "integer"),
        ([" 4"], "text"),
    ],
)
def test_the_rules_for_types_of_text(values: list[str | None], word: str) -> None:
    assert guess_types([pa.RecordBatch.from_pydict({"c": pa.array(values, pa.string())})], ["c"]) == {"c": word}


def csv(path: Path, data: bytes, types: dict[str, str] | None = None, form: CsvForm = FORM) -> list[dict[str, object]]:
    """Read a CSV with guessed or given types, as rows."""
    path.write_bytes(data)
    known = types or guess_csv(path, form, csv_columns(path, form, "f.csv"), "f.csv")
    schema, found = read_csv(path, form, known, "f.csv")
    write_canonical(found, schema, path.with_suffix(".parquet"))
    rows: list[dict[str, object]] = pq.ParquetFile(path.with_suffix(".parquet")).read().to_pylist()
    return rows


def test_what_is_null_and_what_is_empty(tmp_path: Path) -> None:
    found = csv(tmp_path / "f.csv", b'a,b\n1,\n,""\n3,NA\n')
    assert found == [{"a": 1, "b": None}, {"a": None, "b": ""}, {"a": 3, "b": "NA"}]
    form = CsvForm(delimiter=";", nulls=["", "NA"])
    assert csv(tmp_path / "f.csv", b'a;b\n1;NA\n2;"NA"\n', None, form)[0]["b"] is None
    assert csv(tmp_path / "f.csv", b'a;b\n1;NA\n2;"NA"\n', None, form)[1]["b"] == "NA"


def test_a_quote_in_the_middle_of_a_value_is_a_character(tmp_path: Path) -> None:
    assert csv(tmp_path / "f.csv", b'a,b\n5" pipe,x\n') == [{"a": '5" pipe', "b": "x"}]


def test_quoted_newlines_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    assert csv(tmp_path / "f.csv", '﻿a,b\n"x\ny",ä\n'.encode()) == [{"a": "x\ny", "b": "ä"}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "f.csv: expected a CSV file in UTF-8 with a header"),
        (b"a,b\n1,2\n3\n", "f.csv: row 3 is broken: Expected 2 columns, got 1"),
        (b"a,b\n1,2\n3,4,5\n", "f.csv: row 3 is broken: Expected 2 columns, got 3"),
        (b"a,b\n" + b"1,x\n" * 2_000_000 + b"1\n", "f.csv: row 2000002 is broken"),
        (b"a,b\n1,\xff\n", "f.csv: row 2, column b is not UTF-8"),
        ("a,b\n1,ä\n".encode("utf-16"), "f.csv: "),
        (b"a;b\n1;2\n", "f.csv: the header is one name, 'a;b', so fields are not divided by ','. Say by what they are"),
        (b"a,a\n1,2\n", "f.csv: every column needs a name of its own, found 'a', 'a'"),
        (b"a,\n1,2\n", "f.csv: every column needs a name of its own"),
        (b'a,b\n"x,2\n3,4\n', "f.csv: row 2 is broken"),
        (b'a,b\n1,x\n2,"cut o', "f.csv: a quote is open at the end: the file is cut off"),
        (b'a,b\n1,"' + b"2,x\n" * 100_000, "f.csv: a quote is open at the end"),
    ],
    ids=[
        "empty",
        "short",
        "long",
        "far down",
        "latin-1",
        "utf-16",
        "semicolons",
        "doubled",
        "unnamed",
        "unclosed quote",
        "cut off",
        "cut off early",
    ],
)
def test_a_broken_csv_is_named_with_its_row(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        csv(tmp_path / "f.csv", data)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("delimiter", ["\t", "|", ";"])
def test_another_delimiter_is_named_as_the_config_takes_it(tmp_path: Path, delimiter: str) -> None:
    data = b"a,b\n1,2\n".replace(b",", delimiter.encode())
    with pytest.raises(DataError, match="the header is one name, ") as caught:
        csv(tmp_path / "f.csv", data)
    said = "csv: " + str(caught.value).rpartition("csv: ")[2]
    assert csv(tmp_path / "f.csv", data, None, CsvForm(**yaml.safe_load(said)["csv"])) == [{"a": 1, "b": 2}]


def test_one_column_whose_quoted_name_has_a_comma_is_one_column(tmp_path: Path) -> None:
    assert csv(tmp_path / "f.csv", b'"a, b"\n1\n') == [{"a, b": 1}]


def test_a_time_without_a_zone_is_told_what_to_write(tmp_path: Path) -> None:
    data, zoned = b"a\n2026-11-03T08:00\n", {"a": "utc_time"}
    with pytest.raises(DataError, match=r"row 2, column a .* '2026-11-03T08:00' has no zone") as caught:
        csv(tmp_path / "f.csv", data, zoned)
    assert "assume_timezone" not in str(caught.value)
    assert "types: {a: time}" in str(caught.value)
    assert csv(tmp_path / "f.csv", data, {"a": "time"}) == [{"a": dt.datetime(2026, 11, 3, 8)}]  # noqa: DTZ001  # it has none


def test_a_value_that_does_not_fit_is_named_with_row_and_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"f.csv: row 3, column b is of type number.*invalid value 'x'"):
        csv(tmp_path / "f.csv", b"a,b\n1,2\n3,x\n", {"b": "number"})
