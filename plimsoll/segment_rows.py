"""The rows of a segment: taken from a batch that was assembled and judged as a whole."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from plimsoll.assembled import Assembled, ScratchFile
from plimsoll.assembly import KEY
from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.families import Segment
from plimsoll.model_config import ModelConfig
from plimsoll.validation import BadRow, Verdict

SHOWN = 8  # values that a sentence lists


def segment_frame(frame: pd.DataFrame, config: ModelConfig) -> pd.DataFrame:
    """Return the rows of the config's segment in their order; all of them for a config without one.

    Raises DataError when the rows do not have the segment's column.
    """
    segment = config.segment
    return frame if segment is None else frame[_is_of(frame, segment)].reset_index(drop=True)


def segment_batch(rows: Assembled, verdict: Verdict, config: ModelConfig, scratch: Path) -> tuple[Assembled, Verdict]:
    """Return the rows of the config's segment with what the verdict on the whole batch says of them.

    What stops the batch stops the segment. So do bad values of the segment's own column, where they are more than may
    be set aside: nobody knows whose rows they are. Raises DataError when no row belongs to the segment, naming the
    values that are there: a batch without rows is not scored, and somebody should know.
    """
    if config.segment is None:
        return rows, verdict
    if said := _nobodys(rows, verdict, config):
        return rows, replace(verdict, stops=(*verdict.stops, said))
    mine = _kept(rows, config, scratch)
    if not mine.rows:
        raise DataError(_none(rows, config.segment, config.model))
    bad = tuple(_bad_rows_of(mine, verdict))
    return mine, replace(verdict, rows=mine.rows, bad_rows=bad)


def _nobodys(rows: Assembled, verdict: Verdict, config: ModelConfig) -> str:
    """Return why a batch cannot be shared out, empty when it can."""
    column, most = config.segment and config.segment.column, config.scoring.max_quarantined_share
    lost = {row.key for row in verdict.bad_rows if row.column == column}
    if len(lost) <= most * rows.rows:
        return ""
    return (
        f"{len(lost)} of the batch's {rows.rows} rows have a bad {column}, so nobody knows whose they are "
        f"(scoring.max_quarantined_share allows {most:.1%})"
    )


def _bad_rows_of(mine: Assembled, verdict: Verdict) -> Iterator[BadRow]:
    bad = {row.key for row in verdict.bad_rows}
    keys = {key for chunk in mine.chunks([KEY]) for key in chunk[KEY][chunk[KEY].isin(bad)]} if bad else set()
    return (row for row in verdict.bad_rows if row.key in keys)


def _kept(rows: Assembled, config: ModelConfig, scratch: Path) -> Assembled:
    if isinstance(rows.held, pd.DataFrame):
        mine = segment_frame(rows.held, config)
        return replace(rows, rows=len(mine), held=mine)
    numbers = set(config.feature_names) - config.categories
    sink = ScratchFile(scratch / f"segment-{rows.held.name}", numbers, {KEY, *config.source.key})
    for chunk in _not_empty(segment_frame(chunk, config) for chunk in rows.chunks()):
        sink.write(chunk)
    return replace(sink.close(), infinite=rows.infinite)


def _not_empty(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    return (frame for frame in frames if len(frame))


def _is_of(frame: pd.DataFrame, segment: Segment) -> pd.Series:
    if segment.column not in frame:
        raise DataError(
            f"segment.column {segment.column} is not among the batch's columns, its lookups' and its features'."
            f"{nearest(segment.column, [str(c) for c in frame.columns])}"
        )
    column, value = frame[segment.column], segment.value
    if isinstance(value, str) == pd.api.types.is_numeric_dtype(column) and column.notna().any():
        raise DataError(
            f"segment.value {value!r} is {'text' if isinstance(value, str) else 'no text'}, and {segment.column} holds "
            f"{column.dtype}, such as {column.dropna().iloc[0]!r}. Write the value as the column has it."
        )
    return column.astype(object) == value


def _none(rows: Assembled, segment: Segment, model: str) -> str:
    seen = sorted({str(v) for chunk in rows.chunks([segment.column]) for v in chunk[segment.column].dropna().unique()})
    listed = ", ".join(seen[:SHOWN]) + (f" and {len(seen) - SHOWN} more" if len(seen) > SHOWN else "")
    return (
        f"{model}: none of the batch's {rows.rows:,} rows has {segment.column} {segment.value!r}, so there is nothing "
        f"to score or to train on. It has {listed or 'no value at all'}."
    )
