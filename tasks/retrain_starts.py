"""Retrains that were started: which may still train, and which died and are owed again.

One that trains in its own process is told by that process and its record; one that a worker trains by its run in
Prefect. Where Prefect does not answer, ServerError says so: whether a run lives is not guessed.
"""

import datetime as dt
from collections.abc import Iterable

from plimsoll.ledger import Entry
from plimsoll.run_record import read_record
from plimsoll.standing import Standing
from tasks.keyed_runs import Keyed, runs_by_key
from tasks.records import Run, utc_now
from tasks.this_process import is_dead

OWED_DAYS = 7  # a retrain that was never started, or died, is started no later
IN_FLIGHT_HOURS = 24  # a process that has left no version after a day is dead


def is_training(run: Run, started: Entry) -> bool:
    """Return whether another run has started a retrain that may still be training.

    One that trains in its own process is over when its record is closed or its process is dead. One that a worker
    trains is over when Prefect says so, or when it has been at work for a day; one that waits for a worker is not over.
    """
    if started.facts["run"] == run.id:
        return False
    if not _in_process(started):
        found = worker_run(run, started.key)
        return found is not None and not found.ended and not (found.busy_since and _is_old(found.busy_since))
    return not _is_old(dt.datetime.fromisoformat(started.recorded_at)) and not _is_over(run, started)


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
    bare = {cause: entry for cause, entry in starts.items() if cause not in made}
    dead = _dead(run, bare.values())
    found = [e for e in starts.values() if e not in dead]
    return sorted([*found, *(e for cause, e in made.items() if cause not in starts)], key=lambda entry: entry.n)


def trained_days(run: Run, standing: Standing, until: dt.date) -> tuple[list[dt.date], list[dt.date]]:
    """Return the business dates, up to one, of retrains that were asked for by decisions, and of those by hand.

    A version that a person had trained is a retrain when it took the place of another champion; the first did not.
    """
    asked = [entry.as_of for entry in lived(run, standing)]
    promoted = [int(entry.facts["version"]) for entry in standing.of_kind("promoted")]
    trained = [version.trained for version in standing.versions if version.number in promoted[1:]]
    by_hand = [entry.as_of for entry in trained if not entry.facts.get("cause_key")]
    days = [sorted(day for day in map(dt.date.fromisoformat, some) if day <= until) for some in (asked, by_hand)]
    return days[0], days[1]


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
    if found is None and last and last.kind == "retrain_started" and _dead(run, [last]):
        found = next(e for e in standing.of_kind("drift_decided") if e.n == last.facts["decision"])
    days = (dt.date.fromisoformat(run.as_of) - dt.date.fromisoformat(str(found.facts["date"]))).days if found else 0
    return found if days <= OWED_DAYS else None


def worker_run(run: Run, key: str) -> Keyed | None:
    """Return what Prefect knows of the training run that a worker was asked for with a key; None when it has none."""
    return worker_runs(run, [key]).get(key)


def worker_runs(run: Run, keys: Iterable[str]) -> dict[str, Keyed]:
    """Return what Prefect knows of the training runs that workers were asked for, by the keys of their entries."""
    of_model = {f"{run.config.model}:{key}": key for key in keys}
    return {of_model[key]: found for key, found in runs_by_key("train-model", of_model).items()}


def _dead(run: Run, started: Iterable[Entry]) -> list[Entry]:
    entries = [*started]
    of_workers = worker_runs(run, [entry.key for entry in entries if not _in_process(entry)])
    return [e for e in entries if _died(run, e) or (e.key in of_workers and of_workers[e.key].died)]


def _in_process(started: Entry) -> bool:
    return bool(started.facts.get("process"))


def _died(run: Run, started: Entry) -> bool:
    return _in_process(started) and is_dead(str(started.facts["process"])) and not _is_closed(run, started)


def _is_over(run: Run, started: Entry) -> bool:
    return is_dead(str(started.facts["process"])) or _is_closed(run, started)


def _is_closed(run: Run, started: Entry) -> bool:
    record = read_record(run.workspace.archive, str(started.facts["run"]))
    return bool(record and record["end"])


def _is_old(since: dt.datetime) -> bool:
    return dt.datetime.fromisoformat(utc_now()) - since >= dt.timedelta(hours=IN_FLIGHT_HOURS)
