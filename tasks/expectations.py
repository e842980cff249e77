"""Great Expectations: the suites in git are the one description of good data.

A verdict depends on the suite and the rows alone, so it is kept under both digests and never computed twice.
"""

import re
from collections.abc import Iterator
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

from plimsoll.archive import Archive, get_sealed, put_sealed
from plimsoll.assembled import Assembled
from plimsoll.assembly import KEY
from plimsoll.digest import canonical_json, sha256_file, sha256_json
from plimsoll.errors import ConfigError
from plimsoll.model_config import ModelConfig
from plimsoll.store import put_object
from plimsoll.validation import BadRow, Verdict, verdict_from_json
from tasks.duck_engine import held_batch
from tasks.suite_run import LEVEL_ROW, run_suite

ENGINE = "duckdb"  # another engine may count otherwise, so it is part of what a kept verdict is about


def suite_path(root: Path, model: str) -> Path:
    """Return where a model's suite is kept in git; ConfigError when it is not there."""
    path = root / "great_expectations/expectations" / f"{model}.json"
    if not path.is_file():
        raise ConfigError(f"Expected a suite at {path}, found none. Every model needs one: see docs/models.md.")
    return path


def judge_rows(
    archive: Archive,
    root: Path,
    config: ModelConfig,
    rows: Assembled,
    source: str,
    scratch: Path,
    absent: frozenset[str] = frozenset(),
) -> Verdict:
    """Return the suite's verdict on assembled rows, from the store when this pair was judged before.

    source is the digest of the files the rows were assembled from and of the code that assembled them; scratch is
    where DuckDB puts what its memory does not hold. Expectations about columns that are absent, since the rows are
    those of other features, are left out. Raises IntegrityError when the verdict that was kept is not as it was
    written.
    """
    suite = sha256_file(suite_path(root, config.suite_name))
    left_out = sha256_json(sorted(absent))[:16] if absent else ""
    key = f"verdicts/{suite[:16]}/{source}{left_out and f'-{left_out}'}.json"
    if known := get_sealed(archive, key):
        return verdict_from_json(known)
    with held_batch(rows.checkable(), scratch) as batch:
        result = run_suite(_suite(str(root), config.suite_name, suite, tuple(config.source.key), absent), batch)
    report = put_object(archive.store, canonical_json(result))
    verdict = _read_result(result, rows.rows, suite, report)
    if not any(_exception(one.get("exception_info") or {}) for one in result["results"]):  # a full disk passes
        put_sealed(archive, key, verdict.to_json())
    return verdict


def frame_source(digests: list[str], config: ModelConfig, code: list[Path]) -> str:
    """Return the digest of what a frame is made from: its files, its config, and the code that assembles it."""
    how = config.model_dump(mode="json", include={"source", "features"})
    return sha256_json([ENGINE, digests, how, [sha256_file(path) for path in code]])


@cache
def open_context(root: str) -> Any:
    """Return the Great Expectations file context of the project."""
    import logging

    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx.get_context(mode="file", context_root_dir=str(Path(root) / "great_expectations"))


@cache
def _suite(root: str, model: str, digest: str, key: tuple[str, ...], absent: frozenset[str]) -> Any:  # noqa: ARG001 - a changed suite is read again
    """Return a model's suite without what it asks of absent columns; made to ask whether keys are there once."""
    import great_expectations.expectations as gxe

    suite = open_context(root).suites.get(model)
    if not any(_asks_for_unique(one.configuration.to_json_dict(), key) for one in suite.expectations):
        once = gxe.ExpectColumnValuesToBeUnique(column=KEY, meta={"level": "batch", "says": "A key is there once"})
        suite.expectations.append(once)
    if absent:
        suite = copy(suite)
        suite.expectations = [e for e in suite.expectations if not _mentions(e.configuration.to_json_dict(), absent)]
    return suite


def _mentions(config: dict[str, Any], columns: frozenset[str]) -> bool:
    """Return whether an expectation is about one of some columns: it names it, or its query has it as a word."""
    asked = [v for name, v in config["kwargs"].items() if re.match("column|row_condition|unexpected_rows_query", name)]
    words = re.findall(r"\w+", " ".join(_texts(asked)))
    return not columns.isdisjoint(words)


def _texts(value: Any) -> Iterator[str]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, str):
        yield value
    for part in parts:
        yield from _texts(part)


def _asks_for_unique(config: dict[str, Any], key: tuple[str, ...]) -> bool:
    columns = config["kwargs"].get("column_list") or [config["kwargs"].get("column")]
    asked = config["type"] in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
    return asked and config["kwargs"].get("mostly", 1) == 1 and set(columns) <= {*key, KEY}


def _read_result(result: dict[str, Any], rows: int, suite: str, report: str) -> Verdict:
    stops: list[str] = []
    bad: list[BadRow] = []
    for found in result["results"]:
        if found["success"] and not found["result"].get("unexpected_count"):
            continue
        config = found["expectation_config"]
        meta = config.get("meta") or {}
        index = found["result"].get("unexpected_index_list")
        if meta.get("level") == LEVEL_ROW and index:
            bad.extend(_bad_rows(config, index, str(meta.get("says", ""))))
        elif not found["success"] or meta.get("level") == LEVEL_ROW:  # bad rows that cannot be set aside one by one
            stops.append(_stop_sentence(found, str(meta.get("says", ""))))
    return Verdict(rows, len(result["results"]), tuple(stops), tuple(bad), suite, report)


def _bad_rows(config: dict[str, Any], index: list[dict[str, Any]], says: str) -> list[BadRow]:
    column = str(config["kwargs"].get("column", ""))
    return [BadRow(str(row[KEY]), config["type"], column, str(row.get(column)), says) for row in index]


def _stop_sentence(found: dict[str, Any], says: str) -> str:
    config, result = found["expectation_config"], found["result"]
    column = config["kwargs"].get("column")
    if message := _exception(found.get("exception_info") or {}):
        return f"{says or config['type']}: {_plainly(message)}"
    where = f" in {column}" if column else ""
    limits = {k: v for k, v in config["kwargs"].items() if k in {"min_value", "max_value"} and v is not None}
    asked = "".join(f", asked {name.removesuffix('_value')} {limit}" for name, limit in limits.items())
    if rows := (result.get("details") or {}).get("unexpected_rows"):
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in dict(rows[0]).items())
        return f"{says or config['type']}: found {told}"
    if "observed_value" in result:
        return f"{says or config['type']}: found {result['observed_value']}{where}{asked}"
    allowed = f", at most {100 * (1 - config['kwargs'].get('mostly', 1)):.1f} % may"
    broken = f"{result.get('unexpected_percent', 0):.1f} % of rows break it{where}{allowed}{_example(result)}"
    return f"{says or config['type']}: {broken}"


def _example(result: dict[str, Any]) -> str:
    values = [value for value in result.get("partial_unexpected_list") or [] if value is not None]
    return f"; such as {values[0]!r}" if values else ""


def _plainly(message: str) -> str:
    """Return the first line of what a database said, without the query."""
    return re.sub(r"^\((\w+\.)+\w+\) ", "", message.strip().splitlines()[0]).rstrip(".") + "."


def _exception(info: dict[str, Any]) -> str:
    if "exception_message" in info:
        return str(info["exception_message"] or "")
    messages = [
        str(i["exception_message"]) for i in info.values() if isinstance(i, dict) and i.get("exception_message")
    ]
    return messages[0] if messages else ""
