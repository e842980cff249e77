"""What the demo reads back from the ledger to tell its story."""

import datetime as dt
from typing import Any

from tasks.workspace import Workspace

MODEL = "flight_delay"


def request_of(workspace: Workspace, version: int) -> dict[str, Any]:
    """Return the summary that a version's promotion request shows; empty when there is none."""
    from tasks.champion import standing_of

    entries = standing_of(workspace, MODEL).of_kind("promotion_requested")
    found = next((e.facts["summary"] for e in entries if e.facts["version"] == version), None)
    return {**found["metrics"], "champion": found["champion"], "excluded": found["excluded_dates"]} if found else {}


def gates_of(workspace: Workspace, version: int) -> list[dict[str, Any]]:
    """Return what the gates said of a version."""
    from tasks.champion import standing_of

    entries = standing_of(workspace, MODEL).of_kind("gates_passed", "gates_failed")
    return next(list(e.facts["gates"]) for e in entries if e.facts["version"] == version)


def decisions(workspace: Workspace, start: dt.date | None = None, end: dt.date | None = None) -> list[dict[str, Any]]:
    """Return the facts of the drift decisions of a range of dates."""
    from tasks.champion import standing_of

    first, last = str(start or ""), str(end or "9999")
    found = [
        e.facts for e in standing_of(workspace, MODEL).of_kind("drift_decided") if first <= e.facts["date"] <= last
    ]
    return [{"inputs": None, **facts, "sentence": facts["decision"]["sentence"]} for facts in found]


def newest(workspace: Workspace) -> int:
    """Return the latest version."""
    from tasks.champion import standing_of

    return standing_of(workspace, MODEL).versions[-1].number


def last_scored(workspace: Workspace) -> dt.date:
    """Return the last date that was scored."""
    from tasks.champion import standing_of

    entries = standing_of(workspace, MODEL).of_kind("batch_committed")
    return max(dt.date.fromisoformat(e.facts["date"]) for e in entries)
