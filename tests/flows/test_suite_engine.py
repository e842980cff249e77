"""Suites on DuckDB: what every kind of expectation says of rows in memory and in a file, table after table."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from plimsoll.assembled import to_arrow
from plimsoll.assembly import KEY
from plimsoll.errors import DataError
from tasks.duck_engine import held_batch
from tasks.expectations import _read_result
from tasks.suite_run import run_suite

ROWS = pd.DataFrame(
    {
        KEY: [f"k{n:03d}" for n in range(300)],
        "miles": [float(n) for n in range(299)] + [float("nan")],
        "port": ["JFK", "LGA", "it's", None, "jfk"] * 60,
    }
)


def judge(rows: pd.DataFrame, *expectations: Any, scratch: Path, on_disk: bool = False) -> Any:
    """Return the verdict of a suite on some rows."""
    table: Any = to_arrow(rows)
    if on_disk:
        pq.write_table(table, scratch / "rows of it's.parquet")
        table = scratch / "rows of it's.parquet"
    import great_expectations as gx

    suite = gx.ExpectationSuite(name="some", expectations=list(expectations))
    with held_batch(table, scratch) as batch:
        return _read_result(run_suite(suite, batch), len(rows), "suite", "")


def expectation(kind: str, **asked: Any) -> Any:
    import great_expectations as gx  # warns while it is imported

    return getattr(gx.expectations, kind)(**asked)


def row_level(kind: str, **asked: Any) -> Any:
    return expectation(kind, **asked, meta={"level": "row", "says": kind})


@pytest.mark.parametrize("on_disk", [False, True], ids=["in memory", "in a file"])
def test_every_bad_row_is_named_however_many_there_are(tmp_path: Path, on_disk: bool) -> None:
    between = row_level("ExpectColumnValuesToBeBetween", column="miles", min_value=250)
    verdict = judge(ROWS, between, scratch=tmp_path, on_disk=on_disk)
    assert sorted(row.key for row in verdict.bad_rows) == [f"k{n:03d}" for n in range(250)], "not the first twenty"
    assert verdict.passed, "NaN is no value, so it is neither good nor bad"


def test_words_patterns_and_nulls(tmp_path: Path) -> None:
    port = {"column": "port"}
    verdict = judge(
        ROWS,
        row_level("ExpectColumnValuesToMatchRegex", **port, regex="^[A-Z]{3}$"),
        row_level("ExpectColumnValuesToBeInSet", **port, value_set=["JFK", "LGA", "it's"]),
        row_level("ExpectColumnValuesToNotBeNull", **port),
        scratch=tmp_path,
    )
    found = {
        kind: {row.value for row in verdict.bad_rows if row.says == kind} for kind in {r.says for r in verdict.bad_rows}
    }
    assert found == {
        "ExpectColumnValuesToMatchRegex": {"it's", "jfk"},
        "ExpectColumnValuesToBeInSet": {"jfk"},
        "ExpectColumnValuesToNotBeNull": {"None"},
    }


def test_rows_that_share_a_key_are_named_and_nulls_share_none(tmp_path: Path) -> None:
    rows = pd.DataFrame({KEY: ["a", "b", "c", "d", "e"], "tail": ["N1", "N2", "N1", None, None]})
    verdict = judge(rows, row_level("ExpectColumnValuesToBeUnique", column="tail"), scratch=tmp_path)
    assert sorted(row.key for row in verdict.bad_rows) == ["a", "c"]
    whole = judge(rows, expectation("ExpectColumnValuesToBeUnique", column=KEY), scratch=tmp_path)
    assert whole.stops == ()


def test_two_tables_in_one_process_have_their_own_columns(tmp_path: Path) -> None:
    for name in ("miles", "meters", "miles"):
        rows = pd.DataFrame({KEY: ["a"], name: [1.0]})
        for kind in ("ExpectColumnValuesToNotBeNull", "ExpectColumnValuesToBeUnique"):
            verdict = judge(rows, expectation(kind, column=name), scratch=tmp_path)
            assert verdict.stops == ()
        missing = judge(rows, expectation("ExpectColumnValuesToNotBeNull", column="feet"), scratch=tmp_path)
        assert "feet" in missing.stops[0]


def test_a_rule_that_cannot_be_run_stops_its_batch_alone(tmp_path: Path) -> None:
    broken = judge(ROWS, row_level("ExpectColumnValuesToMatchRegex", column="port", regex="(?=J)J"), scratch=tmp_path)
    assert "invalid perl operator" in broken.stops[0]
    for _ in range(2):
        assert judge(ROWS, expectation("ExpectColumnValuesToBeUnique", column=KEY), scratch=tmp_path).stops == ()


def test_rows_that_cannot_be_named_are_an_error_not_a_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import suite_run

    whole = suite_run.validate

    def cut(suite: Any, batch: Any, form: dict[str, Any]) -> dict[str, Any]:
        return whole(suite, batch, {**form, "partial_unexpected_count": 20})

    monkeypatch.setattr(suite_run, "validate", cut)
    with pytest.raises(DataError, match="named 20 of 250 rows"):
        judge(ROWS, row_level("ExpectColumnValuesToBeBetween", column="miles", min_value=250), scratch=tmp_path)


@pytest.mark.parametrize("rows_at_once", [10**9, 40], ids=["at once", "part by part"])
def test_values_that_are_there_twice_are_found_however_many_rows_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr("tasks.duck_engine.PASS_ROWS", rows_at_once)
    twice = ROWS.assign(
        miles=[float(n % 290) for n in range(299)] + [None], **{'a "word"': [f"w{n}" for n in range(300)]}
    )
    asked = [row_level("ExpectColumnValuesToBeUnique", column=name) for name in ("miles", 'a "word"')]
    for _ in range(2):  # the second batch must not see what the first one left
        verdict = judge(twice, *asked, scratch=tmp_path, on_disk=True)
        expected = [f"k{n:03d}" for n in [*range(9), *range(290, 299)]]
        assert sorted(row.key for row in verdict.bad_rows) == expected
    verdict = judge(ROWS, asked[0], scratch=tmp_path, on_disk=True)
    assert not verdict.bad_rows


@pytest.mark.parametrize("on_disk", [False, True], ids=["in memory", "in a file"])
def test_a_query_of_the_suites_own_stops_the_batch_and_says_what_it_found(tmp_path: Path, on_disk: bool) -> None:
    off = (
        "round(100.0 * count(*) FILTER (miles / 7 != round(miles / 7)) / nullif(count(*), 0), 1) AS percent_of_rows_off"
    )
    query = f"SELECT {off} FROM {{batch}} WHERE miles IS NOT NULL HAVING percent_of_rows_off > {{most}}"  # noqa: S608
    held, broken = (
        expectation(
            "UnexpectedRowsExpectation",
            unexpected_rows_query=query.replace("{most}", most),
            meta={"level": "batch", "says": "Miles come in sevens"},
        )
        for most in ("90", "5")
    )
    assert judge(ROWS, held, scratch=tmp_path, on_disk=on_disk).passed
    (said,) = judge(ROWS, broken, scratch=tmp_path, on_disk=on_disk).stops
    calm = ROWS.assign(miles=[float("nan")] * 299 + [7.0])
    assert judge(calm[:299], broken, scratch=tmp_path, on_disk=on_disk).passed, "0 of 0 rows are not too many"
    assert said == "Miles come in sevens: found percent of rows off 85.6"
