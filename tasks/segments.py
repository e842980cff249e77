"""Which segments a model's rows have: the values of a column, counted in the rows of its last training."""

from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from plimsoll.assembly import OUTCOME
from plimsoll.config_loading import nearest
from plimsoll.errors import UserError
from plimsoll.families import Value, segment_value
from plimsoll.row_parts import DATE
from tasks.champion import standing_of
from tasks.scratch import scratch_folder
from tasks.training_days import trained_on
from tasks.training_rows import assemble_training_rows
from tasks.workspace import Workspace


@dataclass(frozen=True)
class SegmentCount:
    """One value of a column, and how many training rows have it."""

    value: Value
    rows: int
    days: int  # with at least one row
    fewest: int  # rows on its thinnest day, of all days
    mean_outcome: float


def count_segments(workspace: Workspace, model: str, column: str) -> tuple[list[SegmentCount], int]:
    """Return the segments of a column in the rows that the newest version was trained and judged on, and their days.

    The largest comes first. Raises UserError where nothing was trained yet, where no row has such a column, or where
    it holds what makes no segment.
    """
    workspace.model(model)
    newest = max(standing_of(workspace, model).versions, key=lambda one: one.number, default=None)
    if newest is None:
        raise UserError(f"{model} has no training rows yet to count {column} in. First: plimsoll train {model}")
    config, snapshot = trained_on(workspace, newest, model)
    with scratch_folder(workspace) as scratch:
        parts = []
        for frame in assemble_training_rows(workspace, config, snapshot, scratch).rows.frames():
            if column not in frame:
                told = nearest(column, sorted(str(name) for name in frame.columns if not str(name).startswith("__")))
                raise UserError(f"The rows of {model} have no column {column}.{told}")
            _require_segments(frame[column], model, column)
            parts.append(_daily(frame, column))
    daily = pd.concat(parts).groupby(level=[0, 1], sort=True).sum()
    days = len(daily.index.unique(level=1))
    found = [_counted(value, part, days) for value, part in daily.groupby(level=0, sort=True)]
    return sorted(found, key=lambda one: (-one.rows, str(one.value))), days


def _require_segments(cells: pd.Series, model: str, column: str) -> None:
    strange = (cell for cell in cells.dropna().unique() if segment_value(cell) is None)
    if (found := next(strange, None)) is not None:
        raise UserError(
            f"Only text, whole numbers and yes/no make segments, and {column} of {model} holds {found}. Name another "
            "column, or make one of such values in its feature function."
        )


def _daily(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    by = frame.groupby([frame[column].astype(object), frame[DATE].astype(str)], sort=True, dropna=True)[OUTCOME]
    return pd.DataFrame({"rows": by.size(), "known": by.count(), "sum": by.sum()})


def _counted(value: Any, part: pd.DataFrame, days: int) -> SegmentCount:
    fewest = int(part["rows"].min()) if len(part) == days else 0
    mean = float(part["sum"].sum() / known) if (known := part["known"].sum()) else float("nan")
    return SegmentCount(cast(Value, segment_value(value)), int(part["rows"].sum()), len(part), fewest, mean)
