"""Retrains that were started: which may still train, and which died with their process and are owed again."""

import datetime as dt

from plimsoll.ledger import Entry
from plimsoll.run_record import read_record
from plimsoll.standing import Standing
from tasks.records import Run, utc_now
from tasks.this_process import is_dead

OWED_DAYS = 7  # a retrain that was never started, or died, is started no later
IN_FLIGHT_HOURS = 24  # a training run that has left no version after a day is dead


def is_training(run: Run, started: Entry) -> bool:
    """Return whether another run has started a retrain that may still be training.

    One that trains in its own process is over when its record is closed or its process is dead; of one that a worker or
    another machine trains nothing is known but its age.
    """
    if started.facts["run"] == run.id or _age(started) >= dt.timedelta(hours=IN_FLIGHT_HOURS):
        return False
    return not _is_over(run, started)


def in_flight(run: Run, standing: Standing) -> bool:
    """Return whether the last retrain that was started has left no version and may still be training."""
    started, trained = standing.last("retrain_started"), standing.last("trained")
    return started is not None and not (trained and trained.n > started.n) and is_training(run, started)


def lived(run: Run, standing: Standing) -> list[Entry]:
    """Return the retrains that were started, an entry each, and did not die before they left a version.

    One that a worker trained before the check that asked it could enter its start is told by its version.
    """
    made = {cause: e for e in standing.of_kind("trained") if (cause := str(e.facts.get("cause_key") or ""))}
    starts = {cause_of(entry): entry for entry in standing.of_kind("retrain_started")}
    found = [e for cause, e in starts.items() if cause in made or not _died(run, e)]
    return sorted([*found, *(e for cause, e in made.items() if cause not in starts)], key=lambda entry: entry.n)


def cause_of(started: Entry) -> str:
    """Return the key of the decision that a retrain was started for; who takes over from the dead adds to it."""
    return ":".join(started.key.split(":")[:3])


def newest_start(standing: Standing, key: str) -> Entry | None:
    """Return the last start of the retrain that a decision asked for."""
    return next((e for e in reversed(standing.of_kind("retrain_started")) if cause_of(e) == key), None)


def owed(run: Run) -> Entry | None:
    """Return the decision of the last week whose retrain nobody has started, or whose training died, else None."""
    standing = run.standing()
    found, last = standing.owed_retrain(), standing.last("retrain_started", "trained")
    if found is None and last and last.kind == "retrain_started" and last not in lived(run, standing):
        found = next(e for e in standing.of_kind("drift_decided") if e.n == last.facts["decision"])
    days = (dt.date.fromisoformat(run.as_of) - dt.date.fromisoformat(str(found.facts["date"]))).days if found else 0
    return found if days <= OWED_DAYS else None


def _died(run: Run, started: Entry) -> bool:
    process = str(started.facts.get("process", ""))
    return bool(process) and is_dead(process) and not _is_closed(run, started)


def _is_over(run: Run, started: Entry) -> bool:
    process = str(started.facts.get("process", ""))
    return bool(process) and (is_dead(process) or _is_closed(run, started))


def _is_closed(run: Run, started: Entry) -> bool:
    record = read_record(run.workspace.archive, str(started.facts["run"]))
    return bool(record and record["end"])


def _age(entry: Entry) -> dt.timedelta:
    return dt.datetime.fromisoformat(utc_now()) - dt.datetime.fromisoformat(entry.recorded_at)
