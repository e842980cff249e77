"""Comparing: the rows that several versions scored, their outcomes so far, and what is known about each version."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from plimsoll.approval import open_requests
from plimsoll.assembly import outcome_values, read_part
from plimsoll.compared import Compared, Facts
from plimsoll.errors import ConfigError, DataError
from plimsoll.key_hash import BITS, key_hashes
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.night_verdict import NightVerdict, judge_night
from plimsoll.outcomes import Remembered
from plimsoll.pooling import waiting_dates
from plimsoll.recommendation import Role, recommend
from plimsoll.side_by_side import DAY, OUTCOME, side_by_side
from plimsoll.snapshot import FileRef
from plimsoll.standing import Standing, Version
from tasks.bundles import fetch_bundle
from tasks.champion import standing_of
from tasks.committed_rows import committed_rows
from tasks.landing import keep_outcomes
from tasks.observed import observed_nights
from tasks.outcomes_feed import late_losses
from tasks.thresholds import kept_curves
from tasks.workspace import Workspace

MOST_ROWS = 2_000_000  # scores in memory at once; of more a share by key is taken, the same rows of every version


@dataclass(frozen=True)
class _Side:
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


def compare_versions(
    workspace: Workspace, model: str, days: int, until: dt.date | None, now: dt.datetime, tables: int = 1
) -> Compared:
    """Compare the champion with all versions, of this and of like models, that scored the same rows of the last days.

    until is a business date, the ledger's last one if None; tables, of how many comparisons this is one. Raises
    DataError without a champion or a scored batch.
    """
    config, standing = workspace.model(model), standing_of(workspace, model)
    if standing.champion is None:
        raise DataError(f"{model} has no champion to compare with. Train and approve one: plimsoll train {model}")
    last = until or dt.date.fromisoformat(max(entry.as_of for entry in standing.entries))
    first = (last - dt.timedelta(days=days - 1)).isoformat()
    sides, others = _sides(workspace, config, standing, first, last.isoformat())
    if not sides or sides[0].role != "champion":
        raise DataError(
            f"{model} v{standing.champion}, the champion, scored no batch from {first} to {last}. Ask for more days "
            "with --days, or for other ones with --until."
        )
    share = min(1.0, MOST_ROWS / max(sum(int(b.facts["rows"]) for s in sides for b in s.batches.values()), 1))
    rows = _rows(workspace, config, sides, last.isoformat(), share)
    beside = side_by_side(rows, [side.name for side in sides], config.task, config.estimator.seed, tables)
    read = Remembered()
    asks = {request.version for request in open_requests(standing.entries, now)}
    facts = [_facts(workspace, side, asks, last, read) for side in sides]
    told = recommend(
        [fact.contender(found, config.retrain.max_age_days) for fact, found in zip(facts, beside, strict=True)]
    )
    return Compared(
        model,
        config.task,
        first,
        last.isoformat(),
        share,
        config.source.kind == "table",
        others,
        tuple(zip(facts, beside, told, strict=True)),
        tables,
    )


def _sides(
    workspace: Workspace, config: ModelConfig, standing: Standing, first: str, last: str
) -> tuple[list[_Side], tuple[str, ...]]:
    """Return what scored in some days, the champion first, and the names of other models of the same rows."""
    mine = [_side(config, standing, v, first, last) for v in standing.versions]
    scored = sorted((s for s in mine if s.batches), key=lambda s: (s.role != "champion", s.version.number))
    like = [other for name in workspace.listed if name != config.model and (other := _like(workspace, name, config))]
    for other in like:
        theirs = standing_of(workspace, other.model)
        if theirs.champion and (v := theirs.version(theirs.champion)):
            scored += [s for s in [_side(other, theirs, v, first, last, "other")] if s.batches]
    return scored, tuple(other.model for other in like)


def _side(
    config: ModelConfig, standing: Standing, version: Version, first: str, last: str, role: Role | None = None
) -> _Side:
    number = str(version.number)
    batches = [e for e in standing.of_kind("batch_committed") if number in e.facts["versions"]]
    found = {str(e.facts["date"]): e for e in reversed(batches) if first <= str(e.facts["date"]) <= last}
    return _Side(config, standing, version, role or _role(standing, version), dict(sorted(found.items())))


def _role(standing: Standing, version: Version) -> Role:
    if version.number == standing.champion:
        return "champion"
    return "former" if version.state == "former" else "challenger"


def _like(workspace: Workspace, name: str, mine: ModelConfig) -> ModelConfig | None:
    """Return another model's config where it is about the same rows; one that cannot be read harms nobody here."""
    try:
        other = workspace.model(name)
    except ConfigError:
        return None
    return other if _alike(other, mine) else None


def _alike(other: ModelConfig, mine: ModelConfig) -> bool:
    """Return whether another model scores the same rows and means the same by their outcome.

    A model of the whole batch scores all rows of a segment; one of another segment, or of a part, does not.
    """
    if other.segment and _segment(other) != _segment(mine):
        return False
    fields = {"no_outcome", "delay_days"}  # words, and when it is looked at
    same_outcome = other.outcome.model_dump(exclude=fields) == mine.outcome.model_dump(exclude=fields)
    return (other.source.key, _place(other)) == (mine.source.key, _place(mine)) and same_outcome


def _segment(config: ModelConfig) -> tuple[str, object] | None:
    return (config.segment.column, config.segment.value) if config.segment else None


def _place(config: ModelConfig) -> dict[str, Any]:
    """Return where batches come from, whatever a model takes of them."""
    return {name: value for name, value in config.source.describe().items() if name not in ("keep_columns", "types")}


def _rows(workspace: Workspace, config: ModelConfig, sides: Sequence[_Side], last: str, share: float) -> pd.DataFrame:
    """Return a row per key and day with the outcome so far and a column of scores per version."""
    dates = sorted({date for side in sides for date in side.batches})
    known = (dt.date.fromisoformat(last) - dt.timedelta(days=config.outcome.delay_days)).isoformat()
    outcomes = keep_outcomes(workspace, config, [date for date in dates if date <= known])
    names, seen = [side.name for side in sides], dict[str, pd.Series]()
    parts = [pd.DataFrame({DAY: [], OUTCOME: [], **{name: [] for name in names}}, dtype=float).astype({DAY: str})]
    for date in dates:
        scores = {side.name: _scores(workspace, side, date, share) for side in sides}
        day = pd.DataFrame(scores, columns=names)
        truth = _outcomes(workspace, config, outcomes[date], date, seen) if date in outcomes else pd.Series(dtype=float)
        day.insert(0, OUTCOME, truth.reindex(day.index).to_numpy())
        parts.append(day.assign(**{DAY: date}).astype({OUTCOME: float}))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _scores(workspace: Workspace, side: _Side, date: str, share: float) -> pd.Series:
    """Return a version's scores of a date by key; none of a date that it learned from."""
    if (batch := side.batches.get(date)) is None or date <= side.trained_through:
        return pd.Series(dtype=float)
    entries = [batch, *side.standing.cleared(batch, side.version.number)]
    rows = pd.concat([committed_rows(workspace, entry) for entry in entries], ignore_index=True)
    mine = rows[rows["version"] == side.version.number]
    if share < 1:
        import pyarrow as pa

        mine = mine[key_hashes(pa.array(mine["key"], pa.string())) < share * 2**BITS]
    return mine.set_index("key")["score"]


def _outcomes(
    workspace: Workspace, config: ModelConfig, ref: FileRef, date: str, seen: dict[str, pd.Series]
) -> pd.Series:
    if ref.digest not in seen:
        seen.clear()  # one file at a time: all dates of an undivided table have the same
        seen[ref.digest] = outcome_values(read_part(workspace.store, ref, f"outcomes of {date}"), config)
    return seen[ref.digest]


def _facts(workspace: Workspace, side: _Side, asks: set[int], last: dt.date, read: Remembered) -> Facts:
    number = side.version.number
    shadow = [e for e in side.standing.of_kind("batch_committed") if e.facts["versions"].get(str(number)) in BESIDE]
    timed = [
        (e.facts["predict_seconds"], e.facts["rows"]) for e in side.batches.values() if "predict_seconds" in e.facts
    ]
    rows = sum(rows for _, rows in timed)
    verdict = _verdict(workspace, side, last.isoformat(), read if side.role != "other" else Remembered())
    return Facts(
        model=side.config.model,
        version=number,
        role=side.role,
        asks=number in asks and side.role != "other",
        shadow_nights=len({e.facts["date"] for e in shadow}),
        age_days=(last - dt.date.fromisoformat(side.version.trained.as_of)).days,
        seconds_per_million=sum(seconds for seconds, _ in timed) / rows * 1e6 if rows else None,
        bundle_bytes=sum(len(data) for data in _bundle_files(workspace, side)),
        alarms=tuple(_alarms(verdict)),
        ended=side.version.state if side.version.state in ("retired", "rejected") else "",
        drift=verdict.sentence,
    )


BESIDE = ("challenger", "previous")


def _bundle_files(workspace: Workspace, side: _Side) -> Iterator[bytes]:
    bundle = fetch_bundle(workspace, side.config.model, side.version.number, side.version.bundle)
    yield from bundle.files.values()


def _verdict(workspace: Workspace, side: _Side, as_of: str, read: Remembered) -> NightVerdict:
    """Judge a version's last night as the nightly check judges the champion's."""
    config, standing, number = side.config, side.standing, side.version.number
    bundle = fetch_bundle(workspace, config.model, number, side.version.bundle)
    nights = observed_nights(workspace, config, standing, bundle, number, max(side.batches))
    late = late_losses(workspace, config, standing, number, as_of, read)
    waiting = waiting_dates([e.facts for e in standing.of_kind("drift_decided")], number)
    curves = kept_curves(workspace.archive)
    return judge_night(config.drift, bundle.reference, bundle.trained_through, nights, late, curves, waiting)


def _alarms(verdict: NightVerdict) -> Iterator[str]:
    found = {
        "late losses": verdict.quality.alarm,
        **{f"late losses of {name}": True for name in verdict.alarmed_slices},
        "recent losses": verdict.recent.alarm,
        "estimated losses": verdict.estimate.alarm,
        "inputs": verdict.input_alarm,
    }
    yield from (name for name, alarm in found.items() if alarm)
