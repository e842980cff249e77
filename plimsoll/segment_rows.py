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
from plimsoll.validation import Verdict

SHOWN = 8  # values that a sentence lists


def segment_frame(frame: pd.DataFrame, config: ModelConfig) -> pd.DataFrame:
    """Return the rows of the config's segment in their order; all of them for a config without one.

    Raises DataError when the rows do not have the segment's column.
    """
    segment = config.segment
    return frame if segment is None else frame[_is_of(frame, segment)].reset_index(drop=True)


def segment_batch(rows: Assembled, verdict: Verdict, config: ModelConfig, scratch: Path) -> tuple[Assembled, Verdict]:
    """Return the rows of the config's segment with what the verdict on the whole batch says of them.

    What stops the batch stops the segment. Raises DataError when no row belongs to it, naming the values that are
    there: a batch without rows is not scored, and somebody should know.
    """
    if config.segment is None:
        return rows, verdict
    mine = _kept(rows, config, scratch)
    if not mine.rows:
        raise DataError(_none(rows, config.segment, config.model))
    keys = {key for chunk in mine.chunks([KEY]) for key in chunk[KEY]}
    bad = tuple(row for row in verdict.bad_rows if row.key in keys)
    return mine, replace(verdict, rows=mine.rows, bad_rows=bad)


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
    column = frame[segment.column]
    if isinstance(segment.value, str):
        return column.astype(str) == segment.value
    return column == segment.value


def _none(rows: Assembled, segment: Segment, model: str) -> str:
    seen = sorted({str(v) for chunk in rows.chunks([segment.column]) for v in chunk[segment.column].dropna().unique()})
    listed = ", ".join(seen[:SHOWN]) + (f" and {len(seen) - SHOWN} more" if len(seen) > SHOWN else "")
    return (
        f"{model}: none of the batch's {rows.rows:,} rows has {segment.column} {segment.value!r}, so there is nothing "
        f"to score or to train on. It has {listed or 'no value at all'}."
    )
