"""Verify: everything that was written, read again and held against what signs and names it.

The order is that of cause and effect: keys, ledgers, records, bytes, what they name, then the mirrors and the rows.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from plimsoll.archive import Archive
from plimsoll.bundle import signature_key
from plimsoll.errors import IntegrityError
from plimsoll.ledger import Entry
from plimsoll.people import PEOPLE
from plimsoll.proved import unproved
from plimsoll.references import Reference, named_by_entry, named_by_record, named_by_version, runs_named_by
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing, stand
from plimsoll.store import OBJECTS, Store, get_json, object_digest, object_key
from plimsoll.verification import (
    Finding,
    Verification,
    check_made_by,
    check_record,
    check_sealed,
    check_wrote,
    read_chain,
    run_ids,
)
from tasks.table_notes import NOTES
from tasks.verify_mirrors import check_database, check_mirrors, is_kept
from tasks.verify_predictions import check_predictions
from tasks.workspace import Workspace

# what has a check of its own; all else is a signed JSON
CHECKED = re.compile(rf"(ledger|heads)/[^/]+/\d{{8}}\.json|records/[^/]+/(start|end)\.json|{NOTES}.+\.json")
LISTED = ("ledger/", "heads/", "records/", NOTES)
OF_A_MODEL = ("bundles", "quality", "expired_batches")  # folders of signed JSON by model
DIGITS = 64  # of a SHA-256
Progress = Callable[[str], None]
Listed = dict[str, int]  # bytes by digest


@dataclass(eq=False)
class _Search:
    """What the checks know so far; one per verification."""

    workspace: Workspace
    seen: Verification
    progress: Progress
    ledgers: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    listed: Listed = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)  # keys that this project does not write
    references: dict[str, Reference] = field(default_factory=dict)  # by digest, the first who needs it

    @property
    def archive(self) -> Archive:
        """Where signed things are read from."""
        return self.workspace.archive

    def need(self, references: Iterable[Reference]) -> None:
        """Note what must be there; of one digest the reference that can be followed counts."""
        for reference in references:
            known = self.references.get(reference.digest)
            if known is None or (known.kind == "object" and reference.kind != "object"):
                self.references[reference.digest] = reference


def verify(
    workspace: Workspace, model: str | None = None, *, quick: bool = False, progress: Progress = lambda _: None
) -> Verification:
    """Check everything that was written, or what one model needs, and return what was found.

    quick leaves out the bytes of objects and the rows of predictions. Nothing is changed. Raises IntegrityError
    without the signing key, ServerError when a server does not answer.
    """
    search = _Search(workspace, Verification(quick=quick), progress)
    standings = _check_ledgers(search, (model, PEOPLE) if model else _models(workspace))
    people = standings.pop(PEOPLE, stand(PEOPLE, ()))
    for finding in (one for name in standings for one in unproved(search.ledgers[name], people.entries)):
        search.seen.found(finding)
    _check_records(search, None if model else run_ids(workspace.store.keys("records/")))
    signed = _list(search, whole=model is None)
    for key in signed:
        check_sealed(search.archive, key, search.seen)
    search.seen.count("cached or noted fact", len(signed))
    _check_objects(search, whole=model is None)
    for name, standing in standings.items() if check_database(workspace, search.seen) else ():
        progress(f"Verifying {name} in MLflow")
        check_mirrors(workspace, name, standing, search.seen)
    progress("Verifying predictions")
    check_predictions(workspace, standings, search.seen, whole=model is None)
    return search.seen


def _models(workspace: Workspace) -> list[str]:
    keys = (key.split("/") for prefix in ("heads/", "ledger/") for key in workspace.store.keys(prefix))
    return sorted({parts[1] for parts in keys if len(parts) > 2} | set(workspace.listed))


def _check_ledgers(search: _Search, models: Iterable[str]) -> dict[str, Standing]:
    standings = {}
    for model in models:
        search.progress(f"Verifying the ledger of {model}")
        entries = read_chain(search.archive, model, search.seen)
        search.ledgers[model] = entries
        standings[model] = stand(model, entries)
    return standings


def _check_records(search: _Search, everything: list[str] | None) -> None:
    """Check the records that ledgers name, their parents, and all others when asked; gather what they need."""
    made_by: dict[str, list[Entry]] = {}
    for entries in search.ledgers.values():
        for entry in entries:
            made_by.setdefault(runs_named_by(entry), []).append(entry)
    search.need(ref for entry in made_by.pop("", []) for ref in named_by_entry(entry))
    why = {run: f"ledger entry {made[0].n} of {made[0].model} was made by it" for run, made in made_by.items()}
    why |= {run: "its other half lies there" for run in everything or () if run not in why}
    known = {(entry.model, entry.n): entry.digest for entries in search.ledgers.values() for entry in entries}
    waiting, done = list(why), set(why)
    while waiting:
        run = waiting.pop(0)
        if len(done) % 100 == 1:
            search.progress(f"Verifying records, {len(waiting):,} to go")
        if (record := check_record(search.archive, run, why[run], search.seen)) is None:
            continue
        search.need(named_by_record(record))
        check_wrote(search.archive, record, known, search.seen)
        for entry in made_by.get(run, []):
            check_made_by(entry, record, search.seen)
            search.need(named_by_entry(entry))
        for parent in (record["end"] or {}).get("parents", ()):
            if parent not in done:
                why[parent] = f"run {run} built upon it"
                done.add(parent)
                waiting.append(parent)
    versions = (v for name, entries in search.ledgers.items() for v in stand(name, entries).versions)
    kept = [version for version in versions if is_kept(version, search.seen)]
    search.need(named_by_version(version.trained) for version in kept)
    for trained in (version.trained for version in kept):
        key = signature_key(trained.model, str(trained.facts["bundle"]))
        if search.archive.store.get(key) is None:
            said = f"{key}, the signature of the bundle of {trained.model} v{trained.facts['version']}, is gone."
            search.seen.found(Finding(key, f"{said} Restore it from a backup."))


def _list(search: _Search, *, whole: bool) -> list[str]:
    """List the objects and return the other keys that hold a signed JSON and have no check of their own.

    For one model only what lies in folders of its own.
    """
    signed = []
    own = (OBJECTS, *(f"{folder}/{model}/" for folder in OF_A_MODEL for model in search.ledgers))
    for found in (found for prefix in (("",) if whole else own) for found in search.workspace.store.entries(prefix)):
        key, digest = found.key, found.key.rpartition("/")[2]
        if key.startswith(OBJECTS) and key == object_key(digest) and len(digest) == DIGITS:
            search.listed[digest] = found.bytes
        elif key.startswith((OBJECTS, *LISTED)):
            search.strays += [] if CHECKED.fullmatch(key) else [key]
        else:
            signed.append(key)
    return signed


def _check_objects(search: _Search, *, whole: bool) -> None:
    """Check that every object that is needed is there, and the bytes of these, or of all objects when asked."""
    seen, listed = search.seen, search.listed
    search.progress("Verifying what manifests name")
    first = [reference for reference in search.references.values() if _there(search, listed, reference)]
    search.need(named for reference in first for named in _follow(search, reference))
    for reference in search.references.values():
        _there(search, listed, reference)
    for key in search.strays:
        said = f"{key} is no name that this project writes: it was renamed, or put there by hand. Remove it."
        seen.found(Finding(key, said))
    wanted = listed if whole else {digest: listed[digest] for digest in search.references if digest in listed}
    if not seen.quick:
        for digest, sentence in changed_objects(search.workspace.store, wanted, search.progress):
            seen.found(Finding(object_key(digest), sentence))
    seen.count("object", len(wanted))
    seen.object_bytes += sum(wanted.values())


def _there(search: _Search, listed: Listed, reference: Reference) -> bool:
    if reference.digest in listed:
        return True
    key = object_key(reference.digest)
    search.seen.found(Finding(key, f"{key} is gone, and {reference.by} needs it. Restore it from a backup."))
    return False


def _follow(search: _Search, reference: Reference) -> list[Reference]:
    """Return what a manifest lists; nothing, and a finding, when it was changed or is no manifest."""
    try:
        return list(_listed_in(search.workspace, reference))
    except IntegrityError as error:
        search.seen.found(Finding(object_key(reference.digest), str(error)))
        return []


def changed_objects(
    store: Store, wanted: Listed, progress: Progress, threads: int | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the digest of each object that is not as it was written, with a sentence; on all cores, streamed."""
    total, lock = sum(wanted.values()) or 1, threading.Lock()
    left, done = iter(wanted.items()), [0]

    def work() -> list[tuple[str, str]]:
        wrong: list[tuple[str, str]] = []
        while True:
            with lock:
                digest, size = next(left, ("", 0))
                before, done[0] = done[0], done[0] + size
            if (percent := done[0] * 100 // total) != before * 100 // total:
                progress(f"Verifying objects, {percent} % of {total / 1e6:,.0f} MB")
            if not digest:
                return wrong
            try:
                found = object_digest(store, digest)
            except IntegrityError as error:
                wrong.append((digest, str(error)))
                continue
            if found != digest:
                key = object_key(digest)
                wrong.append((digest, f"{key} was changed: its bytes hash to {found[:12]}. Restore it from a backup."))

    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work) for _ in range(workers)]:
            yield from future.result()


def _listed_in(workspace: Workspace, reference: Reference) -> Iterator[Reference]:
    """Yield what a manifest lists; IntegrityError when it is gone, changed or no manifest."""
    if reference.kind == "snapshot":
        tables = load_snapshot(workspace.store, reference.digest).tables
        digests = (ref.digest for files in tables.values() for ref in files)
    elif reference.kind in ("bundle", "tree"):
        digests = iter(get_json(workspace.store, reference.digest).values())
    else:
        return
    for digest in digests:
        yield Reference(str(digest), "object", f"{reference.kind} {reference.short} of {reference.by}")
