"""Whole columns of training rows, one at a time: exact quantiles ask for every value of a column at once.

Rows that lie in files are read once and turned into a file of columns, since reading each column from each part would
open parts times columns files.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from plimsoll.profile import ColumnPlan, as_numbers, plan_profile
from plimsoll.row_parts import Rows

HELD_CELLS = 2**22  # of columns put together in memory, one column at least
TURNED_CELLS = 2**28  # 2 GiB of a scratch file, which takes as many columns at once as go into it
FLOAT64_BYTES = 8


def plan_rows(rows: Rows, kinds: Mapping[str, str]) -> tuple[ColumnPlan, ...]:
    """Return the plan that all rows give for the columns of kinds (name to number or category).

    Raises DataError for a column that is missing or that is text where a number is declared.
    """
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    columns = _held(rows, numbers) if rows.scratch is None else _turned(rows, numbers, rows.scratch)
    plan: list[ColumnPlan] = []
    for name, kind in kinds.items():
        frame = next(columns) if kind == "number" else pd.DataFrame({name: []})
        plan.extend(plan_profile(frame, {name: kind}))
    return tuple(plan)


def _held(rows: Rows, names: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield each column of rows that are in memory."""
    for some in _few(names, HELD_CELLS // len(rows)):
        columns = pd.concat(rows.frames(columns=some), ignore_index=True)
        yield from (columns.filter([name]) for name in some)


def _turned(rows: Rows, names: Sequence[str], scratch: Path) -> Iterator[pd.DataFrame]:
    """Yield each column of rows that lie in files, as float64."""
    height = len(rows)
    for some in _few(names, TURNED_CELLS // height):
        with tempfile.TemporaryFile(dir=scratch) as file:
            start = 0
            for frame in rows.frames(columns=some):
                for j, name in enumerate(some):
                    file.seek((j * height + start) * FLOAT64_BYTES)
                    file.write(as_numbers(name, frame[name]).tobytes())
                start += len(frame)
            for j, name in enumerate(some):
                file.seek(j * height * FLOAT64_BYTES)
                yield pd.DataFrame({name: np.fromfile(file, np.float64, height)})


def _few(names: Sequence[str], many: int) -> Iterator[Sequence[str]]:
    step = max(1, many)
    return (names[at : at + step] for at in range(0, len(names), step))
