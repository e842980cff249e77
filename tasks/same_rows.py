"""The rows that several versions scored, with their outcomes so far: read part by part where they are many."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.recommendation import Role
from plimsoll.side_by_side import DAY, OUTCOME
from plimsoll.snapshot import FileRef
from plimsoll.standing import Standing, Version
from tasks.committed_rows import committed_rows, outcome_share
from tasks.landing import keep_outcomes
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Side:
    """A version whose scores are compared, and where they are told of."""

    config: ModelConfig
    standing: Standing
    version: Version
    role: Role
    batches: Mapping[str, Entry]  # by date

    @property
    def name(self) -> str:
        """The version in words: with its model where that is another one."""
        return f"{self.config.model} v{self.version.number}" if self.role == "other" else f"v{self.version.number}"

    @property
    def trained_through(self) -> str:
        """The last day whose outcomes it learned from: on those it is not compared."""
        return str(self.version.trained.facts.get("trained_through") or "")


def same_rows(
    workspace: Workspace, config: ModelConfig, sides: Sequence[Side], last: str, share: float
) -> pd.DataFrame:
    """Return a row per key and day with the outcome so far and a column of scores per version."""
    dates = sorted({date for side in sides for date in side.batches})
    known = (dt.date.fromisoformat(last) - dt.timedelta(days=config.outcome.delay_days)).isoformat()
    outcomes = keep_outcomes(workspace, config, [date for date in dates if date <= known])
    names, seen = [side.name for side in sides], dict[str, pd.Series]()
    parts = [pd.DataFrame({DAY: [], OUTCOME: [], **{name: [] for name in names}}, dtype=float).astype({DAY: str})]
    for date in dates:
        batches: dict[tuple[str, int], pd.DataFrame] = {}  # of this date; versions of a model share theirs
        scores = {side.name: _scores(workspace, side, date, share, batches) for side in sides}
        day = pd.DataFrame(scores, columns=names)
        ref = outcomes.get(date)
        truth = _outcomes(workspace, config, ref, date, share, seen) if ref else pd.Series(dtype=float)
        day.insert(0, OUTCOME, truth.reindex(day.index).to_numpy())
        parts.append(day.assign(**{DAY: date}).astype({OUTCOME: float}))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _scores(
    workspace: Workspace, side: Side, date: str, share: float, batches: dict[tuple[str, int], pd.DataFrame]
) -> pd.Series:
    """Return a version's scores of a date by key; none of a date that it learned from."""
    if (batch := side.batches.get(date)) is None or date <= side.trained_through:
        return pd.Series(dtype=float)
    parts = []
    for entry in (batch, *side.standing.cleared(batch, side.version.number)):
        if (place := (entry.model, entry.n)) not in batches:
            batches[place] = committed_rows(workspace, entry, share)
        parts.append(batches[place])
    rows = pd.concat(parts, ignore_index=True)
    return rows[rows["version"] == side.version.number].set_index("key")["score"]


def _outcomes(
    workspace: Workspace, config: ModelConfig, ref: FileRef, date: str, share: float, seen: dict[str, pd.Series]
) -> pd.Series:
    if ref.digest not in seen:
        seen.clear()  # one file at a time: all dates of an undivided table have the same
        seen[ref.digest] = outcome_share(workspace, config, ref, f"outcomes of {date}", share)
    return seen[ref.digest]
