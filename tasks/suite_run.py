"""One suite over one batch, asked in the order that costs least: what holds is not asked for its exceptions."""

import json
import math
from collections.abc import Collection
from copy import copy
from typing import Any

from plimsoll.assembly import KEY
from plimsoll.errors import DataError

LEVEL_ROW = "row"
MOST_KEYS = 1_000_000  # a rule that more rows break stops the batch, and nobody lists them
MOST_PARTS = 64
_PARTS: dict[tuple[int, frozenset[str]], tuple[Any, Any]] = {}  # suite and part, by the suite's id and the names


def run_suite(suite: Any, batch: Any, rows: int) -> dict[str, Any]:
    """Return the suite's full result over a batch of so many rows, in the order of the suite.

    Great Expectations looks for examples of bad values of each expectation, one query each. An expectation that every
    row has to meet is therefore first asked for a yes or no, all of them in one query; a yes says that there are no
    bad values. The keys of bad rows are looked for where there are some.
    """
    strict = {_name(_config(one)) for one in suite.expectations if _all_rows_must_meet(one)}
    asked = validate(_part_of(suite, strict), batch, {"result_format": "BOOLEAN_ONLY"})["results"] if strict else []
    met = {_name(one["expectation_config"]): {**one, "result": _no_bad_rows(rows)} for one in asked if one["success"]}
    names = [_name(_config(one)) for one in suite.expectations]
    body = validate(_part_of(suite, set(names) - met.keys()), batch, {"result_format": "BASIC"})
    found = {**met, **{_name(one["expectation_config"]): one for one in body["results"]}}
    for name, keys in _bad_keys(suite, batch, found).items():
        found[name] = {**found[name], "result": {**found[name]["result"], "unexpected_index_list": keys}}
    for passing in ("run_id", "batch_markers"):  # when, not what: the same rows are to give the same report
        body.get("meta", {}).pop(passing, None)
    results = [found[name] for name in names]
    good = sum(bool(one["success"]) for one in results)
    share = 100 * good / len(results) if results else None
    counts = {"successful_expectations": good, "unsuccessful_expectations": len(results) - good}
    statistics = {"evaluated_expectations": len(results), **counts, "success_percent": share}
    whole = {**body, "results": results, "success": good == len(results), "statistics": statistics}
    return _without_nan(whole)  # type: ignore[no-any-return]


def validate(suite: Any, batch: Any, form: dict[str, Any]) -> dict[str, Any]:
    """Return what Great Expectations says of a batch, as JSON."""
    body: dict[str, Any] = json.loads(json.dumps(batch.validate(suite, result_format=form).to_json_dict(), default=str))
    return body


def _all_rows_must_meet(one: Any) -> bool:
    from great_expectations.expectations.expectation import ColumnMapExpectation

    return isinstance(one, ColumnMapExpectation) and one.mostly == 1


def _no_bad_rows(rows: int) -> dict[str, Any]:
    return {"element_count": rows, "unexpected_count": 0, "unexpected_percent": 0.0, "partial_unexpected_list": []}


def _bad_keys(suite: Any, batch: Any, found: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the keys of all rows that break an expectation of level row, by its name."""
    bad = {name: one["result"] for name, one in found.items() if _has_bad_rows(one)}
    marked = {name: result for name, result in bad.items() if int(result["unexpected_count"]) <= MOST_KEYS}
    if not marked:
        return {}
    most = max(int(result["unexpected_count"]) for result in marked.values())
    form = {"result_format": "COMPLETE", "unexpected_index_column_names": [KEY], "partial_unexpected_count": most}
    again = validate(_part_of(suite, marked.keys()), batch, form)["results"]
    return {_name(one["expectation_config"]): _all_keys(one) for one in again}


def _has_bad_rows(found: dict[str, Any]) -> bool:
    meta = found["expectation_config"].get("meta") or {}
    return meta.get("level") == LEVEL_ROW and bool(found["result"].get("unexpected_count"))


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
