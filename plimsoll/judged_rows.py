"""The rows that judge: outcomes, what candidate and champion said of them, and the units they hang together in.

Rows of one day share weather, staff and feed, so they say less than as many rows of many days: what an interval or a
test counts is days. Without a time axis the unit is the row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.metrics import Numbers
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import Mask, Rows

MOST_UNITS = 400  # rows without dates are dealt to so many when there are more; a unit of rows is then a block
Units = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows with outcomes that candidate and champion were not chosen by."""

    config: ModelConfig
    outcome: Numbers
    score: Numbers
    unit: Units  # 0 to len(units) - 1
    units: tuple[str, ...]  # their names: dates in order, or numbers
    read: Callable[[Sequence[str]], pd.DataFrame] = field(repr=False)  # columns of the same rows
    rival: Numbers | None = None  # what the champion said of them; None without one
    champion: str = ""  # in words
    tries: int = 1  # challengers of this champion that were judged on some of these rows, this one counted

    @property
    def task(self) -> str:
        """Whether outcomes are a yes or no, or numbers."""
        return self.config.task

    @property
    def unit_word(self) -> str:
        """What a unit is."""
        if self.config.source.kind == "dates":
            return "days"
        return "rows" if len(self.units) == len(self.outcome) else "blocks of rows"

    def columns(self, names: Sequence[str], asked_by: str) -> pd.DataFrame:
        """Return columns of the rows; DataError for one that no row has, naming the field that asks for it."""
        frame = self.read(names)
        if missing := [name for name in names if name not in frame]:
            known = [str(c) for c in self.read(()).columns if not str(c).startswith("__")]
            raise DataError(
                f"{self.config.model}: {asked_by} names {missing[0]}, which the rows do not have."
                f"{nearest(missing[0], known)}"
            )
        return frame


def judged_rows(
    rows: Rows, mask: Mask, config: ModelConfig, score: Numbers, rival: Numbers | None, champion: str, tries: int
) -> Judged:
    """Return some rows, all with outcomes, with the scores that they were given in their order."""
    unit, names = units_of(rows, mask, config)

    def read(columns: Sequence[str]) -> pd.DataFrame:
        if not columns:  # which there are
            return next(rows.frames(mask))
        return pd.concat(rows.frames(mask, columns), ignore_index=True)

    return Judged(config, rows.outcome[mask], score, unit, names, read, rival, champion, tries)


def units_of(rows: Rows, mask: Mask, config: ModelConfig) -> tuple[Units, tuple[str, ...]]:
    """Return each row's unit and their names: its day, or without a time axis the row, in seeded blocks when many."""
    if config.source.kind == "dates":
        _, day = np.unique(rows.day[mask], return_inverse=True)
        return np.asarray(day, dtype=np.int32), rows.dates(mask)
    block, count = deal_rows(int(mask.sum()), config.estimator.seed)
    return block, tuple(str(n) for n in range(count))


def deal_rows(count: int, seed: int) -> tuple[Units, int]:
    """Return the unit of each of some rows without dates, itself or of many a seeded block, and how many there are."""
    order = np.random.default_rng(seed).permutation(count)
    block = np.argsort(order) % MOST_UNITS if count > MOST_UNITS else np.arange(count)
    return np.asarray(block, dtype=np.int32), min(count, MOST_UNITS)
