"""Side tables: equal keys, or the latest row that was known when the prediction was asked."""

from collections.abc import Mapping

import pandas as pd

from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.model_config import Lookup, Source

ORDER = "__order__"
DECIDED = "__decided_at__"
PUBLISHED = "__published_at__"


def decision_time(batch: pd.DataFrame, source: Source) -> pd.Series:
    """Return when each row's prediction is asked: its event time less the lead, UTC."""
    times = pd.to_datetime(batch[source.event_time], utc=True).dt.as_unit("us")
    return times - pd.Timedelta(minutes=source.decision_lead_minutes)


def join_lookups(batch: pd.DataFrame, source: Source, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return batch with every lookup's columns beside its own, same rows in the same order.

    Raises DataError naming lookup and column when one is missing, or a key stands twice in a side table.
    """
    joined = batch.reset_index(drop=True)
    for lookup in source.lookups:
        table = tables[lookup.name]
        _require(joined, lookup.by, f"batch, for lookup {lookup.name}")
        needed = [*lookup.by, *lookup.columns, *([lookup.observed_at] if lookup.observed_at else [])]
        _require(table, needed, f"lookup {lookup.name}")
        join = _join_as_of if lookup.observed_at else _join_equal
        joined = join(joined, source, lookup, table[needed])
    return joined


def _require(frame: pd.DataFrame, columns: list[str], where: str) -> None:
    for column in columns:
        if column not in frame:
            raise DataError(f"{where}: column {column} is missing.{nearest(column, [str(c) for c in frame.columns])}")


def _join_equal(batch: pd.DataFrame, source: Source, lookup: Lookup, table: pd.DataFrame) -> pd.DataFrame:
    known = table.dropna(subset=lookup.by)
    twice = known.duplicated(lookup.by)
    if twice.any():
        key = ", ".join(str(value) for value in known.loc[twice, lookup.by].iloc[0])
        raise DataError(f"lookup {lookup.name}: {key} stands twice, so the join is not defined. Keep one row per key.")
    clashing = [column for column in lookup.columns if column in batch]
    return batch.drop(columns=clashing).merge(known, how="left", on=lookup.by, sort=False)


def _join_as_of(batch: pd.DataFrame, source: Source, lookup: Lookup, table: pd.DataFrame) -> pd.DataFrame:
    """Join the latest row published by the decision time and observed at most max_age_hours before it."""
    observed = pd.to_datetime(table[lookup.observed_at], utc=True).dt.as_unit("us")
    delay = pd.Timedelta(minutes=lookup.published_after_minutes)
    right = table[[*lookup.by, *lookup.columns]].assign(**{PUBLISHED: observed + delay}).dropna(subset=lookup.by)
    clashing = [column for column in lookup.columns if column in batch]
    left = batch.drop(columns=clashing).assign(**{ORDER: range(len(batch)), DECIDED: decision_time(batch, source)})
    asked = left.dropna(subset=[*lookup.by, DECIDED]).sort_values(DECIDED, kind="stable")
    found = pd.merge_asof(
        asked[[*lookup.by, ORDER, DECIDED]],
        right.sort_values(PUBLISHED, kind="stable"),
        left_on=DECIDED,
        right_on=PUBLISHED,
        by=lookup.by,
        tolerance=pd.Timedelta(hours=lookup.max_age_hours) - delay,
    )
    joined = left.merge(found[[ORDER, *lookup.columns]], how="left", on=ORDER, sort=False)
    return joined.drop(columns=[ORDER, DECIDED])
