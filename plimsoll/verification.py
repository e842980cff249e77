"""Verification: what a ledger, its records and its signatures prove, and a sentence for each thing that is wrong.

A finding is damage, which only a backup can undo, or owed: something that follows from the ledger and was not done,
because a process died or a hand moved it. `plimsoll repair` does what is owed and never touches damage.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from plimsoll.archive import Archive, get_sealed
from plimsoll.digest import sha256_json
from plimsoll.errors import IntegrityError
from plimsoll.ledger import ORIGIN, Entry, check_signature, entry_key, head_key, misplaced, parse_entry, read_ledger
from plimsoll.run_record import WROTE, end_key, read_record, start_key

Owed = Literal["", "alias", "mark", "tags", "copy", "page", "promotion", "batch", "notes"]
MB = 1_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was written, or not as the ledger says."""

    where: str  # the key, path or thing
    sentence: str
    owed: Owed = ""  # what repair does about it; nothing about damage
    model: str = ""  # of what is owed
    about: str = ""  # the batch date or version of what is owed

    def to_json(self) -> dict[str, str]:
        """Return the finding as JSON."""
        return {"where": self.where, "sentence": self.sentence, "repair": self.owed}


@dataclass(eq=False)
class Verification:
    """What was looked at and what was found. Not frozen: it grows while the checks run."""

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    object_bytes: int = 0
    expired: set[str] = field(default_factory=set)  # runs that the retention policy removed
    quick: bool = False

    def count(self, what: str, number: int = 1) -> None:
        """Add to how many of something were checked."""
        self.counts[what] = self.counts.get(what, 0) + number

    def found(self, finding: Finding) -> None:
        """Add a finding; only the first about a thing counts, as the others follow from it."""
        if not any(known.where == finding.where and known.owed == finding.owed for known in self.findings):
            self.findings.append(finding)

    @property
    def damage(self) -> list[Finding]:
        """What only a backup can undo, in the order in which it was found: the first is the cause."""
        return [finding for finding in self.findings if not finding.owed]

    @property
    def owed(self) -> list[Finding]:
        """What `plimsoll repair` would do."""
        return [finding for finding in self.findings if finding.owed]

    @property
    def checked(self) -> str:
        """What was checked, in words."""
        if not any(self.counts.values()):
            return "nothing was written yet"
        said = [_counted(number, what) for what, number in self.counts.items()]
        if "object" in self.counts and not self.quick:
            said[list(self.counts).index("object")] += f" ({self.object_bytes / MB:,.1f} MB)"
        return ", ".join(said)

    @property
    def sentence(self) -> str:
        """The outcome in one sentence; of damage the first, and how many more there are."""
        if self.damage:
            more = len(self.damage) - 1
            rest = f" Found {more:,} more; --all lists them." if more else ""
            return f"{self.damage[0].sentence}{rest}"
        end = {0: "all as written"}.get(len(self.owed), f"all as written, {len(self.owed)} to be put right")
        how = " Bytes of objects and rows were not read (--quick)." if self.quick else ""
        return f"{self.checked}: {end}.{how}"

    def to_json(self) -> dict[str, Any]:
        """Return the verification as JSON."""
        return {
            "sentence": self.sentence,
            "intact": not self.damage,
            "damage": [finding.to_json() for finding in self.damage],
            "owed": [finding.to_json() for finding in self.owed],
            "checked": {
                **{_many(what).replace(" ", "_"): number for what, number in self.counts.items()},
                "object_bytes": self.object_bytes,
                "expired_runs": len(self.expired),
            },
            "quick": self.quick,
        }


def read_chain(archive: Archive, model: str, seen: Verification) -> tuple[Entry, ...]:
    """Return a model's entries that can be read, after checking chain, exactness, every signature and every mark."""
    marks = list(archive.store.keys(f"heads/{model}/"))  # before the entries: another writer may append in between
    entries: list[Entry] = []
    broken = len(seen.damage)
    next_n, previous = 0, ORIGIN
    for key in archive.store.keys(f"ledger/{model}/"):
        try:
            entry = parse_entry(archive.store.get(key) or b"", key)
            check_signature(archive, entry)
        except IntegrityError as error:
            seen.found(Finding(key, str(error)))
            next_n, previous = next_n + 1, ""
            continue
        if (fault := _misplaced(entry, model, key, next_n, previous)) is not None:
            seen.found(Finding(key, fault))
        next_n, previous = entry.n + 1, entry.link
        entries.append(entry)
    seen.count("entry", len(entries))
    _check_marks(archive, model, marks, entries, seen)
    if len(seen.damage) == broken:
        _check_end(archive, model, seen)
    return tuple(entries)


def _misplaced(entry: Entry, model: str, key: str, n: int, previous: str) -> str | None:
    if key == entry_key(model, n) and entry.model == model and entry.n == n and previous in ("", entry.previous):
        return None
    if key == entry_key(model, entry.n) and entry.n > n:
        gone = entry_key(model, n)
        return f"The ledger of {model} is broken: {gone} is gone. Restore it from a backup."
    return f"The ledger of {model} is broken at entry {n} ({key}): {misplaced(n)}. Restore the ledger from a backup."


def _check_marks(archive: Archive, model: str, marks: list[str], entries: list[Entry], seen: Verification) -> None:
    known = {entry.n: entry.digest for entry in entries}
    for key in marks:
        try:
            body = get_sealed(archive, key) or {}
        except IntegrityError as error:
            seen.found(Finding(key, str(error)))
            continue
        n = int(body.get("n", -1))
        if key != head_key(model, n) or (n in known and known[n] != body["digest"]):
            seen.found(Finding(key, f"{key} marks another entry than {entry_key(model, n)}: one was replaced."))
        elif n not in known and archive.store.get(entry_key(model, n)) is None:
            where = entry_key(model, n)
            seen.found(Finding(where, f"{where} is gone: {key} proves it was written. Restore it from a backup."))
    first = marks[0] if marks else ""  # the upkeep removes old marks, oldest first
    for entry in entries:
        key = head_key(model, entry.n)
        if key > first and key not in marks and archive.store.get(key) is None:
            seen.found(Finding(key, f"{entry_key(model, entry.n)} has no mark at {key}.", "mark", model, str(entry.n)))


def _check_end(archive: Archive, model: str, seen: Verification) -> None:
    try:
        read_ledger(archive, model)
    except IntegrityError as error:
        where = archive.witness.where if archive.witness else f"heads/{model}/"
        seen.found(Finding(where, str(error)))


def check_record(archive: Archive, run_id: str, why: str, seen: Verification) -> dict[str, Any] | None:
    """Return a run's record after checking it; None, and a finding, when it is damaged or gone.

    A run that the retention policy removed has a signed note in `expired/` instead, and is counted.
    """
    try:
        record = read_record(archive, run_id)
        if record is None and get_sealed(archive, expired_key(run_id)) is not None:
            seen.expired.add(run_id)
            return None
    except IntegrityError as error:
        seen.found(Finding(f"records/{run_id}", str(error)))
        return None
    if record is None:
        key = start_key(run_id)
        seen.found(Finding(key, f"{key} is gone, although {why}. Restore it from a backup."))
        return None
    seen.count("record")
    return record


def check_made_by(entry: Entry, record: dict[str, Any], seen: Verification) -> None:
    """Find an entry that was made by another record than the one that lies there."""
    start = sha256_json({name: value for name, value in record.items() if name != "end"})
    if entry.facts.get("record") != start:
        key, where = entry_key(entry.model, entry.n), start_key(record["run_id"])
        seen.found(Finding(where, f"{where} is not the record that {key} was made with: one was replaced."))


def check_wrote(
    archive: Archive, record: dict[str, Any], known: Mapping[tuple[str, int], str], seen: Verification
) -> None:
    """Find a ledger entry that a run's record says it wrote and that is not there: the ledger was cut off.

    known holds the digests of the entries that were read, by model and number; others may be younger.
    """
    wrote = record["end"]["outputs"].get(WROTE, {}) if record["end"] else {}
    for n, digest in wrote.items():
        if known.get((record["model"], int(n))) == digest:
            continue
        key = entry_key(record["model"], int(n))
        if not _holds(archive, key, digest):
            said = f"{key} is gone or another one: {end_key(record['run_id'])} says that its run wrote it."
            seen.found(Finding(key, f"{said} Restore it from a backup."))


def _holds(archive: Archive, key: str, digest: str) -> bool:
    try:
        return parse_entry(archive.store.get(key) or b"", key).digest == digest
    except IntegrityError:
        return False


def check_sealed(archive: Archive, key: str, seen: Verification) -> Any | None:
    """Return a signed JSON of the store after checking it, None and a finding when it is damaged."""
    try:
        return get_sealed(archive, key)
    except IntegrityError as error:
        seen.found(Finding(key, str(error)))
        return None


def expired_key(run_id: str) -> str:
    """Return where the note lies that the retention policy removed a run."""
    return f"expired/{run_id}.json"


def expired_batch_key(model: str, date: str, version: int) -> str:
    """Return where the note lies that the retention policy took a version's predictions of a date."""
    return f"expired_batches/{model}/{date}-v{version}.json"


def run_ids(keys: Iterator[str]) -> list[str]:
    """Return the ids of all runs that left anything under `records/`, in order."""
    return list(dict.fromkeys(key.split("/")[1] for key in keys))


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what if number == 1 else _many(what)}"


def _many(what: str) -> str:
    return f"{what[:-1]}ies" if what.endswith("y") else f"{what}es" if what.endswith("ch") else f"{what}s"
