"""Frozen holdouts: rows that no training of a model may touch, across all retrains, told by date or by key.

Which rows they are follows from the config alone, so a repetition of a run leaves out the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.config_loading import nearest
from plimsoll.errors import ConfigError, DataError
from plimsoll.keys import value_words
from plimsoll.ledger import Entry
from plimsoll.row_parts import DATE, Mask, Rows
from plimsoll.split_config import Holdout
from plimsoll.standing import Standing
from plimsoll.training import key_share

FROZEN, LOOKED = "holdout_frozen", "holdout_looked"
NAMED = 3  # keys in a sentence


class Held:
    """A frozen holdout as a candidate is judged on it: a plain class, since Prefect walks through dataclasses."""

    def __init__(self, holdout: Holdout, entry: Entry, rows: Rows, changed: "Changed") -> None:
        self.holdout, self.entry, self.rows, self.changed = holdout, entry, rows, changed

    @property
    def snapshot(self) -> str:
        """The id of the snapshot that holds its rows."""
        return str(self.entry.facts["snapshot"])


@dataclass(frozen=True)
class Changed:
    """What the source says today of the rows of a holdout, beside what was frozen."""

    compared: int  # rows with an outcome that both hold
    other: tuple[str, ...] = ()  # keys of rows with other values
    gone: tuple[str, ...] = ()  # keys that the source does not hold any more, of dates that it does
    new: tuple[str, ...] = ()  # keys that came since, of dates that are all held out

    @property
    def count(self) -> int:
        """How many rows differ."""
        return len(self.other) + len(self.gone) + len(self.new)

    @property
    def sentence(self) -> str:
        """What differs, in words."""
        if not self.count:
            return f"{self.compared:,} rows of the source are as they were frozen"
        said = (("with other values", self.other), ("gone", self.gone), ("new", self.new))
        parts = [f"{len(keys):,} {what} ({_examples(keys)})" for what, keys in said if keys]
        return f"rows of the source are not as they were frozen: {', '.join(parts)}"


def held_rows(frame: pd.DataFrame, holdout: Holdout) -> Mask:
    """Return which rows of an assembled frame with dates belong to a holdout.

    Raises DataError where the rows do not have the column that it goes by.
    """
    if holdout.share is None:
        dates = frame[DATE].astype(str)
        return np.asarray((dates >= str(holdout.start)) & (dates <= str(holdout.end)), dtype=bool)
    return np.asarray(key_share(f"holdout {holdout.name} " + _dealt_by(frame, holdout)) < holdout.share, dtype=bool)


def _dealt_by(frame: pd.DataFrame, holdout: Holdout) -> pd.Series:
    """Return what is hashed of each row: its key, or the value of a column; a row without one is nobody else's."""
    keys = frame[KEY].astype(str)
    if holdout.by is None:
        return keys
    if holdout.by not in frame:
        there = [str(name) for name in frame.columns if not str(name).startswith("__")]
        raise DataError(
            f"split.holdout: {holdout.name} goes by {holdout.by}, which is not among the batch's columns, its lookups' "
            f"and its features'.{nearest(holdout.by, there)}"
        )
    values = frame[holdout.by]
    return (f"{holdout.by} " + value_words(values)).where(values.notna(), keys)


def keep_out(frame: pd.DataFrame, holdouts: Sequence[Holdout]) -> pd.DataFrame:
    """Return the rows of a frame that belong to no holdout."""
    for holdout in holdouts:
        frame = frame[~held_rows(frame, holdout)]
    return frame


def wholly_held(date: str, holdouts: Sequence[Holdout]) -> bool:
    """Return whether all rows of a batch date are held out."""
    return any(one.share is None and str(one.start) <= date <= str(one.end) for one in holdouts)


def definition(holdout: Holdout) -> dict[str, Any]:
    """Return what makes a holdout what it is, as the ledger keeps it."""
    return holdout.model_dump(mode="json", exclude_none=True)


def frozen(standing: Standing, name: str) -> Entry | None:
    """Return the entry that froze a holdout, None when none has."""
    return next((e for e in standing.of_kind(FROZEN) if e.facts["holdout"]["name"] == name), None)


def require_kept(standing: Standing, holdouts: Sequence[Holdout]) -> None:
    """Raise ConfigError where the config has lost or changed a holdout that was frozen: its rows would train."""
    now = {one.name: definition(one) for one in holdouts}
    for entry in standing.of_kind(FROZEN):
        then = dict(entry.facts["holdout"])
        found = now.get(then["name"])
        if found != then:
            what = "does not name it any more" if found is None else f"says {_words(found)} now"
            raise ConfigError(
                f"The config of {standing.model}: split.holdout: {then['name']} was frozen in ledger entry "
                f"{entry.n} as {_words(then)}, and the config {what}. Its rows would train, which nobody could undo. "
                "Put it back as it was; another one may be added after it, and then that is the one that judges."
            )


def looks_at(standing: Standing, snapshot: str) -> list[Entry]:
    """Return the entries of all looks at a holdout, one for each different bundle."""
    return [entry for entry in standing.of_kind(LOOKED) if entry.facts["snapshot"] == snapshot]


def compare_rows(then: pd.DataFrame, now: pd.DataFrame, columns: Sequence[str], *, whole: bool) -> Changed:
    """Return how the rows of today differ from those frozen, by key, in these columns and the outcome.

    whole: every row of its dates is held out, so one that came since is a change too. A row that had no outcome judges
    nothing, so whatever becomes of it is no change.
    """
    old, new = (_hashes(frame, columns) for frame in (then[then[OUTCOME].notna()], now))
    both = old.index.intersection(new.index)
    other = both[(old.loc[both] != new.loc[both]).to_numpy()]
    gone, came = old.index.difference(new.index), new.index.difference(pd.Index(then[KEY]))
    return Changed(len(both), tuple(other), tuple(gone), tuple(came) if whole else ())


def _hashes(frame: pd.DataFrame, columns: Sequence[str]) -> "pd.Series[int]":
    there = frame[[*sorted({*columns} & {*frame.columns}), OUTCOME]]
    return pd.Series(pd.util.hash_pandas_object(there, index=False).to_numpy(), index=pd.Index(frame[KEY]))


def _examples(keys: Sequence[str]) -> str:
    return ", ".join(keys[:NAMED]) + (" and others" if len(keys) > NAMED else "")


def _words(body: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in body.items() if name != "name")
