"""Comparing: the rows that several versions scored, their outcomes so far, and what is known about each version."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from plimsoll.anytime import Anytime
from plimsoll.approval import open_requests
from plimsoll.business_date import reached
from plimsoll.compared import Compared, Facts
from plimsoll.contenders import unlearned
from plimsoll.errors import ConfigError, DataError
from plimsoll.model_config import ModelConfig
from plimsoll.night_verdict import NightVerdict, judge_night
from plimsoll.outcomes import NightlyQuality, Remembered
from plimsoll.pooling import waiting_dates
from plimsoll.recommendation import Role, recommend
from plimsoll.scoring_cost import seconds_per_million
from plimsoll.side_by_side import lasting_gain, rows_gain, side_by_side
from plimsoll.standing import Standing, Version
from tasks.bundles import fetch_bundle
from tasks.champion import standing_of
from tasks.observed import observed_nights
from tasks.outcomes_feed import late_losses
from tasks.same_rows import Shelf, Side, same_rows, share_of
from tasks.thresholds import kept_curves
from tasks.workspace import Workspace

MOST_ROWS = 2_000_000  # scores in memory at once; of more a share by key is taken, the same rows of every version


def compare_versions(
    workspace: Workspace,
    model: str,
    days: int,
    until: dt.date | None,
    now: dt.datetime,
    tables: int = 1,
    shelf: Shelf | None = None,
) -> Compared:
    """Compare the champion with all versions, of this and of like models, that scored the same rows of the last days.

    until is a business date, the ledger's last one if None; tables, of how many comparisons this is one; shelf, what
    the ones before have read. Raises DataError without a champion or a scored batch.
    """
    shelf = shelf or Shelf()
    config, standing = workspace.model(model), standing_of(workspace, model)
    if standing.champion is None:
        raise DataError(f"{model} has no champion to compare with. Train and approve one: plimsoll train {model}")
    last = until or dt.date.fromisoformat(reached(standing.entries))
    first = (last - dt.timedelta(days=days - 1)).isoformat()
    sides, others = _sides(workspace, shelf, config, standing, first, last.isoformat())
    if not sides or sides[0].role != "champion":
        raise DataError(
            f"{model} v{standing.champion}, the champion, scored no batch from {first} to {last}. Ask for more days "
            "with --days, or for other ones with --until."
        )
    share = share_of(sides, MOST_ROWS)
    rows = same_rows(workspace, sides, last.isoformat(), share, shelf)
    beside = side_by_side(rows, [side.name for side in sides], config.task, config.estimator.seed, tables)
    read = shelf.remembered(config)
    asks = {request.version for request in open_requests(standing.entries, now)}
    bounds = _bounds(workspace, sides, rows, last.isoformat(), (len(sides) - 1) * tables, read)
    facts = [_facts(workspace, side, last, shelf) for side in sides]
    facts = [
        replace(fact, asks=fact.version in asks and fact.role != "other", lasting=bounds.get(side.name))
        for fact, side in zip(facts, sides, strict=True)
    ]
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
        {date: why for date, why in sorted(read.refused.items()) if date <= last.isoformat()},
    )


def _sides(
    workspace: Workspace, shelf: Shelf, config: ModelConfig, standing: Standing, first: str, last: str
) -> tuple[list[Side], tuple[str, ...]]:
    """Return what scored in some days, the champion first, and the names of other models of the same rows."""
    mine = [_side(config, standing, v, first, last) for v in standing.versions]
    scored = sorted((s for s in mine if s.batches), key=lambda s: (s.role != "champion", s.version.number))
    names = [name for name in workspace.listed if name != config.model]
    known = [shelf.once(("config", name), partial(_config, workspace, name)) for name in names]
    like = [other for other in known if other and _alike(other, config)]
    for other in like:
        theirs = shelf.once(("standing", other.model), partial(standing_of, workspace, other.model))
        if theirs.champion and (v := theirs.version(theirs.champion)):
            scored += [s for s in [_side(other, theirs, v, first, last, "other")] if s.batches]
    return scored, tuple(other.model for other in like)


def _side(
    config: ModelConfig, standing: Standing, version: Version, first: str, last: str, role: Role | None = None
) -> Side:
    number = str(version.number)
    batches = [e for e in standing.of_kind("batch_committed") if number in e.facts["versions"]]
    found = {str(e.facts["date"]): e for e in reversed(batches) if first <= str(e.facts["date"]) <= last}
    return Side(config, standing, version, role or _role(standing, version), dict(sorted(found.items())))


def _role(standing: Standing, version: Version) -> Role:
    if version.number == standing.champion:
        return "champion"
    return "former" if version.state == "former" else "challenger"


def _config(workspace: Workspace, name: str) -> ModelConfig | None:
    """Return another model's config; one that cannot be read harms nobody here."""
    try:
        return workspace.model(name)
    except ConfigError:
        return None


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


def _bounds(
    workspace: Workspace, sides: Sequence[Side], rows: pd.DataFrame, last: str, compared: int, read: Remembered
) -> dict[str, Anytime | None]:
    """Return by version the bounds of its gain that hold however often somebody looks.

    They are those of stored nightly losses, of a table without days those of the rows that were compared.
    """
    first, *mine = (side for side in sides if side.role != "other")
    if not first.dated:
        task = first.config.task
        return {side.name: rows_gain(rows, side.name, first.name, task, compared) for side in mine}
    champion = _unlearned(workspace, first, last, read)
    return {side.name: lasting_gain(_unlearned(workspace, side, last, read), champion, compared) for side in mine}


def _unlearned(workspace: Workspace, side: Side, last: str, read: Remembered) -> list[NightlyQuality]:
    number = side.version.number
    found = late_losses(workspace, side.config, side.standing, number, last, read)
    return unlearned(side.standing, number, found)


def _facts(workspace: Workspace, side: Side, last: dt.date, shelf: Shelf) -> Facts:
    """Return what is known about a version; of another model once for all comparisons of a command."""
    read = shelf.remembered(side.config)
    if side.role != "other":
        return _told(workspace, side, last, read)
    name = ("facts", side.name, last, *side.batches)
    return shelf.once(name, lambda: _told(workspace, side, last, read))


def _told(workspace: Workspace, side: Side, last: dt.date, read: Remembered) -> Facts:
    number = side.version.number
    shadow = [e for e in side.standing.of_kind("batch_committed") if e.facts["versions"].get(str(number)) in BESIDE]
    verdict = _verdict(workspace, side, last.isoformat(), read)
    return Facts(
        model=side.config.model,
        version=number,
        role=side.role,
        asks=False,
        shadow_nights=len({e.facts["date"] for e in shadow}),
        age_days=(last - dt.date.fromisoformat(side.version.trained.as_of)).days,
        seconds_per_million=seconds_per_million(side.batches.values()),
        bundle_bytes=sum(len(data) for data in _bundle_files(workspace, side)),
        alarms=tuple(_alarms(verdict)),
        ended=side.version.state if side.version.state in ("retired", "rejected") else "",
        drift=verdict.sentence,
        basis="nights" if side.dated else "rows",
    )


BESIDE = ("challenger", "previous")


def _bundle_files(workspace: Workspace, side: Side) -> Iterator[bytes]:
    bundle = fetch_bundle(workspace, side.config.model, side.version.number, side.version.bundle)
    yield from bundle.files.values()


def _verdict(workspace: Workspace, side: Side, as_of: str, read: Remembered) -> NightVerdict:
    """Judge a version's last night as the nightly check judges the champion's."""
    config, standing, number = side.config, side.standing, side.version.number
    bundle = fetch_bundle(workspace, config.model, number, side.version.bundle)
    nights = observed_nights(workspace, config, standing, bundle, number, max(side.batches))
    late = late_losses(workspace, config, standing, number, as_of, read)
    waiting = waiting_dates([e.facts for e in standing.of_kind("drift_decided")], number)
    curves = kept_curves(workspace.archive)
    known = bundle.reference, bundle.trained_through
    return judge_night(config.drift, *known, nights, late, curves, waiting, config.outcome.delay_days)


def _alarms(verdict: NightVerdict) -> Iterator[str]:
    found = {
        "late losses": verdict.quality.alarm,
        **{f"late losses of {name}": True for name in verdict.alarmed_slices},
        "recent losses": verdict.recent.alarm,
        "estimated losses": verdict.estimate.alarm,
        "inputs": verdict.input_alarm,
    }
    yield from (name for name, alarm in found.items() if alarm)
