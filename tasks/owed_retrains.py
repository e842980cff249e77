"""Retrains that were decided on and did not come about: which is owed, and what holds it back."""

import datetime as dt

from plimsoll.retrain import STOPS
from tasks.decisions import Night
from tasks.records import Run
from tasks.retrain_starts import OWED_DAYS, owed

STANDING = {*STOPS} - {"backfill", "in_flight"}  # the past stops nothing now, and what runs is asked anew


def owed_retrain(run: Run) -> Night | None:
    """Return the night of the last week whose retrain nobody has started, or whose training died, else None."""
    entry = owed(run)
    return Night(entry) if entry else None


def held_back(run: Run, night: Night) -> str:
    """Return why the retrain that a night asked for is not started now; empty when it may be.

    The newest night in the ledger tells, whichever check judged it: nothing is trained while the newest batch is
    rejected, for a champion that no longer serves, or more than a week after the night that asked.
    """
    standing, about = run.standing(), night.entry.facts.get("version")
    if about != standing.champion:
        return f"it was decided about v{about}, and v{standing.champion} is champion now."
    newest = [night, *(one for entry in standing.nights().values() if (one := Night(entry)).rule != "backfill")][-1]
    if newest.date <= night.date:
        return ""
    if newest.rule in STANDING:
        return f"the newest night stops it. {newest.sentence}"
    days = (dt.date.fromisoformat(newest.date) - dt.date.fromisoformat(night.date)).days
    by_hand = f"plimsoll train {run.config.model} --as-of {newest.date}"
    return f"{days} days have been decided on since. Train by hand: {by_hand}" if days > OWED_DAYS else ""
