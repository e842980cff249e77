"""The layout of the predictions table: few sorted files, a checkpoint, an index of keys, and no dead bytes.

Only the order and the number of files change, never a row. delta-rs checks a hand-made commit against nothing that
came in between, so each is made for exactly the next version: when another writer was there first it fails, and is
tried again on what is there then. A batch that is scored meanwhile, or cleared, is not harmed: its commit only adds
files, and this replaces only files that it has read.
"""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.errors import ConflictError, IntegrityError
from tasks.delta import MAX_TRIES, PARTITIONS
from tasks.key_index import FOLDER, index_is_stale, write_index
from tasks.prediction_files import LiveFiles, checked, live_files, reading
from tasks.workspace import Workspace

SORTED = "sorted-"  # how the name of a file begins whose rows are in order of their key
GROUP_ROWS = 32_768  # a key is found by reading one such group
FILE_ROWS = 4_000_000  # sorted in memory at once
COMMIT_ROWS = 8_000_000  # rows rewritten per commit
RETENTION_HOURS = 168
DICTIONARY = ["role", "snapshot", "run"]  # one value in nearly every file; keys and scores differ in every row


@dataclass(frozen=True)
class Compaction:
    """What was done to the layout, or in a dry run what would be."""

    partitions: int
    files_before: int
    files_after: int
    rows: int  # rewritten, with their bytes before and after; after is not known in a dry run
    bytes_before: int
    bytes_after: int | None
    removed_files: int  # no longer live for longer than the retention
    index: str  # the key index that was written; empty where none was needed
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """Return what was done as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Partition:
    """The live files of one model, date and version."""

    model: str
    batch_date: str
    version: int
    files: tuple[dict[str, Any], ...]

    @property
    def rows(self) -> int:
        """The rows of all its files."""
        return sum(int(file["rows"]) for file in self.files)

    @property
    def values(self) -> dict[str, str | None]:
        """The partition's values as Delta's log writes them."""
        return {"model": self.model, "batch_date": self.batch_date, "version": str(self.version)}

    @property
    def laid_out(self) -> bool:
        """Whether its files are sorted, or it is one file so small that it is read whole anyway."""
        small = len(self.files) == 1 and self.rows <= GROUP_ROWS
        return small or all(file["path"].rpartition("/")[2].startswith(SORTED) for file in self.files)


def compact_predictions(
    workspace: Workspace, *, dry_run: bool = False, retention_hours: int = RETENTION_HOURS
) -> Compaction:
    """Sort and merge the files of every partition that needs it, index its keys, and remove what is long dead.

    Files that are no longer live stay for retention_hours, so that nobody who reads is disturbed. Raises
    IntegrityError when a file is not what the log says, ConflictError when others were faster on 20 tries.
    """
    live = live_files(workspace, anew=True)
    if live is None:
        return Compaction(0, 0, 0, 0, 0, 0, 0, "", dry_run)
    waiting = [partition for partition in partitions(live) if not partition.laid_out]
    before = [file for partition in waiting for file in partition.files]
    after: list[Any] = []
    if not dry_run:
        for some in _in_commits(waiting):
            after += _rewrite(workspace, live, some)
    index, removed = _tidy(workspace, dry_run, retention_hours)
    return Compaction(
        partitions=len(waiting),
        files_before=len(before),
        files_after=sum(-(-partition.rows // FILE_ROWS) for partition in waiting),
        rows=sum(partition.rows for partition in waiting),
        bytes_before=sum(file["bytes"] for file in before),
        bytes_after=None if dry_run else sum(action.size for action in after),
        removed_files=removed,
        index=index,
        dry_run=dry_run,
    )


def partitions(live: LiveFiles) -> list[Partition]:
    """Return the table's partitions in order, each with its live files."""
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for file in live.files.to_pylist():
        at = (str(file["model"]), file["batch_date"].isoformat(), int(file["version"]))
        found.setdefault(at, []).append(file)
    return [Partition(*at, tuple(sorted(files, key=lambda file: file["path"]))) for at, files in sorted(found.items())]


def _in_commits(waiting: Sequence[Partition]) -> Iterator[list[Partition]]:
    """Yield partitions in groups of about COMMIT_ROWS rows."""
    some: list[Partition] = []
    for partition in waiting:
        some.append(partition)
        if sum(one.rows for one in some) >= COMMIT_ROWS:
            yield some
            some = []
    if some:
        yield some


def _rewrite(workspace: Workspace, live: LiveFiles, some: Sequence[Partition]) -> list[Any]:
    """Write the rows of partitions to sorted files and put these in the place of the old ones, in one commit."""
    from deltalake.transaction import RemoveAction

    adds = [add for partition in some for add in _sorted_files(live, partition)]
    now = time.time_ns() // 1_000_000
    removes = [
        RemoveAction(file["path"], False, now, file["bytes"], partition.values)
        for partition in some
        for file in partition.files
    ]
    _commit(workspace, [*adds, *removes], {file["path"] for partition in some for file in partition.files})
    return adds


def _commit(workspace: Workspace, actions: Sequence[Any], replaced: set[str]) -> None:
    """Commit actions as exactly the next version, with every replaced file still live in the one before."""
    from deltalake.exceptions import CommitFailedError
    from deltalake.transaction import CommitProperties

    once = CommitProperties(custom_metadata={"plimsoll": "compaction"}, max_commit_retries=0)
    for _ in range(MAX_TRIES):
        live = live_files(workspace, anew=True)
        there = set(live.files["path"].to_pylist()) if live else set()
        if live is None or not replaced <= there:
            raise ConflictError("Another compaction was faster; its work stands. Start again when it has ended.")
        try:
            with reading(live.url, but=CommitFailedError):
                live.table.create_write_transaction(
                    list(actions), "append", live.table.schema(), PARTITIONS, commit_properties=once
                )
            return
        except CommitFailedError:
            continue
    raise ConflictError(f"Could not compact the predictions: other writers were faster {MAX_TRIES} times.")


def _sorted_files(live: LiveFiles, partition: Partition) -> Iterator[Any]:
    """Write a partition's rows in order of their key, some million a file, and yield Delta's word of each file."""
    import pyarrow as pa

    held: list[Any] = []
    count = 0
    for batch in _batches(live, partition):
        held.append(batch)
        count += len(batch)
        if sum(len(one) for one in held) >= FILE_ROWS:
            yield _write_sorted(live, partition, pa.Table.from_batches(held))
            held = []
    if held:
        yield _write_sorted(live, partition, pa.Table.from_batches(held))
    if count != partition.rows:
        where = "/".join(f"{name}={value}" for name, value in partition.values.items())
        raise IntegrityError(f"{where} holds {count} rows where the log says {partition.rows}. It was left as it is.")


def _batches(live: LiveFiles, partition: Partition) -> Iterator[Any]:
    for about in partition.files:
        with checked(about["path"]):
            yield from live.open_file(about["path"]).iter_batches(GROUP_ROWS)


def _write_sorted(live: LiveFiles, partition: Partition, table: Any) -> Any:
    """Write a table sorted by key, read it again to see that it is there whole, and return Delta's word of it."""
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    rows = table.sort_by([("key", "ascending"), ("score", "ascending")])
    folder = "/".join(f"{name}={value}" for name, value in partition.values.items())
    path = f"{folder}/{SORTED}{uuid.uuid4()}.parquet"
    order = [pq.SortingColumn(rows.schema.get_field_index("key"))]
    live.filesystem.create_dir(folder)
    with live.filesystem.open_output_stream(path) as stream:
        options = {"compression": "zstd", "use_dictionary": DICTIONARY, "write_page_checksum": True}
        pq.write_table(rows, stream, row_group_size=GROUP_ROWS, sorting_columns=order, **options)
    with checked(path):
        if not live.open_file(path).read().equals(rows):
            raise IntegrityError(f"{path} does not hold the rows that were written. Nothing was replaced by it.")
    size = live.filesystem.get_file_info(path).size
    return AddAction(path, size, partition.values, time.time_ns() // 1_000_000, False, json.dumps(_statistics(rows)))


def _statistics(rows: Any) -> dict[str, Any]:
    import pyarrow.compute as pc

    bounds, runs = pc.min_max(rows["score"]).as_py(), pc.min_max(rows["run"]).as_py()
    return {
        "numRecords": len(rows),
        "minValues": {"key": rows["key"][0].as_py(), "score": bounds["min"], "run": runs["min"]},
        "maxValues": {"key": rows["key"][-1].as_py(), "score": bounds["max"], "run": runs["max"]},
        "nullCount": {"key": 0, "score": 0, "run": 0},
    }


def _tidy(workspace: Workspace, dry_run: bool, retention_hours: int) -> tuple[str, int]:
    """Index the keys where that is needed, write a checkpoint, remove dead files; return the index and their number."""
    live = live_files(workspace, anew=True)
    if live is None:
        return "", 0
    stale = index_is_stale(live)
    with reading(live.url):
        index = f"{FOLDER}/(to be written)" if stale and dry_run else write_index(live) if stale else ""
        if not dry_run:
            live.table.create_checkpoint()
        gone = live.table.vacuum(retention_hours, dry_run=True, enforce_retention_duration=False, full=True)
        there = sum(1 for info in live.filesystem.get_file_info(gone) if info.is_file)  # some went long ago
        if there and not dry_run:
            live.table.vacuum(retention_hours, dry_run=False, enforce_retention_duration=False, full=True)
    return index, there
