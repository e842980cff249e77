"""The survey of the store before its upkeep: what may go, what holds the rest. It changes nothing."""

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from plimsoll.archive import Archive, get_sealed
from plimsoll.digest import sha256_hex
from plimsoll.errors import IntegrityError
from plimsoll.ledger import Entry, read_ledger
from plimsoll.platform_config import RetentionConfig
from plimsoll.reachable import Named, Reached, digests_in, named_by
from plimsoll.retention import expired_batches, expired_runs, held_by, needed_runs, old_marks, versions_of
from plimsoll.run_record import list_runs, read_record
from plimsoll.standing import Standing, stand
from plimsoll.store import OBJECTS, Store, Stored, object_key
from tasks.delta import read_predictions
from tasks.delta_layout import partitions
from tasks.prediction_files import live_files, runs_there
from tasks.workspace import Workspace

EXPIRED, EXPIRED_BATCHES = "expired/", "expired_batches/"
CACHES = ("backtests/", "quality/", "searches/", "seen/", "thresholds/", "verdicts/")
SILENT = ("heads/", "sweeps/", "layout/", EXPIRED, EXPIRED_BATCHES)  # what names no object
READ_APART = ("ledger/", "records/", "bundles/")  # a bundle is held by the entry that says who trained it
HOUR, DAY = 3600, 86_400


class Batch(NamedTuple):
    """One version's predictions of one date, and the number of the ledger entry that committed them."""

    model: str
    date: str
    version: int
    entry: int


@dataclass(eq=False)
class Survey:
    """What the upkeep found. Not frozen: `reached` grows when the store is looked at again."""

    now: datetime
    standings: dict[str, Standing]
    records: dict[str, dict[str, Any]]
    loose: list[dict[str, Any]]  # run and snapshot of predictions that no ledger entry tells of
    batches: list[Batch]  # whose predictions go
    gone_batches: set[Batch]  # whose predictions went before, or were about to
    runs: dict[str, int | None]  # whose records go, with the days that their policy gives
    gone_runs: set[str]  # went before
    caches: list[Stored] = field(default_factory=list)
    marks: list[Stored] = field(default_factory=list)
    record_bytes: dict[str, int] = field(default_factory=dict)
    orphans: list[Stored] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)  # keys of all that was read or left out
    reached: Reached = field(default_factory=lambda: Reached(lambda _: None))


def survey(workspace: Workspace, now: datetime, own: str = "") -> Survey:
    """Return what a policy lets go, and every object that nothing needs then; own is the run that asks.

    Raises IntegrityError when a ledger, a record, a manifest or anything else that names objects was changed or is
    missing: what it named cannot be known then, so nothing is removed.
    """
    policy, archive = workspace.platform.retention, workspace.archive
    documents = [entry for entry in archive.store.entries("") if not entry.key.startswith(OBJECTS)]
    found = _decide(workspace, policy, now, own)  # after the list: all that was listed is read
    _sort_out(found, documents, policy)
    there: set[str] = set()
    found.reached = Reached(lambda digest: _look(archive.store, digest, there))
    for named in _roots(found):
        found.reached.add(named)
    leaving = {entry.key for entry in (*found.caches, *found.marks)}
    found.seen = {entry.key for entry in documents}
    read_documents(archive, found, (entry.key for entry in documents if entry.key not in leaving))
    _require(found, there)
    before = now.timestamp() - policy.orphans_grace_hours * HOUR
    candidates = itertools.chain(archive.store.entries("bundles/"), archive.store.entries(OBJECTS))
    found.orphans = [
        entry
        for entry in candidates
        if entry.modified < before
        and (digest := digest_of(entry.key)) not in found.reached
        and (entry.key == object_key(digest) or not entry.key.startswith(OBJECTS))
    ]
    return found


def digest_of(key: str) -> str:
    """Return the digest that the key of an object, or of a bundle's signature, ends with."""
    return key.rpartition("/")[2].removesuffix(".json")


def look_again(archive: Archive, found: Survey) -> None:
    """Add what came into the store since, so that an old object which is needed anew is seen to be."""
    tops = {key.partition("/")[0] for key in (*found.seen, *CACHES)} | {"ledger", "records", "types"}
    new = [key for top in sorted(tops) for key in archive.store.keys(f"{top}/") if key not in found.seen]
    found.seen.update(new)
    read_documents(archive, found, new, but=SILENT)


def read_documents(
    archive: Archive, found: Survey, keys: Iterable[str], but: tuple[str, ...] = SILENT + READ_APART
) -> None:
    """Add all that some documents name."""
    for key in keys:
        if not key.startswith(but):
            found.reached.add(Named(digests_in(archive.store.get(key) or b"")))


def _decide(workspace: Workspace, policy: RetentionConfig, now: datetime, own: str) -> Survey:
    """Return the survey with the runs and batches that go."""
    archive = workspace.archive
    models = sorted({key.split("/")[1] for key in archive.store.keys("ledger/")})
    standings = {model: stand(model, read_ledger(archive, model)) for model in models}
    records = {run: record for run in list_runs(archive.store) if (record := read_record(archive, run))}
    tombs = {str(body["run"]) for body in _sealed(archive, EXPIRED)}
    gone = {Batch(*(body[name] for name in Batch._fields)) for body in _sealed(archive, EXPIRED_BATCHES)}
    batches: list[Batch] = []
    needed: set[str] = set()
    for model, standing in standings.items():
        expired = expired_batches(standing, policy.predictions_days, now)
        batches += [batch for entry in expired for batch in _batches(model, entry) if batch not in gone]
        dropped = {e.n for e in expired} | {b.entry for b in gone if b.model == model}
        needed |= needed_runs(standing, dropped, records)
    loose = _uncommitted(workspace, standings)
    needed |= {own, *(str(row["run"]) for row in loose)}
    runs = expired_runs(records, needed, tombs & records.keys(), policy, now)
    return Survey(now, standings, records, loose, batches, gone, runs, tombs - records.keys())


def _batches(model: str, entry: Entry) -> list[Batch]:
    return [Batch(model, str(entry.facts["date"]), int(version), entry.n) for version in entry.facts["versions"]]


def _sealed(archive: Archive, prefix: str) -> Iterator[Any]:
    return (get_sealed(archive, key) for key in archive.store.keys(prefix))


def _sort_out(found: Survey, documents: list[Stored], policy: RetentionConfig) -> None:
    """Note which caches and head marks go, and how long the records of runs that go are."""
    gone = {f"quality/{b.model}/v{b.version}/{b.date}/" for b in (*found.batches, *found.gone_batches)}
    before = found.now.timestamp() - (policy.caches_days or 0) * DAY
    heads: dict[str, list[str]] = {}
    for entry in documents:
        if entry.key.startswith("heads/"):
            heads.setdefault(entry.key.split("/")[1], []).append(entry.key)
        if entry.key.startswith("records/") and (run := entry.key.split("/")[1]) in found.runs:
            found.record_bytes[run] = found.record_bytes.get(run, 0) + entry.bytes
        old = policy.caches_days is not None and entry.modified < before
        # without its predictions a night's quality cannot be computed again
        if old and entry.key.startswith(CACHES) and f"{entry.key.rpartition('/')[0]}/" not in gone:
            found.caches.append(entry)
    passed = {key for keys in heads.values() for key in old_marks(keys)}
    found.marks = [entry for entry in documents if entry.key in passed]


def _roots(found: Survey) -> Iterator[Named]:
    """Yield what ledgers, kept records and predictions hold."""
    gone = found.gone_runs | found.runs.keys()
    for standing in found.standings.values():
        versions = versions_of(standing, gone)
        yield from (held_by(entry, gone, versions) for entry in standing.entries)
    for run, record in found.records.items():
        if run not in found.runs:
            yield Named(digests_in(json.dumps(record).encode()))
    yield from (Named(frozenset({str(row["snapshot"])})) for row in found.loose)


def _uncommitted(workspace: Workspace, standings: dict[str, Standing]) -> list[dict[str, Any]]:
    """Return run and snapshot of predictions that no ledger entry tells of: whoever wrote them died, or soon will.

    The next run over that date completes the entry, and reads that very snapshot.
    """
    live = live_files(workspace, anew=True)
    told = {model: standing.told_runs() for model, standing in standings.items()}
    rows: list[dict[str, Any]] = []
    for part in partitions(live) if live else []:
        known = told.get(part.model, {}).get((part.batch_date, part.version), set())
        if any(runs_there(live, file) - known for file in part.files):  # type: ignore[arg-type]
            about = {"date": part.batch_date, "version": part.version, "columns": ["run", "snapshot"]}
            found = read_predictions(workspace, part.model, **about).drop_duplicates().to_dict("records")  # type: ignore[arg-type]
            rows += [{"run": row["run"], "snapshot": row["snapshot"]} for row in found if row["run"] not in known]
    return rows


def _look(store: Store, digest: str, there: set[str]) -> Named | None:
    """Return what an object names, checked against its digest; bulk data is not read beyond its first byte."""
    source = store.open(object_key(digest))
    if source is None:
        return None
    there.add(digest)
    with source as stream:
        first = stream.read(1)
        if first not in (b"{", b"["):
            return Named()
        data = first + stream.read()
    if sha256_hex(data) != digest:
        raise IntegrityError(
            f"Object {digest[:12]} at {object_key(digest)} was changed, so what it names is not known. "
            "Restore it from a backup; nothing was removed."
        )
    return named_by(data)


def _require(found: Survey, there: set[str]) -> None:
    """Raise IntegrityError when an object is missing that a kept record needs, and that may name others."""
    for run, record in found.records.items():
        if run in found.runs:
            continue
        code, environment = record["code"], record["environment"]
        asked = [record["config"], code["tree"], code["diff"], environment["lock"], environment["packages"]]
        for digest in filter(None, [*asked, *(record["end"] or {}).get("snapshots", ())]):
            if digest not in there:
                raise IntegrityError(
                    f"Run {run} needs object {digest[:12]} at {object_key(digest)}, which is not there. "
                    "Restore it from a backup; nothing was removed."
                )
