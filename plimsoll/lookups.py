"""Lookups: side tables joined to a batch, each row seeing only what was published when its prediction was asked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plimsoll.column_kinds import is_number, told
from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.keys import EXACT
from plimsoll.source_config import Lookup, Source

Positions = NDArray[np.int64]
NONE = -1  # the position of a row that is not there


def join_lookups(batch: pd.DataFrame, source: Source, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return batch with the columns of every lookup; its rows, their order and their index stay as they are.

    Equal keys, or with observed_at the latest row by equal keys that was published by the decision time and
    that, counted from observed_at, is then at most max_age_hours old. Where two rows of a side table have the
    same keys and time, the later one in the table counts. A null key matches nothing. Numbers come over as
    floats, since a row may find none.
    Raises DataError on a missing table or column, keys or times of another type, a column that the batch has
    already, or two rows for one key.
    """
    frame = batch.copy(deep=False)
    for lookup in source.lookups:
        if lookup.name not in tables:
            raise DataError(f"Lookup {lookup.name}: no table of that name was given, only {sorted(tables)}.")
        table = tables[lookup.name]
        _check(frame, table, lookup)
        mine, theirs = _key_codes(frame, table, lookup.by)
        rows = (
            _latest(frame, mine, table, theirs, source, lookup) if lookup.observed_at else _only(mine, theirs, lookup)
        )
        for column in lookup.columns:
            frame[column] = _take(table[column], rows).set_axis(frame.index)
    return frame


def join_parts(lookup: Lookup, parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of a side table's parts, which have their names, one after the other.

    Raises DataError when one lacks a column or holds other values in it than the others.
    """
    first, *others = parts
    observed_at = [lookup.observed_at] if lookup.observed_at else []
    kinds: dict[str, tuple[str, str]] = {}  # column → its kind and the part that showed it
    for name in (first, *others):
        where = f"Lookup {lookup.name} of {name}" if others else f"Lookup {lookup.name}"
        for column in (*lookup.by, *lookup.columns, *observed_at):
            if column not in parts[name]:
                raise DataError(_missing(f"{where}: its table", column, parts[name]))
            if (kind := _kind(parts[name][column])) == "nothing":
                continue
            before, there = kinds.setdefault(column, (kind, name))
            if kind != before:
                raise DataError(
                    f"{where}: found {told(parts[name][column])} in {column}, which is {before} in the part of "
                    f"{there}; they must be alike. Mend the feed."
                )
    return pd.concat([_alike(part, lookup) for part in parts.values()], ignore_index=True)


def _alike(part: pd.DataFrame, lookup: Lookup) -> pd.DataFrame:
    """Return a part with its times in UTC and its decimals as floats, as other parts may have them."""
    changed = {c: part[c].astype("float64") for c in lookup.columns if part[c].dtype == object and is_number(part[c])}
    at = lookup.observed_at
    if at and pd.api.types.is_datetime64_any_dtype(part[at]):
        changed[at] = _utc(part[at], f"Lookup {lookup.name}: its table", at)
    return part.assign(**changed) if changed else part


def decision_time(batch: pd.DataFrame, source: Source) -> pd.Series:
    """Return when each row's prediction is asked (UTC, microseconds): event_time less the lead.

    Raises DataError when the source has no event_time, or the batch no such column of times.
    """
    if source.event_time is None:
        raise DataError(f"{source.where}: source.event_time is not set, so no decision has a time. Name the column.")
    if source.event_time not in batch:
        raise DataError(_missing("the batch", source.event_time, batch))
    lead = pd.Timedelta(minutes=source.decision_lead_minutes)
    return _utc(batch[source.event_time], "the batch", source.event_time) - lead


def _check(frame: pd.DataFrame, table: pd.DataFrame, lookup: Lookup) -> None:
    where = f"Lookup {lookup.name}"
    observed_at = [lookup.observed_at] if lookup.observed_at else []
    for column in (*lookup.by, *lookup.columns, *observed_at):
        if column not in table:
            raise DataError(_missing(f"{where}: its table", column, table))
    for column in lookup.by:
        if column not in frame:
            raise DataError(_missing(f"{where}: the batch", column, frame))
        mine, theirs = _kind(frame[column]), _kind(table[column])
        if mine != theirs and "nothing" not in (mine, theirs):
            raise DataError(f"{where}: {column} is {mine} in the batch and {theirs} in its table; they must be alike.")
    if taken := [column for column in lookup.columns if column in frame]:
        raise DataError(f"{where}: the batch already has {', '.join(taken)}; bring over other columns.")


def _missing(where: str, column: str, frame: pd.DataFrame) -> str:
    there = [str(name) for name in frame.columns]
    near = nearest(column, there)
    has = f"{where} has no column {column}; it has {', '.join(there) or 'none at all'}."
    return has + (near if "Did you mean" in near else "")  # without a near name it would list them again


def _kind(values: pd.Series) -> str:
    if values.isna().all():
        return "nothing"
    if is_number(values):
        return "a number"
    return "a time" if pd.api.types.is_datetime64_any_dtype(values) else "text"


def _key_codes(frame: pd.DataFrame, table: pd.DataFrame, by: list[str]) -> tuple[Positions, Positions]:
    """Return one number per row of frame and of table, equal where all key columns are; NONE where one is null.

    A row of frame whose key the table does not have is NONE too.
    """
    mine, theirs = np.zeros(len(frame), dtype=np.int64), np.zeros(len(table), dtype=np.int64)
    for column in by:
        here, there, count = _places(frame[column], table[column])
        mine, theirs = (
            np.where((codes == NONE) | (found == NONE), NONE, codes * count + found)
            for codes, found in ((mine, here), (theirs, there))
        )
        pairs = np.unique(theirs[theirs != NONE])  # numbered anew, so that many columns do not run out of integers
        mine, theirs = _numbered(mine, pairs), _numbered(theirs, pairs)
    return mine, theirs


def _places(mine: pd.Series, theirs: pd.Series) -> tuple[Positions, Positions, int]:
    """Return where each value stands among the distinct ones of theirs, and how many there are; NONE where it does not.

    DataError where values cannot be told apart: of several types, or whole numbers too large for a side of floats.
    """
    kinds = {_kind(mine), _kind(theirs)}
    if "nothing" in kinds:
        return *(np.full(len(column), NONE, dtype=np.int64) for column in (mine, theirs)), 1  # type: ignore[return-value]
    if kinds == {"text"}:
        return _places_of_words(mine, theirs)
    if kinds == {"a time"}:
        mine, theirs = (_utc(column, "", str(column.name)) for column in (mine, theirs))
    else:
        mine, theirs = _plain_number(mine), _plain_number(theirs)
        if {mine.dtype.kind, theirs.dtype.kind} == {"f", "i"} and max(mine.abs().max(), theirs.abs().max()) >= EXACT:
            raise DataError(
                f"Column {theirs.name} holds whole numbers of {EXACT:.0f} and more, and came as floating-point numbers "
                "on one side, which cannot tell them apart. Send them without a null, or as text."
            )
    known = pd.Index(theirs.dropna().unique())
    found = (np.asarray(known.get_indexer(pd.Index(column)), dtype=np.int64) for column in (mine, theirs))
    return *found, max(len(known), 1)  # type: ignore[return-value]


def _plain_number(column: pd.Series) -> pd.Series:
    """Return numbers as int64, or as float64 where there is a null, a fraction, a decimal or a truth value."""
    whole = pd.api.types.is_integer_dtype(column) and not column.hasnans
    return column.astype("int64" if whole else "float64")


def _places_of_words(mine: pd.Series, theirs: pd.Series) -> tuple[Positions, Positions, int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        here, there = (pa.array(column.array, from_pandas=True).cast(pa.string()) for column in (mine, theirs))
    except pa.ArrowException as error:
        raise DataError(f"Column {theirs.name} is no plain text: {error}. Mend the feed.") from None
    words = pc.unique(there).drop_null()
    words = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
    found = (pc.index_in(one, value_set=words, skip_nulls=True).fill_null(NONE) for one in (here, there))
    places = (np.asarray(one.to_numpy(zero_copy_only=False), dtype=np.int64) for one in map(_whole, found))
    return *places, max(len(words), 1)  # type: ignore[return-value]


def _whole(array: Any) -> Any:
    return array.combine_chunks() if hasattr(array, "chunks") else array


def _numbered(codes: Positions, known: Positions) -> Positions:
    """Return the position of each code among sorted ones, NONE where it is not among them."""
    if not known.size:
        return np.full(len(codes), NONE, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[at] == codes, at, NONE)


def _only(mine: Positions, theirs: Positions, lookup: Lookup) -> Positions:
    """Return the position in the table of each row's key."""
    known = np.flatnonzero(theirs != NONE)
    index = pd.Index(theirs[known])
    if twice := int(index.duplicated(keep=False).sum()):
        raise DataError(
            f"Lookup {lookup.name}: {twice} rows of its table share their {', '.join(lookup.by)} with another one. "
            "Send one row per key, or set observed_at if the table has a history."
        )
    found = index.get_indexer(pd.Index(mine))
    return np.where(found == NONE, NONE, np.append(known, NONE)[found])


def _latest(
    frame: pd.DataFrame, mine: Positions, table: pd.DataFrame, theirs: Positions, source: Source, lookup: Lookup
) -> Positions:
    """Return the position in the table of the latest row that each row of frame could know."""
    column = str(lookup.observed_at)
    observed = _utc(table[column], f"Lookup {lookup.name}: its table", column)
    asked = pd.DataFrame({"code": mine, "at": decision_time(frame, source).array, "row": np.arange(len(frame))})
    known = pd.DataFrame({"code": theirs, "observed": observed.array, "position": np.arange(len(table))})
    known["at"] = known["observed"] + pd.Timedelta(minutes=lookup.published_after_minutes)
    met = pd.merge_asof(_in_time(asked), _in_time(known), on="at", by="code")
    met = met[met["at"] - met["observed"] <= pd.Timedelta(hours=lookup.max_age_hours)]
    rows = np.full(len(frame), NONE, dtype=np.int64)
    rows[met["row"].to_numpy()] = met["position"].to_numpy(dtype=np.int64)
    return rows


def _in_time(events: pd.DataFrame) -> pd.DataFrame:
    """Return the events that have a key and a time, the earliest first; equal times keep their order."""
    return events[(events["code"] != NONE) & events["at"].notna()].sort_values("at", kind="stable")


def _utc(times: pd.Series, where: str, column: str) -> pd.Series:
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise DataError(f"{where} has {column} as {told(times)}; it must be a UTC time. Convert it in the feed.")
    aware = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    micros: pd.Series = aware.dt.as_unit("us")
    return micros


def _take(values: pd.Series, rows: Positions) -> pd.Series:
    """Return values at rows, null at NONE."""
    taken = values.astype("float64") if pd.api.types.is_numeric_dtype(values) else values
    return pd.Series(taken.array.take(rows, allow_fill=True))
