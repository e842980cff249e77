"""The upkeep of the store, step by step: what a policy lets go, goes; what anything kept needs, stays.

Every step can be cut off at any instant and done again. A record goes only after its signed tombstone is written, and
an object only when nothing names it and no run is under way.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.archive import put_sealed
from plimsoll.digest import sha256_json
from plimsoll.errors import IntegrityError
from plimsoll.retention import is_open
from plimsoll.run_record import end_key, list_runs, read_record, start_key
from plimsoll.store import Stored
from plimsoll.verification import expired_batch_key
from tasks.delta_layout import RETENTION_HOURS, Compaction, compact_predictions
from tasks.predictions_retention import dead_bytes, drop_batches
from tasks.records import Recorded, utc_now
from tasks.sweep_lock import sweeping
from tasks.table_notes import note_table
from tasks.upkeep_survey import EXPIRED, HOUR, Batch, Survey, digest_of, look_again

EXAMPLES = 3


@dataclass(frozen=True)
class Freed:
    """How much of one kind was removed, or in a dry run would be."""

    what: str
    count: int
    bytes: int
    examples: tuple[str, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "examples": list(self.examples)}


def expire_runs(run: Recorded, found: Survey, dry_run: bool) -> Freed:
    """Put a signed tombstone in the place of every record that goes; of a record, the end goes first."""
    for one, days in {} if dry_run else found.runs.items():
        bury_run(run, found, one, days)
    names = tuple(list(found.runs)[:EXAMPLES])
    return Freed("run records", len(found.runs), sum(found.record_bytes.values()), names)


def bury_run(run: Recorded, found: Survey, one: str, days: int | None) -> None:
    """Write one run's tombstone, then remove its record."""
    record, archive = found.records[one], run.workspace.archive
    body = {name: record[name] for name in ("flow", "model", "as_of", "started_at")}
    body |= {"run": one, "start": digest_of_start(record), "result": (record["end"] or {}).get("result", "")}
    body |= {"expired_at": utc_now(), "by": run.id, "policy": f"retention: {days} days"}
    put_sealed(archive, f"{EXPIRED}{one}.json", body)
    for key in (end_key(one), start_key(one)):
        archive.store.delete(key)


def digest_of_start(record: dict[str, Any]) -> str:
    """Return the digest of a record's first half, which ledger entries name."""
    return sha256_json({name: value for name, value in record.items() if name != "end"})


def expire_batches(run: Recorded, found: Survey, dry_run: bool) -> Freed:
    """Take expired batches out of the predictions table, after a signed tombstone for each."""
    days = run.workspace.platform.retention.predictions_days
    for batch in [] if dry_run else found.batches:
        key = expired_batch_key(batch.model, batch.date, batch.version)
        body = {**batch._asdict(), "expired_at": utc_now(), "by": run.id, "policy": f"retention: {days} days"}
        put_sealed(run.workspace.archive, key, body)
    gone: set[Batch] = {*found.batches, *found.gone_batches}
    dropped = drop_batches(run.workspace, gone, dry_run=dry_run)
    note = f"{dropped.rows:,} rows; their bytes go {RETENTION_HOURS} hours later" if dropped.names else ""
    return Freed("batches of predictions", len(dropped.names), dropped.bytes, tuple(dropped.names[:EXAMPLES]), note)


def drop_keys(run: Recorded, what: str, entries: Sequence[Stored], dry_run: bool) -> Freed:
    """Remove keys that can be made again, or that nobody reads."""
    for entry in [] if dry_run else entries:
        run.store.delete(entry.key)
    return _freed(what, entries)


def drop_unfinished(run: Recorded, found: Survey, dry_run: bool) -> Freed:
    """Remove what writers that died left behind before the grace time."""
    before = found.now.timestamp() - run.workspace.platform.retention.orphans_grace_hours * HOUR
    stale = list(run.store.unfinished(before))
    if not dry_run:
        run.store.clear_unfinished(before)
    return _freed("unfinished files", stale)


def sweep_orphans(run: Recorded, found: Survey, dry_run: bool) -> Freed:
    """Remove the objects that nothing names, in rounds that hold new runs at their start; none while a run is open."""
    left, removed, note = list(found.orphans), list[Stored](), ""
    while left and not dry_run:
        with sweeping(run.workspace.archive, run.id) as sweep:
            if sweep is None:
                note = "another sweep was faster"
            elif others := open_runs(run, found):
                note = f"{len(left)} left: {others[0]} is under way"
            else:
                look_again(run.workspace.archive, found)
                while left and sweep.lasts:
                    entry = left.pop()
                    if digest_of(entry.key) not in found.reached:
                        run.store.delete(entry.key)
                        removed.append(entry)
        if note or not left:
            break
        time.sleep(0.2)  # runs that were held come first
    if dry_run and (others := open_runs(run, found)):
        note = f"not while {others[0]} is under way"
    return _freed("orphan objects", left if dry_run else removed, note)


def open_runs(run: Recorded, found: Survey) -> list[str]:
    """Return the runs that may be under way; an upkeep is none of them, since it needs no object but its own."""
    known = {one for one, record in found.records.items() if record["end"] and one not in found.runs}
    archive, hours = run.workspace.archive, run.workspace.platform.retention.orphans_grace_hours
    others = (read_record(archive, one) for one in list_runs(archive.store) if one not in known and one != run.id)
    return [
        str(record["run_id"])
        for record in others
        if record and record["flow"] != run.start.flow and is_open(record, found.now, hours)
    ]


def lay_out_predictions(run: Recorded, dry_run: bool) -> tuple[Compaction, Freed]:
    """Sort and merge the predictions' files and remove those that are long dead."""
    grace = run.workspace.platform.retention.orphans_grace_hours
    hours = max(RETENTION_HOURS, int(grace))
    dead = dead_bytes(run.workspace, hours)
    done = compact_predictions(run.workspace, dry_run=dry_run, retention_hours=hours)
    if not dry_run:
        note_table(run.workspace)
    note = f"{done.files_before} files in {done.partitions} partitions merged into {done.files_after}"
    note = note.replace("merged", "to merge") if dry_run else note
    return done, Freed("dead files of predictions", done.removed_files, dead, (), note if done.partitions else "")


def note_freed(run: Recorded, freed: Sequence[Freed], layout: Compaction, dry_run: bool) -> None:
    """Write what was freed into the record, with one sentence."""
    run.outputs |= {"freed": [one.to_json() for one in freed], "layout": layout.to_json()}
    count, size = sum(one.count for one in freed), sum(one.bytes for one in freed)
    things = f"{count:,} item{'' if count == 1 else 's'}"
    run.sentence = f"{'Would free' if dry_run else 'Freed'} {readable_bytes(size)} in {things}."


def check_store(run: Recorded) -> None:
    """Verify all but the bytes of objects and rows, and say so; IntegrityError when something is wrong."""
    from tasks.verify import verify

    seen = verify(run.workspace, quick=True)
    run.outputs |= {"verified": seen.to_json()}
    if seen.damage:
        raise IntegrityError(f"{run.sentence} {seen.sentence} See all: plimsoll verify --all")
    run.sentence = f"{run.sentence} {seen.sentence}"


def readable_bytes(size: float) -> str:
    """Return bytes in the unit that a person would use."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def freed_rows(freed: Iterable[dict[str, Any]]) -> list[list[str]]:
    """Return the rows of a table about what was freed."""
    return [
        [one["what"], f"{one['count']:,}", readable_bytes(one["bytes"]), "\n".join(one["examples"]), one["note"]]
        for one in freed
    ]


def _freed(what: str, entries: Sequence[Stored], note: str = "") -> Freed:
    examples = tuple(entry.key for entry in entries[:EXAMPLES])
    return Freed(what, len(entries), sum(entry.bytes for entry in entries), examples, note)
