"""The predictions table, held against its notes file by file, and against the ledger batch by batch."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from plimsoll.errors import FolderError, IntegrityError
from plimsoll.ledger import Entry, entry_key
from plimsoll.scores_digest import batch_digest
from plimsoll.standing import Standing, stand
from plimsoll.validation import of_earlier_code
from plimsoll.verification import Finding, Verification, check_sealed
from tasks.delta_layout import Partition, partitions
from tasks.key_index import FOLDER as INDEX
from tasks.prediction_files import LiveFiles, checked, count_of_runs, live_files, runs_there
from tasks.scratch import scratch_folder
from tasks.table_notes import LATEST, LOG, NOTES, file_digest, list_files, open_folder, version_of, wants_note
from tasks.workspace import Workspace

Notes = dict[str, tuple[str, int]]  # SHA-256 and bytes by path
Place = tuple[str, str, int]  # model, batch date, version
TABLE = "predictions"
RESTORE = "Restore it from a backup."


def check_predictions(
    workspace: Workspace, standings: Mapping[str, Standing], seen: Verification, *, whole: bool
) -> None:
    """Check the files of the table against their notes, and the rows of some models against their ledgers."""
    folder = open_folder(workspace)
    files = list_files(folder)
    notes = _read_notes(workspace, seen)
    wanted = (LOG, INDEX, *(f"model={model}" for model in standings)) if not whole else ("",)
    damaged = len(seen.damage)
    _check_log(files, notes, seen)
    _check_files(folder, files, {path: notes[path] for path in notes if path.startswith(wanted)}, seen)
    if any(finding.where.startswith(f"{TABLE}/{LOG}") for finding in seen.damage[damaged:]):
        return  # which files count cannot be known
    live = _open(workspace, seen)
    by_place = {(p.model, p.batch_date, p.version): p for p in partitions(live)} if live else {}
    _check_live(by_place, files, notes, wanted, seen)
    for model in sorted({place[0] for place in by_place} - standings.keys() if whole else ()):
        _check_unknown(live, by_place, model, stand(model, ()), seen)
    expired = expired_places(workspace, seen)
    for model, standing in standings.items():
        for entry in standing.of_kind("batch_committed", "rows_cleared"):
            _check_batch(workspace, live, by_place, expired, entry, seen)
        _check_unknown(live, by_place, model, standing, seen)


def committed_by(entry: Entry) -> list[Place]:
    """Return what a ledger entry committed: model, batch date and version."""
    return [(entry.model, str(entry.facts["date"]), int(version)) for version in entry.facts["versions"]]


def expired_places(workspace: Workspace, seen: Verification) -> set[Place]:
    """Return what signed notes tell that the retention policy took out of the table."""
    keys = workspace.store.keys("expired_batches/")
    bodies = filter(None, (check_sealed(workspace.archive, key, seen) for key in keys))
    return {(str(body["model"]), str(body["date"]), int(body["version"])) for body in bodies}


def _read_notes(workspace: Workspace, seen: Verification) -> Notes:
    """Return the latest note of every file; a damaged one is found and left out."""
    notes: Notes = {}
    for key in workspace.store.keys(NOTES):
        for path, (digest, size) in (check_sealed(workspace.archive, key, seen) or {}).items():
            notes[path] = (digest, size)
    return notes


def _check_log(files: Mapping[str, int], notes: Notes, seen: Verification) -> None:
    """Find what is gone of the log though no checkpoint replaces it, and what was never noted."""
    checkpoints = [version_of(path) for path in files if path.endswith(".parquet") and wants_note(path)]
    through = max((n for n in checkpoints), default=-1)
    for path in notes:
        if path.startswith(LOG) and path.endswith(".json") and path not in files and version_of(path) > through:
            where = f"{TABLE}/{path}"
            seen.found(Finding(where, f"{where} is gone, although a note proves that it was written. {RESTORE}"))
    for path in files:
        if wants_note(path) and path not in notes:
            _owe_note(path, seen)


def _check_files(folder: Any, files: Mapping[str, int], notes: Notes, seen: Verification) -> None:
    """Hash every noted file that is still there, on all cores; in a quick check only its length is looked at."""

    def wrong(path: str) -> str:
        if seen.quick and not path.startswith(LOG):
            return "" if files[path] == notes[path][1] else path
        return "" if file_digest(folder, path) == notes[path] else path

    there = [path for path in sorted(notes, key=lambda path: (not path.startswith(LOG), path)) if path in files]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path in filter(None, pool.map(wrong, there)):
            if path == LATEST and any(finding.owed == "notes" for finding in seen.findings):
                continue  # a checkpoint was written that nobody noted yet
            where = f"{TABLE}/{path}"
            seen.found(Finding(where, f"{where} was changed: its bytes are not those that were noted. {RESTORE}"))
    seen.count("table file", len(there))


def _open(workspace: Workspace, seen: Verification) -> LiveFiles | None:
    from deltalake.exceptions import DeltaError

    try:
        return live_files(workspace, anew=True)
    except (DeltaError, FolderError, IntegrityError, ValueError) as error:
        said = str(error).splitlines()[0]
        seen.found(Finding(f"{TABLE}/{LOG}", f"The log of the predictions table cannot be read: {said} {RESTORE}"))
        return None


def _check_live(
    by_place: Mapping[Place, Partition],
    files: Mapping[str, int],
    notes: Notes,
    wanted: tuple[str, ...],
    seen: Verification,
) -> None:
    """Find live files that are gone or were never noted."""
    for path in (file["path"] for partition in by_place.values() for file in partition.files):
        if not path.startswith(wanted):
            continue
        if path not in files:
            where = f"{TABLE}/{path}"
            seen.found(Finding(where, f"{where} is gone, although the table's log names it. {RESTORE}"))
        elif path not in notes:
            _owe_note(path, seen)


def _check_batch(
    workspace: Workspace,
    live: LiveFiles | None,
    by_place: Mapping[Place, Partition],
    expired: set[Place],
    entry: Entry,
    seen: Verification,
) -> None:
    """Find a batch whose rows are gone or are not those of its ledger entry."""
    key, date = entry_key(entry.model, entry.n), entry.facts["date"]
    where = f"{TABLE} {entry.model} {date}"
    parts = [by_place[place] for place in committed_by(entry) if place in by_place]
    missing = [place for place in committed_by(entry) if place not in by_place]
    if gone := [f"v{place[2]}" for place in missing if place not in expired]:
        said = f"The predictions of {entry.model} {date} by {', '.join(gone)} are gone, although {key} committed them."
        seen.found(Finding(where, f"{said} {RESTORE}"))
        return
    if missing or live is None:
        return  # the digest in the ledger is that of all versions together
    seen.count("batch" if entry.kind == "batch_committed" else "cleared part")
    if seen.quick:
        return
    try:
        with scratch_folder(workspace) as scratch:
            found = _describe(live, parts, str(entry.facts["scored_by"]), scratch, of_earlier_code(entry.facts))
    except IntegrityError as error:
        seen.found(Finding(where, str(error)))
        return
    stated = (entry.facts["scores"], entry.facts["versions"], {entry.facts["snapshot"]}, {entry.facts["scored_by"]})
    if found != stated:
        names = ("scores", "versions and roles", "snapshot", "run")
        wrong = ", ".join(name for name, one, other in zip(names, found, stated, strict=True) if one != other)
        said = f"The predictions of {entry.model} {date} are not those of {key}: {wrong} differ."
        seen.found(Finding(where, f"{said} Restore the predictions table from a backup."))


def _describe(
    live: LiveFiles, parts: list[Partition], run: str, scratch: Path, undealt: bool
) -> tuple[str, dict[str, str], set[str], set[str]]:
    """Return digest of the scores, role by version, snapshots and runs of the rows that a run wrote, as they lie."""
    import pyarrow as pa
    import pyarrow.compute as pc

    roles: dict[str, set[str]] = {str(part.version): set() for part in parts}
    snapshots, runs = set[str](), set[str]()

    def read() -> Iterator[Any]:
        for part in parts:
            version = pa.scalar(part.version, pa.int32())
            for rows in (rows for file in part.files for rows in _read(live, str(file["path"]), run)):
                for column, found in (("role", roles[str(part.version)]), ("snapshot", snapshots), ("run", runs)):
                    found |= set(pc.unique(rows[column]).to_pylist())
                yield rows.append_column("version", pa.repeat(version, len(rows)))

    number = sum(_count(live, file, run) for part in parts for file in part.files)
    digest = batch_digest(read(), number, scratch, undealt=undealt)
    return digest, {version: "/".join(sorted(found)) for version, found in roles.items()}, snapshots, runs


def _count(live: LiveFiles, file: Mapping[str, Any], run: str) -> int:
    there = runs_there(live, file)
    return int(file["rows"]) * (run in there) if len(there) == 1 else count_of_runs(live, str(file["path"]), {run})


def _read(live: LiveFiles, path: str, run: str) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    words = {name: pa.string() for name in ("key", "role", "snapshot", "run")}
    kinds = pa.schema({**words, "score": pa.float64()})
    with checked(f"{TABLE}/{path}"), live.filesystem.open_input_file(path) as stream:
        file = pq.ParquetFile(stream, page_checksum_verification=True)
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, kinds.names).cast(kinds)
            yield rows.filter(pc.equal(rows["run"], run))


def _check_unknown(
    live: LiveFiles | None, by_place: Mapping[Place, Partition], model: str, standing: Standing, seen: Verification
) -> None:
    """Find rows that no ledger entry knows: a run died between its commit and its entry."""
    told = standing.told_runs()
    for date in sorted({p.batch_date for p in by_place.values() if p.model == model and _has_unknown(live, p, told)}):
        sentence = (
            f"The table holds predictions of {model} {date} that no ledger entry knows: a run died between its commit "
            f"and its entry. Finish it with: plimsoll repair {model}"
        )
        seen.found(Finding(f"{TABLE} {model} {date} unknown", sentence, "batch", model, date))


def _has_unknown(live: LiveFiles | None, part: Partition, told: Mapping[tuple[str, int], set[str]]) -> bool:
    known = told.get((part.batch_date, part.version))
    if known is None or live is None:
        return True
    try:
        return any(runs_there(live, file) - known for file in part.files)
    except IntegrityError:
        return False  # a damaged file is found by its digest


def _owe_note(path: str, seen: Verification) -> None:
    sentence = f"{TABLE}/{path} has no note of its digest: a run died before it wrote one. Write it: plimsoll repair"
    seen.found(Finding(f"{TABLE}/{path}", sentence, "notes", "", path))
