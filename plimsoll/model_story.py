"""A model's story, folded from its ledger for people: what happened, and which nights were alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from plimsoll.approval import Request, open_requests
from plimsoll.axes import is_date
from plimsoll.ledger import Entry
from plimsoll.outcomes import NightlyQuality
from plimsoll.standing import Standing

UNTOLD = frozenset({"batch_committed", "holdout_looked", "challenger_tried"})  # every good night, and every candidate


@dataclass(frozen=True)
class ModelStory:
    """All that a model's page shows."""

    model: str
    purpose: str
    owner: str
    task: str  # classification or regression
    standing: Standing
    now: datetime  # requests expire by the wall clock
    quality: Mapping[int, tuple[NightlyQuality, ...]] = field(default_factory=dict)  # late losses by version
    refused: Mapping[str, str] = field(default_factory=dict)  # dates whose outcomes cannot be used, and why
    reports: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  # gate report by version
    pages: frozenset[str] = frozenset()  # pages that exist, as paths under reports/

    @property
    def decisions(self) -> list[Entry]:
        """Every drift decision, in order."""
        return self.standing.of_kind("drift_decided")

    @property
    def events(self) -> list[Entry]:
        """Everything worth telling apart from drift decisions, in order."""
        return [e for e in self.standing.entries if e.kind not in UNTOLD and e.kind != "drift_decided"]

    @cached_property
    def requests(self) -> list[Request]:
        """The requests that wait for a person."""
        return open_requests(self.standing.entries, self.now)

    @cached_property
    def nightly(self) -> list[Entry]:
        """The decision about each date, in order of date."""
        return list(self.standing.nights().values())

    @cached_property
    def span(self) -> tuple[str, str] | None:
        """The first and the last night that any chart shows: all have one time axis. None before the first night."""
        late = (night.date for nights in self.quality.values() for night in nights)
        dates = sorted(date for date in {*late, *(str(e.facts["date"]) for e in self.nightly)} if is_date(date))
        return (dates[0], dates[-1]) if dates else None

    @cached_property
    def roles(self) -> dict[tuple[int, str], str]:
        """The role in which a version scored a date."""
        return {
            (int(version), str(entry.facts["date"])): str(role)
            for entry in self.standing.of_kind("batch_committed")
            for version, role in entry.facts["versions"].items()
        }


@dataclass(frozen=True)
class Chapter:
    """One entry of the story, or a run of nights that were decided by the same rule."""

    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        """The earliest entry."""
        return self.entries[0]

    @property
    def last(self) -> Entry:
        """The latest entry."""
        return self.entries[-1]


def chapters(story: ModelStory) -> list[Chapter]:
    """Return the story in order, runs of nights without a retrain and under one rule as one chapter."""
    told = sorted((*story.events, *story.decisions), key=lambda e: (e.as_of, e.n))
    found: list[list[Entry]] = []
    for entry in told:
        if found and _alike(found[-1][-1], entry):
            found[-1].append(entry)
        else:
            found.append([entry])
    return [Chapter(tuple(entries)) for entries in found]


def _alike(one: Entry, other: Entry) -> bool:
    if one.kind != "drift_decided" or other.kind != "drift_decided":
        return False
    mine, theirs = one.facts["decision"], other.facts["decision"]
    return not mine["retrain"] and not theirs["retrain"] and mine["rule"] == theirs["rule"]


def approval_of(standing: Standing, version: int) -> Entry | None:
    """Return the approval that decided about a version: the last that was needed; None while others are missing."""
    return next(reversed(standing.approvals(version)), None)


def metrics_of(report: Mapping[str, Any], whose: str) -> Mapping[str, float | None]:
    """Return the metrics of `candidate` or `champion` from a gate report, empty when there are none."""
    part = report.get(whose) or {}
    return dict(part.get("metrics") or {})


def who(by: str) -> str:
    """Return who wrote an entry, for a reader: a person, or a flow."""
    return f"the {by.removeprefix('flow:')} flow" if by.startswith("flow:") else by


def newest_first(found: Sequence[Chapter]) -> list[tuple[str, list[Chapter]]]:
    """Return chapters by the business date of their last entry, newest first."""
    days: dict[str, list[Chapter]] = {}
    for chapter in reversed(found):
        days.setdefault(chapter.last.as_of, []).append(chapter)
    return list(days.items())
