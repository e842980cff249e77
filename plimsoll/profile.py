"""The profile: a mergeable summary of a batch's feature columns, made while scoring.

A plan fixes the bins once, from reference rows; every later batch is counted on them. A profile holds
integers only, so merging is exact: in any order it equals the profile of all rows put together.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plimsoll.errors import DataError

Kind = Literal["number", "category"]
MAX_POINTS = 115  # edges inside the reference range; with those outside it 128
OUTER_STEPS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)  # edges outside it, in spans of the range


@dataclass(frozen=True)
class ColumnPlan:
    """How one column is counted: a number on len(edges) + 1 right-closed bins, a category by its values.

    Edges are reference quantiles over the range lo..hi, and a few outside it, so that a value never seen
    before is counted apart even where the reference is constant.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    lo: float = 0.0
    hi: float = 0.0


@dataclass(frozen=True)
class ColumnProfile:
    """Counts of one column: per bin of the plan, or per category; nulls are counted apart."""

    rows: int
    nulls: int
    counts: tuple[int, ...] | dict[str, int]


@dataclass(frozen=True)
class Profile:
    """Counts of a batch: its rows, and every planned column."""

    rows: int
    columns: Mapping[str, ColumnProfile]


def plan_profile(frame: pd.DataFrame, kinds: Mapping[str, str]) -> tuple[ColumnPlan, ...]:
    """Return the plan that reference rows give for the columns of kinds (name to number or category).

    Raises DataError for a column that is missing or that is text where a number is declared.
    """
    _require(frame, list(kinds))
    return tuple(_plan_column(name, kind, frame[name]) for name, kind in kinds.items())


def profile_batch(plan: Sequence[ColumnPlan], frame: pd.DataFrame) -> Profile:
    """Return the profile of a batch on a plan; other columns of the batch are not looked at.

    Raises DataError for a column that is missing or that is text where a number is declared.
    """
    _require(frame, [column.name for column in plan])
    return Profile(len(frame), {c.name: _profile_column(c, frame[c.name]) for c in plan})


def merge(a: Profile, b: Profile) -> Profile:
    """Return the profile of the rows of both; ValueError when they were made on different plans."""
    if a.columns.keys() != b.columns.keys():
        differ = ", ".join(sorted(a.columns.keys() ^ b.columns.keys()))
        raise ValueError(f"Profiles of different plans cannot be merged: only one of them has {differ}.")
    columns = {name: _merge_column(name, column, b.columns[name]) for name, column in a.columns.items()}
    return Profile(a.rows + b.rows, columns)


def to_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as a JSON value; `from_json` gives the equal profile back."""
    columns = {
        name: {
            "rows": c.rows,
            "nulls": c.nulls,
            "counts": c.counts if isinstance(c.counts, dict) else [*c.counts],
        }
        for name, c in profile.columns.items()
    }
    return {"rows": profile.rows, "columns": columns}


def from_json(body: Mapping[str, Any]) -> Profile:
    """Return the profile that `to_json` wrote; DataError when another version of this project wrote another form."""
    try:
        columns = {name: _column_from_json(c) for name, c in body["columns"].items()}
        return Profile(body["rows"], columns)
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"A profile was written by another version of Plimsoll and cannot be read: {type(error).__name__} {error}. "
            "That of a batch is made again from its snapshot when it is judged; that of training days comes anew with "
            "the next version: plimsoll train MODEL"
        ) from None


def is_on_plan(profile: Profile, plan: Sequence[ColumnPlan]) -> bool:
    """Return whether a profile counts every column of a plan as the plan does."""
    return all(c.name in profile.columns and _counted_by(c, profile.columns[c.name]) for c in plan)


def _counted_by(column: ColumnPlan, found: ColumnProfile) -> bool:
    if isinstance(found.counts, dict):
        return column.kind == "category"
    return column.kind == "number" and len(found.counts) == len(column.edges) + 1


def plan_to_json(plan: Sequence[ColumnPlan]) -> list[dict[str, Any]]:
    """Return a plan as a JSON value; `plan_from_json` gives the equal plan back."""
    return [{**asdict(column), "edges": list(column.edges)} for column in plan]


def plan_from_json(body: Sequence[Mapping[str, Any]]) -> tuple[ColumnPlan, ...]:
    """Return the plan that `plan_to_json` wrote."""
    return tuple(ColumnPlan(**{**column, "edges": tuple(column["edges"])}) for column in body)


def _require(frame: pd.DataFrame, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in frame.columns]:
        raise DataError(
            f"Expected the columns {', '.join(names)} to profile, found no {', '.join(missing)}. "
            "Check the feed, and the features of the model config."
        )


def _plan_column(name: str, kind: str, series: pd.Series) -> ColumnPlan:
    if kind not in ("number", "category"):
        raise ValueError(f"Column {name}: expected the kind number or category, found {kind!r}.")
    if kind == "category":
        return ColumnPlan(name, "category")
    values = as_numbers(name, series)
    values = values[np.isfinite(values)]
    if not values.size:
        return ColumnPlan(name, "number")
    return number_plan(name, values)


def number_plan(name: str, values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> ColumnPlan:
    """Return the plan of a number by its finite values, one at least; weights say how often each is there."""
    points = np.unique(values)
    if points.size > MAX_POINTS:
        levels = np.linspace(0, 1, MAX_POINTS)
        points = np.unique(np.quantile(values, levels, method="inverted_cdf", weights=weights))
    lo, hi = float(points[0]), float(points[-1])
    below = [lo - step * (hi - lo) for step in OUTER_STEPS]
    above = [hi + step * (hi - lo) for step in OUTER_STEPS]
    edges = {*below, math.nextafter(lo, -math.inf), *points.tolist(), *above}
    return ColumnPlan(name, "number", tuple(sorted(filter(math.isfinite, edges))), lo, hi)


def _profile_column(column: ColumnPlan, series: pd.Series) -> ColumnProfile:
    if column.kind == "category":
        tally = _tally(series)
        return ColumnProfile(len(series), len(series) - sum(tally.values()), tally)
    values = as_numbers(column.name, series)
    known = values[~np.isnan(values)]
    bins = np.searchsorted(np.asarray(column.edges, dtype=np.float64), known, side="left")
    counts = np.bincount(bins, minlength=len(column.edges) + 1)
    return ColumnProfile(len(values), len(values) - len(known), tuple(counts.tolist()))


def as_numbers(name: str, series: pd.Series) -> NDArray[np.float64]:
    """Return a column as float64 with NaN for null; text that spells numbers is read, DataError for other text."""
    if pd.api.types.is_numeric_dtype(series.dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    try:
        return series.astype(object).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        found = next(v for v in series.dropna() if not _is_number(v))
        raise DataError(
            f"Column {name} is declared a number, found {found!r} ({series.dtype}). "
            "Declare it a category, or mend the feed or the feature function."
        ) from None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _tally(series: pd.Series) -> dict[str, int]:
    values = series.value_counts(sort=False)
    tally: Counter[str] = Counter()
    for value, count in zip(values.index.tolist(), values.tolist(), strict=True):
        tally[_label(value)] += count
    return {label: tally[label] for label in sorted(tally) if tally[label]}


def _label(value: Any) -> str:
    """Return a category's name; 3 and 3.0 are one, since one null turns a column of integers to floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _merge_column(name: str, a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    if isinstance(a.counts, dict) and isinstance(b.counts, dict):
        total = Counter(a.counts) + Counter(b.counts)
        return ColumnProfile(a.rows + b.rows, a.nulls + b.nulls, {k: total[k] for k in sorted(total)})
    if isinstance(a.counts, dict) or isinstance(b.counts, dict) or len(a.counts) != len(b.counts):
        raise ValueError(f"Profiles of different plans cannot be merged: column {name} has other bins.")
    counts = tuple(x + y for x, y in zip(a.counts, b.counts, strict=True))
    return ColumnProfile(a.rows + b.rows, a.nulls + b.nulls, counts)


def _column_from_json(body: Mapping[str, Any]) -> ColumnProfile:
    counts = body["counts"]
    held = dict(counts) if isinstance(counts, Mapping) else tuple(cast(list[int], counts))
    return ColumnProfile(body["rows"], body["nulls"], held)
