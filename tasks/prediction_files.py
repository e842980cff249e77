"""The files of the predictions table: which are live, what their statistics say, and how they are read fast.

A file of a Delta table never changes. So a process keeps the footers that it has read, and of the table's log it
reads only the commits that came since it last looked.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.errors import IntegrityError
from plimsoll.scores_digest import batch_digest
from tasks.delta import Committed, failed, open_predictions, table_files
from tasks.workspace import Workspace

FOOTERS = 20_000  # kept in memory, some ten kB each
COLUMNS = {  # what Delta's log calls it → its name here
    "path": "path",
    "num_records": "rows",
    "size_bytes": "bytes",
    "partition.model": "model",
    "partition.batch_date": "batch_date",
    "partition.version": "version",
    "min.key": "first",
    "max.key": "last",
    "min.run": "first_run",
    "max.run": "last_run",
}
_tables: dict[str, "LiveFiles"] = {}
_footers: dict[tuple[str, str], Any] = {}


@dataclass(frozen=True)
class LiveFiles:
    """The table at one version: its files as rows of an Arrow table, and the way to their bytes."""

    url: str
    version: int
    files: Any  # pa.Table with the columns of COLUMNS; keys and runs are null where the log says nothing of them
    filesystem: Any  # rooted in the table's folder
    table: Any  # deltalake.DeltaTable

    def open_file(self, path: str) -> Any:
        """Return one file opened for reading; IntegrityError when it is gone or is not parquet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            stream = self.filesystem.open_input_file(path)
            file = pq.ParquetFile(stream, metadata=_footers.get((self.url, path)), page_checksum_verification=True)
        except (OSError, pa.ArrowInvalid) as error:
            raise IntegrityError(
                f"Expected a parquet file at {path} in {self.url}, found none that can be read: {error}. "
                "Restore it from a backup."
            ) from None
        if len(_footers) >= FOOTERS:
            _footers.clear()
        _footers[self.url, path] = file.metadata
        return file


def live_files(workspace: Workspace, *, anew: bool = False) -> LiveFiles | None:
    """Return the table's live files as they are now, None while no batch was ever committed.

    anew forgets what this process knows of the table; those who will change it ask for that.
    """
    url = workspace.platform.predictions.url
    seen = None if anew else _tables.get(url)
    if seen is None:
        table = open_predictions(workspace)
        if table is None:
            return None
        seen = _tables[url] = _look(workspace, table)
    with reading(url):
        seen.table.update_incremental()
    if seen.table.version() != seen.version:
        seen = _tables[url] = _look(workspace, seen.table)
    return seen


@contextmanager
def reading(url: str, *, but: type[Exception] | None = None) -> Iterator[None]:
    """Turn what Delta and the disk complain of into one of this project's errors, except for one kind."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError) as error:
        if but and isinstance(error, but):
            raise
        raise failed("work on predictions at", url, error) from None


def committed_versions(workspace: Workspace, model: str, date: str) -> dict[int, Committed]:
    """Return the versions whose results for a batch are visible, with what their rows say.

    All rows of one say the same until some are cleared, and of those the ledger knows; so the first row of the last
    file is read. Files of cleared rows come first by their name.
    """
    found: dict[int, Committed] = {}
    if (live := live_files(workspace)) is None:
        return found
    for version, path in batch_parts(live, model, date):
        with checked(path):
            row = live.open_file(path).read_row_group(0, [*Committed._fields]).slice(0, 1).to_pylist()[0]
        found[version] = Committed(**row)
    return found


def rows_digest(workspace: Workspace, model: str, date: str, version: int, run: str, scratch: Path) -> str:
    """Return the digest of what a run wrote of a version of a batch; memory does not grow with it."""
    live = live_files(workspace)
    assert live, "a batch was committed, so there is a table"  # noqa: S101
    paths = [path for v, path in batch_parts(live, model, date) if v == version]
    rows = sum(count_of_runs(live, path, {run}) for path in paths)
    return batch_digest((part for path in paths for part in scored_parts(live, path, version, run)), rows, scratch)


def scored_parts(live: LiveFiles, path: str, version: int, run: str) -> Iterator[Any]:
    """Yield version, key and score of the rows that a run wrote of one file, a row group at a time."""
    import pyarrow as pa

    for rows in rows_of_runs(live, path, ["key", "score"], {run}):
        yield rows.append_column("version", pa.repeat(pa.scalar(version, pa.int32()), len(rows)))


def rows_of_runs(live: LiveFiles, path: str, columns: list[str], runs: Collection[str]) -> Iterator[Any]:
    """Yield the rows of a file that some runs wrote, a row group at a time.

    Whose they are is read only where a group's statistics leave it open: where rows were cleared, and then merged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    file = live.open_file(path)
    for group in range(file.num_row_groups):
        alone = _only_run(file, group)
        if alone is not None and alone not in runs:
            continue
        with checked(path):
            rows = file.read_row_group(group, [*dict.fromkeys([*columns, *([] if alone else ["run"])])])
        if not alone:
            rows = rows.filter(pc.is_in(rows["run"].cast(pa.string()), value_set=pa.array(sorted(runs), pa.string())))
        yield rows.select(columns)


def count_of_runs(live: LiveFiles, path: str, runs: Collection[str]) -> int:
    """Return how many rows of a file some runs wrote."""
    file = live.open_file(path)
    alone = {_only_run(file, group) for group in range(file.num_row_groups)}
    if len(alone) == 1 and None not in alone:
        return int(file.metadata.num_rows) if alone <= set(runs) else 0
    return sum(len(rows) for rows in rows_of_runs(live, path, ["run"], runs))


def commits_there(live: LiveFiles, model: str, date: str, version: int) -> set[Committed]:
    """Return what the rows of a version of a batch say of the commits that they came with."""
    found = set[Committed]()
    for _, path in (part for part in batch_parts(live, model, date) if part[0] == version):
        file = live.open_file(path)
        for group in range(file.num_row_groups):
            with checked(path):
                rows = file.read_row_group(group, [*Committed._fields])
            found |= {Committed(**row) for row in rows.group_by(list(Committed._fields)).aggregate([]).to_pylist()}
    return found


def runs_there(live: LiveFiles, file: Mapping[str, Any]) -> set[str]:
    """Return the runs whose rows lie in a live file: from the log, or where it does not say, from the file."""
    import pyarrow.compute as pc

    if file["first_run"] is not None and file["first_run"] == file["last_run"]:
        return {str(file["first_run"])}
    path, found = str(file["path"]), set[str]()
    opened = live.open_file(path)
    for group in range(opened.num_row_groups):
        if alone := _only_run(opened, group):
            found.add(alone)
            continue
        with checked(path):
            found |= set(pc.unique(opened.read_row_group(group, ["run"])["run"]).to_pylist())
    return found


def _only_run(file: Any, group: int) -> str | None:
    """Return the run that wrote all rows of a row group; None when there are several, or nothing says so."""
    about = file.metadata.row_group(group).column(file.schema_arrow.get_field_index("run")).statistics
    known = about is not None and about.has_min_max and about.min == about.max
    return str(about.min) if known else None


def batch_parts(live: LiveFiles, model: str, date: str) -> list[tuple[int, str]]:
    """Return the version and the path of every live file of a batch."""
    import datetime as dt

    import pyarrow.compute as pc

    here = (pc.field("model") == model) & (pc.field("batch_date") == dt.date.fromisoformat(date))
    found = live.files.filter(here).select(["version", "path"]).to_pylist()
    return sorted((int(row["version"]), str(row["path"])) for row in found)


def key_column(path: str, file: Any, group: int | None = None) -> Any:
    """Return the keys of a file, or of one of its row groups, as one string array."""
    import pyarrow as pa

    with checked(path):
        found = file.read(["key"]) if group is None else file.read_row_group(group, ["key"])
    return found["key"].combine_chunks().cast(pa.large_string())


@contextmanager
def checked(path: str) -> Iterator[None]:
    """Turn pages that do not match their checksums, or are not parquet, into an IntegrityError."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise IntegrityError(f"{path} was changed after it was written: {error}. Restore it from a backup.") from None


def _look(workspace: Workspace, table: Any) -> LiveFiles:
    import pyarrow as pa

    url = workspace.platform.predictions.url
    found = pa.table(table.get_add_actions(flatten=True))
    columns = [found[name] if name in found.column_names else pa.nulls(found.num_rows, pa.string()) for name in COLUMNS]
    files = pa.table(dict(zip(COLUMNS.values(), columns, strict=True)))
    return LiveFiles(url, table.version(), files, table_files(workspace, table), table)
