"""Retention: which runs and batches a policy lets expire, and what the rest still holds.

Ages count from when something was recorded, not from the business date. Nothing expires that a kept thing needs: a
version that is, was or may become champion, a prediction that is still in the table, a kept run's parents.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from plimsoll.digest import canonical_json
from plimsoll.ledger import Entry
from plimsoll.platform_config import RetentionConfig
from plimsoll.reachable import Named, closure, digests_in, runs_in
from plimsoll.standing import Standing

Record = Mapping[str, Any]  # as `read_record` returns it
NIGHTLY = frozenset({"batch_committed", "batch_rejected", "rows_cleared", "drift_decided"})
MARKS_KEPT = 10  # of each ledger's head marks; only the last one is read


def is_older(recorded_at: str, now: datetime, **age: float) -> bool:
    """Say whether a recorded moment lies longer ago than an age: `days=30` or `hours=48`."""
    return datetime.fromisoformat(recorded_at) < now - timedelta(**age)


def serving_versions(standing: Standing) -> frozenset[int]:
    """Return the versions that score, may score again by a rollback of one step, or wait for a decision."""
    scoring = {standing.champion, standing.previous} - {None}
    waiting = {v.number for v in standing.versions if v.state == "requested"}
    return frozenset(int(number) for number in scoring if number) | waiting


def champions_ever(standing: Standing) -> frozenset[int]:
    """Return every version that is or was champion."""
    return frozenset(int(e.facts["version"]) for e in standing.of_kind("promoted", "rolled_back"))


def expired_batches(standing: Standing, days: int | None, now: datetime) -> list[Entry]:
    """Return the committed batches whose predictions may go, oldest first; days is None where all are kept.

    What a serving version scored stays, since drift is judged over it; so does a batch without a drift decision, and
    of every version that was ever champion the last batch, by which a rollback to it is proved. A batch is as old as
    the last rows that were cleared of it.
    """
    if days is None:
        return []
    batches, serving = standing.of_kind("batch_committed"), serving_versions(standing)
    proofs = {int(v): e.n for e in batches for v in e.facts["versions"]}
    held = {n for version, n in proofs.items() if version in champions_ever(standing)}
    undecided = set(standing.undecided())
    last = {e.n: e for e in batches} | {int(e.facts["batch_entry"]): e for e in standing.of_kind("rows_cleared")}
    return [
        entry
        for entry in batches
        if is_older(last[entry.n].recorded_at, now, days=days)
        and not serving & {int(v) for v in entry.facts["versions"]}
        and entry.n not in held
        and entry.facts["date"] not in undecided
    ]


def needed_runs(standing: Standing, dropped: Collection[int], records: Mapping[str, Record]) -> set[str]:
    """Return the runs that a ledger needs; dropped are the numbers of batches whose predictions go or are gone.

    These are all runs about a version that is, was or may become champion, and those of batches in the table. A run
    that was asked to promote a version is about it, though a person's entries name no run.
    """
    keep = champions_ever(standing) | serving_versions(standing)
    about = [e for e in standing.entries if e.kind not in NIGHTLY and e.facts.get("version") in keep]
    scored = standing.of_kind("batch_committed", "rows_cleared")
    batches = [e for e in scored if e.facts.get("batch_entry", e.n) not in dropped]
    asked = {
        run
        for run, record in records.items()
        if record["model"] == standing.model and record["parameters"].get("version") in keep
    }
    return asked | {str(e.facts["run"]) for e in (*about, *batches) if "run" in e.facts}


def expired_runs(
    records: Mapping[str, Record],
    needed: Collection[str],
    condemned: Collection[str],
    policy: RetentionConfig,
    now: datetime,
) -> dict[str, int | None]:
    """Return the runs whose records go, with the days that their policy gives them.

    needed are runs that must stay, whatever their age; condemned those that an upkeep which was cut off has put a
    tombstone for (their days may be None). A run that waits for a person, or may be under way, stays.
    """
    due = {run: days for run, record in records.items() if (days := _days_over(record, policy, now)) is not None}
    named = {run: runs_in(json.dumps(record)) for run, record in records.items()}
    kept = closure({*needed, *(records.keys() - due.keys() - set(condemned))}, named)
    return {run: due.get(run) for run in records if run not in kept}


def is_open(record: Record, now: datetime, grace_hours: float) -> bool:
    """Say whether a run may be under way: it has no end, and has begun within the grace time."""
    return record["end"] is None and not is_older(str(record["started_at"]), now, hours=grace_hours)


def held_by(entry: Entry, gone: Collection[str], gone_versions: Collection[int]) -> Named:
    """Return the objects that a ledger entry holds.

    An entry of a run that is gone holds no data any more, nor does a person's about a version that such a run
    trained; but what was said by gates, and by validation about a rejected batch, stays. So does a frozen holdout,
    whose rows judge as long as the model is trained.
    """
    facts = entry.facts
    if entry.kind == "holdout_frozen":
        return Named(digests_in(canonical_json(facts)))
    if facts["run"] not in gone if facts.get("run") else facts.get("version") not in gone_versions:
        return Named(digests_in(canonical_json(facts)))
    said = [facts.get("gate_report"), facts.get("validation") if entry.kind == "batch_rejected" else None]
    return Named(data=frozenset(str(digest) for digest in said if digest))


def versions_of(standing: Standing, runs: Collection[str]) -> frozenset[int]:
    """Return the versions that some runs trained."""
    return frozenset(v.number for v in standing.versions if v.trained.facts.get("run") in runs)


def old_marks(keys: Collection[str]) -> list[str]:
    """Return the head marks of one ledger that may go, oldest first."""
    return sorted(keys)[:-MARKS_KEPT]


def _days_over(record: Record, policy: RetentionConfig, now: datetime) -> int | None:
    """Return the days that a run was given when they are over and nothing about the run itself forbids it to go."""
    days = policy.days_of(str(record["flow"]))
    waiting = record["end"] is not None and record["end"]["result"] == "waiting"
    if days is None or waiting or is_open(record, now, policy.orphans_grace_hours):
        return None
    return days if is_older(str(record["started_at"]), now, days=days) else None
