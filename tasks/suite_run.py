"""One suite over one batch, asked in the order that costs least: what holds is not asked for its exceptions."""

import json
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from plimsoll.assembly import KEY
from plimsoll.errors import DataError

LEVEL_ROW = "row"
MOST_KEYS = 1_000_000  # a rule that more rows break stops the batch, and nobody lists them
EXAMPLES = 20  # of bad values, in the report
EXAMPLES_OF = {"result_format": "BASIC", "partial_unexpected_count": EXAMPLES}
ROWS_OF = {"result_format": "COMPLETE"}
QUERY = "unexpected_rows_expectation"
MOST_PARTS = 64
_PARTS: dict[tuple[int, frozenset[str]], tuple[Any, Any]] = {}  # suite and part, by the suite's id and the names


def run_suite(suite: Any, batch: Any) -> dict[str, Any]:
    """Return the suite's full result over a batch, in the order of the suite.

    Great Expectations looks for examples of bad values of each expectation, one query each. So it is first asked to
    count without them, which is one query for most of a suite; examples, the keys of bad rows, and what a query of the
    suite's own found are looked for where there are bad values.
    """
    body = validate(suite, batch, {"result_format": "BASIC", "partial_unexpected_count": 0})
    found = {_name(one["expectation_config"]): one for one in body["results"]}
    marked = {name for name, one in found.items() if _is_listed(one)}
    shown = {name for name, one in found.items() if _has_examples(one)} - marked
    asked = {name for name, one in found.items() if _is_query(one)}
    more = _bad_keys(suite, batch, found, marked) | _again(suite, batch, shown, EXAMPLES_OF)
    for name, told in (more | _again(suite, batch, asked, ROWS_OF)).items():
        found[name] = {**found[name], "result": {**found[name]["result"], **told}}
    for passing in ("run_id", "batch_markers"):  # when, not what: the same rows are to give the same report
        body.get("meta", {}).pop(passing, None)
    results = [found[_name(_config(one))] for one in suite.expectations]
    return _without_nan({**body, "results": results})  # type: ignore[no-any-return]


def validate(suite: Any, batch: Any, form: dict[str, Any]) -> dict[str, Any]:
    """Return what Great Expectations says of a batch, as JSON."""
    with _configured_once():
        found = batch.validate(suite, result_format=form)
    body: dict[str, Any] = json.loads(json.dumps(found.to_json_dict(), default=str))
    return body


@contextmanager
def _configured_once() -> Iterator[None]:
    """Let every expectation work its configuration out once: for each that it judges, it is asked thirty times.

    Nothing changes an expectation meanwhile, and one batch at a time is judged in a process.
    """
    from great_expectations.expectations.expectation import Expectation

    asked, known = Expectation.configuration, dict[int, tuple[Any, Any]]()

    def configuration(expectation: Any) -> Any:
        if id(expectation) not in known:  # it is kept, so that no other one gets its id
            known[id(expectation)] = expectation, asked.fget(expectation)
        return known[id(expectation)][1]

    Expectation.configuration = property(configuration)
    try:
        yield
    finally:
        Expectation.configuration = asked


def _is_listed(found: dict[str, Any]) -> bool:
    """Return whether the rows that break an expectation are listed, key by key."""
    meta = found["expectation_config"].get("meta") or {}
    return meta.get("level") == LEVEL_ROW and 0 < int(found["result"].get("unexpected_count") or 0) <= MOST_KEYS


def _has_examples(found: dict[str, Any]) -> bool:
    """Return whether there are bad values to look at; that a value is missing says all there is."""
    nulls = found["expectation_config"]["type"] == "expect_column_values_to_not_be_null"
    return bool(found["result"].get("unexpected_count")) and not nulls


def _bad_keys(suite: Any, batch: Any, found: dict[str, Any], names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the keys of all rows that break some expectations, and a few of the values, by the expectation's name."""
    if not names:
        return {}
    most = max(int(found[name]["result"]["unexpected_count"]) for name in names)
    form = {"result_format": "COMPLETE", "unexpected_index_column_names": [KEY], "partial_unexpected_count": most}
    again = validate(_part_of(suite, names), batch, form)["results"]
    return {
        _name(one["expectation_config"]): {
            "partial_unexpected_list": one["result"].get("unexpected_list", [])[:EXAMPLES],
            "unexpected_index_list": _all_keys(one),
        }
        for one in again
    }


def _is_query(found: dict[str, Any]) -> bool:
    """Return whether an expectation is a query of the suite's own that returned rows, which say what is wrong."""
    return found["expectation_config"]["type"] == QUERY and bool(found["result"].get("observed_value"))


def _again(suite: Any, batch: Any, names: Collection[str], form: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return more of the results of some expectations, by the expectation's name."""
    if not names:
        return {}
    again = validate(_part_of(suite, names), batch, form)["results"]
    return {_name(one["expectation_config"]): one["result"] for one in again}


def _all_keys(found: dict[str, Any]) -> list[Any]:
    """Return the keys of an expectation's bad rows; Great Expectations cuts them short by itself, which must not be."""
    result = found["result"]
    keys, count = result.get("unexpected_index_list") or [], int(result["unexpected_count"])
    if len(keys) != count:
        raise DataError(
            f"Great Expectations named {len(keys)} of {count} rows that break {found['expectation_config']['type']}. "
            "Give the expectation the level batch: its rows cannot be set aside one by one."
        )
    return keys


def _config(one: Any) -> dict[str, Any]:
    config: dict[str, Any] = one.configuration.to_json_dict()
    return config


def _name(config: dict[str, Any]) -> str:
    """Return what tells one expectation of a suite from all others, whatever batch it was tried on."""
    kwargs = {name: value for name, value in config["kwargs"].items() if name != "batch_id"}
    return json.dumps([config["type"], kwargs], sort_keys=True, default=str)


def _part_of(suite: Any, names: Collection[str]) -> Any:
    """Return the suite's expectations of some names, as a suite; made once, since copying takes as long as judging."""
    key = (id(suite), frozenset(names))
    kept = _PARTS.get(key)
    if kept and kept[0] is suite:
        return kept[1]
    import great_expectations as gx

    wanted = [copy(one) for one in suite.expectations if _name(_config(one)) in names]
    part = gx.ExpectationSuite(name=suite.name, expectations=wanted)
    if len(_PARTS) >= MOST_PARTS:
        _PARTS.clear()
    _PARTS[key] = suite, part
    return part


def _without_nan(value: Any) -> Any:
    """Return a JSON value whose numbers JSON knows: null for NaN, a word for infinity."""
    if isinstance(value, dict):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
