"""The rows that are compared: those of the champion, with the outcome so far and what each version said of them."""

import datetime as dt
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.errors import DataError, IntegrityError
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import Remembered
from plimsoll.recommendation import Role
from plimsoll.run_record import read_record
from plimsoll.side_by_side import DAY, OUTCOME
from plimsoll.snapshot import FileRef
from plimsoll.standing import Standing, Version
from plimsoll.store import get_json
from plimsoll.training import key_share
from tasks.committed_rows import committed_rows, outcome_share
from tasks.outcomes_feed import see_outcomes
from tasks.workspace import Workspace

SHELF_ROWS = 2_000_000  # of other models and of outcomes in memory, for all members of a family
Found = TypeVar("Found")


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
    def dated(self) -> bool:
        """Whether its batches are those of days, not a whole table again each time."""
        return self.config.source.kind == "dates"

    @property
    def trained_through(self) -> str:
        """The last day whose outcomes it learned from: on those it is not compared."""
        return str(self.version.trained.facts.get("trained_through") or "")


class Shelf:
    """What a command has read of other models and of outcomes: the members of a family read it once.

    Up to so many rows are kept; what is more is read again by whoever needs it.
    """

    def __init__(self, rows: int = 0) -> None:
        self._room, self._kept = rows, dict[Hashable, object]()

    def fits(self, name: Hashable, rows: int) -> bool:
        """Return whether something of so many rows is there or has room."""
        return name in self._kept or rows <= self._room

    def once(self, name: Hashable, make: Callable[[], Found], rows: int = 0) -> Found:
        """Return what has a name, made where it is not there yet, and kept where there is room."""
        if name in self._kept:
            return cast(Found, self._kept[name])
        found = make()
        if rows <= self._room:
            self._room -= rows
            self._kept[name] = found
        return found

    def remembered(self, config: ModelConfig) -> Remembered:
        """Return what has been read of the outcomes that a model goes by, to be added to."""
        files = self.once(("files", _outcome_of(config)), dict[str, FileRef])
        refused = self.once(("refused", _outcome_of(config)), dict[str, str])
        return Remembered(files, self.once(("nights", config.model), dict), refused)


def share_of(sides: Sequence[Side], most: int) -> float:
    """Return the share of rows of which at most so many scores are in memory: of every version the champion's rows."""
    counts = {date: int(entry.facts["rows"]) for date, entry in sides[0].batches.items()}
    dates = _dates(sides)
    rows = sum(min(counts[d], int(side.batches[d].facts["rows"])) for side in sides for d in dates if d in side.batches)
    return min(1.0, most / max(rows, 1))


def same_rows(workspace: Workspace, sides: Sequence[Side], last: str, share: float, shelf: Shelf) -> pd.DataFrame:
    """Return a row per key and day of the champion, the first of the sides: as `side_by_side` takes them.

    share is of the champion's rows, by key. last is the business date by which outcomes have come. Outcomes that break
    their form count as not come, and shelf remembers why.
    """
    config, names = sides[0].config, [side.name for side in sides]
    known = (dt.date.fromisoformat(last) - dt.timedelta(days=config.outcome.delay_days)).isoformat()
    dates, read = _dates(sides), shelf.remembered(config)
    see_outcomes(workspace, config, [date for date in dates if date <= known], read)
    reading = _Reading(workspace, share, shelf)
    parts = [pd.DataFrame({DAY: [], OUTCOME: [], **{name: [] for name in names}}, dtype=float).astype({DAY: str})]
    for date in dates:
        day = reading.scores(sides, date)
        ref = read.files.get(date) if date <= known else None
        truth = reading.outcomes(config, ref, date, read) if ref else pd.Series(dtype=float)
        day.insert(0, OUTCOME, truth.reindex(day.index).to_numpy())
        day = day.astype(float).assign(**{DAY: date})
        parts.append(day if sides[0].dated else day.assign(**{KEY: day.index}))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _dates(sides: Sequence[Side]) -> list[str]:
    """Return the dates that are read: all of the champion; of a table, which is whole each time, the last of each."""
    champion = sides[0]
    if champion.dated:
        return sorted(date for date in champion.batches if date > champion.trained_through)
    return sorted({max(both) for side in sides if (both := champion.batches.keys() & side.batches.keys())})


class _Reading:
    """The reading of one comparison; it holds the outcomes of one file, since all dates of a table have the same."""

    def __init__(self, workspace: Workspace, share: float, shelf: Shelf) -> None:
        self._workspace, self._share, self._shelf = workspace, share, shelf
        self._outcomes = dict[Hashable, pd.Series]()

    def scores(self, sides: Sequence[Side], date: str) -> pd.DataFrame:
        """Return the scores of a date by key: a row for each of the champion's, a column for each version."""
        batches: dict[tuple[str, int], pd.DataFrame] = {}  # of this date; versions of a model share theirs
        champion = self._scores(sides[0], date, None, batches)
        others = {s.name: self._scores(s, date, champion.index, batches).reindex(champion.index) for s in sides[1:]}
        return pd.DataFrame({sides[0].name: champion, **others}, index=champion.index)

    def outcomes(self, config: ModelConfig, ref: FileRef, date: str, read: Remembered) -> pd.Series:
        """Return the outcomes of a file by key; none where they break their form, and read is told why."""
        if date not in read.refused:
            try:
                return self._outcomes_of(config, ref, date)
            except DataError as error:
                read.refused[date] = str(error)
        return pd.Series(dtype=float)

    def _outcomes_of(self, config: ModelConfig, ref: FileRef, date: str) -> pd.Series:
        name = ("outcomes", ref.digest, _outcome_of(config), self._share)
        if name not in self._outcomes:
            self._outcomes.clear()
            about = self._workspace, config, ref, f"outcomes of {date}", self._share
            rows = int((ref.rows or 0) * self._share)
            self._outcomes[name] = self._shelf.once(name, lambda: outcome_share(*about), rows)
        return self._outcomes[name]

    def _scores(
        self, side: Side, date: str, among: pd.Index | None, batches: dict[tuple[str, int], pd.DataFrame]
    ) -> pd.Series:
        """Return a version's scores of a date by key; none of rows that it learned from."""
        if (batch := side.batches.get(date)) is None or (side.dated and date <= side.trained_through):
            return pd.Series(dtype=float)
        parts = []
        for entry in (batch, *side.standing.cleared(batch, side.version.number)):
            if (place := (entry.model, entry.n)) not in batches:
                batches[place] = self._rows(entry, among if side.role == "other" else None)
            parts.append(batches[place])
        rows = pd.concat(parts, ignore_index=True)
        scores = rows[rows["version"] == side.version.number].set_index("key")["score"]
        return scores if side.dated else scores[key_share(scores.index.to_series()) < self._judging(side)]

    def _rows(self, entry: Entry, among: pd.Index | None) -> pd.DataFrame:
        """Return the rows of an entry: of another model whole while the shelf has room, else the champion's alone."""
        if among is None:
            return committed_rows(self._workspace, entry, self._share)
        name, rows = ("rows", entry.model, entry.n), int(entry.facts["rows"]) * len(entry.facts["versions"])
        if self._shelf.fits(name, rows):
            return self._shelf.once(name, lambda: committed_rows(self._workspace, entry), rows)
        return committed_rows(self._workspace, entry, self._share, among)

    def _judging(self, side: Side) -> float:
        """Return the share of keys that did not train a version of a table, by the config that it was trained with."""
        return self._shelf.once(("judging", side.config.model, side.version.number), lambda: self._judging_share(side))

    def _judging_share(self, side: Side) -> float:
        run = str(side.version.trained.facts["run"])
        record = read_record(self._workspace.archive, run)
        if record is None:
            raise IntegrityError(
                f"{side.config.model} v{side.version.number}: run {run}, which trained it, has no record, so nothing "
                "says which rows it learned from. Restore the store from a backup; plimsoll verify names what is gone."
            )
        return float(get_json(self._workspace.store, record["config"])["split"]["test_share"])


def _outcome_of(config: ModelConfig) -> str:
    """Return what a model means by its outcome, and where it comes from: equal for whoever reads the same."""
    return f"{config.outcome.model_dump_json()} {config.source.key} {config.source.model_dump_json()}"
