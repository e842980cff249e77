"""Predictions joined to the outcomes of their night, part by part: all rows of a key are in one part."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plimsoll.errors import DataError
from plimsoll.metrics import row_losses
from plimsoll.outcomes import NightlyQuality, slice_means

if TYPE_CHECKING:
    import pyarrow as pa

NOWHERE = -1
Places = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JoinedPart:
    """What some rows of a night add to its quality: sums."""

    rows: int
    outcomes: int  # rows whose outcome is known
    unknown_keys: int
    loss: float  # over them
    changed: int | None  # outcomes that a former delivery had otherwise; None: it cannot be compared
    slices: pd.DataFrame | None  # rows and loss by slice


def join_part(
    predictions: "pa.Table",
    outcomes: "pa.Table",
    task: str,
    where: str,
    slices: "pa.Table | None" = None,
    former: "pa.Table | None" = None,
) -> JoinedPart:
    """Return what some predictions (key, score) add to a night.

    outcomes and former have key and outcome, NaN where none will come; slices has key and the columns whose values are
    watched each for itself, the last row of a key counts. where names the outcomes. Raises DataError for two outcomes
    of one key, and where slices lacks a row with an outcome.
    """
    if (twice := _first_twice(outcomes["key"])) is not None:
        raise DataError(f"{where}: two outcomes for {twice}. Send one per row.")
    at = _places(predictions["key"], outcomes["key"])
    truth = _taken(outcomes["outcome"], at)
    known = ~np.isnan(truth)
    losses = row_losses(truth[known], _floats(predictions["score"])[known], task)
    changed = None
    if former is not None and _first_twice(former["key"]) is None:
        before = _taken(former["outcome"], _places(predictions["key"], former["key"]))
        changed = int((~np.isnan(before) & (before != truth)).sum())
    parts = None
    if slices is not None:
        parts = _slice_sums(predictions["key"].filter(_mask(known)), losses, slices, where)
    unknown = len(outcomes) - len(np.unique(at[at != NOWHERE]))
    return JoinedPart(len(truth), int(known.sum()), unknown, float(losses.sum()), changed, parts)


def nightly_quality(parts: Sequence[JoinedPart], date: str, version: int) -> NightlyQuality:
    """Return one version's quality on one date from its parts."""
    known = sum(part.outcomes for part in parts)
    loss = math.fsum(part.loss for part in parts) / known if known else None
    slices = [part.slices for part in parts if part.slices is not None]
    rows, unknown = sum(part.rows for part in parts), sum(part.unknown_keys for part in parts)
    means, sizes = slice_means(slices)
    return NightlyQuality(date, version, loss, rows, known, unknown, means, slice_outcomes=sizes)


def count_changed(parts: Iterable[JoinedPart]) -> int | None:
    """Return how many rows had an outcome before that is another now, or none; None where that cannot be compared."""
    counts = [part.changed for part in parts]
    return None if None in counts else sum(count or 0 for count in counts)


def _first_twice(keys: "pa.ChunkedArray") -> str | None:
    """Return the first key that is there for the second time."""
    import pyarrow.compute as pc

    if pc.count_distinct(keys, mode="all").as_py() == len(keys):
        return None
    words = keys.to_pandas()
    return str(words[words.duplicated()].iloc[0])


def _places(keys: "pa.ChunkedArray", among: "pa.ChunkedArray") -> Places:
    """Return where each key is among others; NOWHERE where it is not, or is null."""
    import pyarrow.compute as pc

    found = pc.index_in(keys, value_set=among.combine_chunks(), skip_nulls=True)
    return np.asarray(pc.fill_null(found, NOWHERE).to_numpy(), dtype=np.int64)


def _taken(values: "pa.ChunkedArray", at: Places) -> Floats:
    """Return values at places, NaN nowhere."""
    return np.append(_floats(values), np.nan)[at]


def _floats(values: "pa.ChunkedArray") -> Floats:
    return np.asarray(values.to_numpy(), dtype=np.float64)


def _mask(known: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(known)


def _slice_sums(keys: "pa.ChunkedArray", losses: Floats, slices: "pa.Table", where: str) -> pd.DataFrame | None:
    """Return rows and loss by slice of some rows."""
    import pyarrow as pa

    columns = [name for name in slices.column_names if name != "key"]
    if not len(keys) or not columns:
        return None
    from_last = _places(keys, slices["key"].take(pa.array(np.arange(len(slices))[::-1])))
    if (from_last == NOWHERE).any():
        lost = keys[int(np.flatnonzero(from_last == NOWHERE)[0])].as_py()
        raise DataError(f"{where}: row {lost} was scored and is not in its batch's snapshot, so it has no slice.")
    rows = slices.select(columns).take(pa.array(len(slices) - 1 - from_last))
    return pd.concat([_value_sums(name, rows[name], losses) for name in columns], ignore_index=True)


def _value_sums(name: str, values: "pa.ChunkedArray", losses: Floats) -> pd.DataFrame:
    """Return rows and loss of every value of a column; rows without a value are in no slice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pa.concat_arrays(values.chunks).dictionary_encode()
    words, codes = coded.dictionary.to_pylist(), pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy()
    size = len(words) + 1  # the last one: no value
    rows, loss = np.bincount(codes, minlength=size), np.bincount(codes, losses, minlength=size)
    return pd.DataFrame({"slice": [f"{name}={word}" for word in words], "rows": rows[:-1], "loss": loss[:-1]})
