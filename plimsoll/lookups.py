"""Lookups: side tables joined to a batch, each row seeing only what was published when its prediction was asked."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.model_config import Lookup, Source

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
    if pd.api.types.is_numeric_dtype(values):
        return "a number"
    return "a time" if pd.api.types.is_datetime64_any_dtype(values) else "text"


def _key_codes(frame: pd.DataFrame, table: pd.DataFrame, by: list[str]) -> tuple[Positions, Positions]:
    """Return one number per row of frame and of table, equal where all key columns are; NONE where one is null."""
    codes = np.zeros(len(frame) + len(table), dtype=np.int64)
    null = np.zeros(len(codes), dtype=np.bool_)
    for column in by:
        both = pd.concat([frame[column].astype(object), table[column].astype(object)], ignore_index=True)
        found, words = pd.factorize(both)
        null |= found < 0
        codes = np.unique(codes * (len(words) + 1) + found, return_inverse=True)[1].astype(np.int64)
    codes[null] = NONE
    return codes[: len(frame)], codes[len(frame) :]


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
        raise DataError(f"{where} has {column} as {times.dtype}; it must be a UTC time.")
    aware = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    micros: pd.Series = aware.dt.as_unit("us")
    return micros


def _take(values: pd.Series, rows: Positions) -> pd.Series:
    """Return values at rows, null at NONE."""
    if pd.api.types.is_numeric_dtype(values):
        values = values.astype("float64")
    return values.reset_index(drop=True).reindex(rows)
