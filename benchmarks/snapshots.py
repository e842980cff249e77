"""Snapshots

Parquet files of random numbers, warm in the page cache, into an empty folder store on the local disk. New bytes are
compared with plain sha256 (one thread, as sha256sum reads) over the same files, both in one process, interleaved, the
median of the ratios. A snapshot hashes, copies and reads footers, several files at a time. The ratio is without the
wait until every byte is flushed to disk, which goes on in the background and ends before the first decision that
rests on the bytes; the figure with that wait inside stands beside it, and is the disk's. An unchanged partition is
proved by its times and inode. Against `dvc add` whole processes are compared, start and imports included, into an
empty cache; dvc flushes nothing, the snapshot all. Peak memory is that of a process that keeps one undivided file.
CSV and a SQLite query are written again as canonical parquet.
"""

import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.children import ROOT, in_child, peak_rss_mib, seconds_of
from benchmarks.figures import Figure, at_least, at_most, plain
from plimsoll.archive import Archive
from plimsoll.digest import sha256_file
from plimsoll.feed_config import Feed, Sql
from plimsoll.seal import seal_of
from tasks.durable_files import wait_for_disk
from tasks.folder_source import FolderSource
from tasks.keeping import RACY_SECONDS, Keeper
from tasks.object_store import FolderStore
from tasks.sql_source import Databases, SqlSource

DVC = "3.67.1"
COLUMNS, LONG_COLUMNS = 8, 4
FILE_ROWS, SMALL_ROWS = 500_000, 1_000  # 32 MB, 70 kB
GROUP_ROWS = 250_000
ONE = 1_000_000


def measure(full: bool) -> Iterator[Figure]:
    """Yield ratios against sha256 and dvc, the milliseconds of an unchanged partition, rates and peaks of memory."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # on a disk, where the system's may be memory
        folder = Path(name)
        days = write_days(folder / "data/days", 16 if full else 12, FILE_ROWS)
        yield from new_bytes(folder, days, 9 if full else 3)
        yield from against_dvc(folder, days, 3 if full else 1)
        rmtree(folder / "data")
        yield unchanged(folder, write_days(folder / "data/days", 360, SMALL_ROWS), 9 if full else 3)
        yield from written_again(folder, ONE if full else 200_000)
        yield from peaks(folder, 50 * ONE if full else 5 * ONE)


def new_bytes(folder: Path, days: list[str], repeats: int) -> Iterator[Figure]:
    """Yield the speed of a snapshot of new bytes as a share of plain sha256 over the same files."""
    paths = [folder / f"data/days/{day}.parquet" for day in days]
    size = sum(path.stat().st_size for path in paths) / 1e6
    rounds = [one_round(folder, days, paths) for _ in range(repeats + 1)][1:]
    hashed = [round_[0] for round_ in rounds]
    yield plain(f"plain sha256 over {len(paths)} files", size / statistics.median(hashed), "MB/s")
    yield at_least(
        "snapshot of new bytes", statistics.median(h / kept for h, kept, _ in rounds), "of plain sha256", 0.7
    )
    yield plain("the same until all is on disk", statistics.median(h / d for h, _, d in rounds), "of plain sha256")


def one_round(folder: Path, days: list[str], paths: list[Path]) -> tuple[float, float, float]:
    """Return the seconds of sha256, of a snapshot into an empty store, and of the same until all is on disk."""
    hashed = seconds_of(lambda: [sha256_file(path) for path in paths])
    for path in paths:
        path.touch()  # a young file is not noted as seen, and so nothing waits for the disk before it is asked to
    begun = time.perf_counter()
    assert len(keep_days(folder, days)) == len(days)
    kept = time.perf_counter() - begun
    wait_for_disk(folder / "store")
    on_disk = time.perf_counter() - begun
    rmtree(folder / "store")
    return hashed, kept, on_disk


def against_dvc(folder: Path, days: list[str], repeats: int) -> Iterator[Figure]:
    """Yield how many times longer `dvc add` takes for the same folder, both as fresh processes; none without dvc."""
    try:
        dvc(folder, "--version")
    except (OSError, subprocess.SubprocessError) as error:
        print(f"  skipped dvc, which could not be had: {type(error).__name__}")
        return
    dvc(folder, "init", "--no-scm", "--quiet")
    dvc(folder, "config", "core.analytics", "false")
    dvc(folder, "config", "core.check_update", "false")
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(seconds_of(lambda: in_child(keep_and_flush, folder, days)))
        rmtree(folder / "store")
        theirs.append(seconds_of(lambda: dvc(folder, "add", "--quiet", "data")))
        for left in (".dvc/cache", ".dvc/tmp", ".dvc/site_cache_dir"):
            rmtree(folder / left, ignore_errors=True)
        (folder / "data.dvc").unlink()
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    yield plain(f"dvc {DVC}: dvc add of {len(days)} new files", statistics.median(theirs), "s")
    yield at_least("snapshot of new files, until all is on disk", ratio, "× faster than dvc add", 5)


def dvc(folder: Path, *words: str) -> None:
    """Run dvc from a virtual environment of its own; raises when it fails or takes ten minutes."""
    command = [str(ROOT / ".venv/bin/uv"), "tool", "run", "--quiet", "--from", f"dvc=={DVC}", "dvc", *words]
    variables = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".dvc/site_cache_dir")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)


def unchanged(folder: Path, days: list[str], repeats: int) -> Figure:
    """Return the milliseconds of one partition of a table that has not changed since it was kept."""
    time.sleep(RACY_SECONDS + 0.5)
    first = keep_days(folder, days)
    took = []
    for _ in range(repeats):
        begun = time.perf_counter()
        assert keep_days(folder, days) == first
        took.append((time.perf_counter() - begun) / len(days) * 1000)
    rmtree(folder / "store")
    return at_most(f"unchanged partition, of {len(days)}", statistics.median(took), "ms", 1)


def written_again(folder: Path, rows: int) -> Iterator[Figure]:
    """Yield the rates at which CSV and the rows of a query become canonical parquet, types settled before."""
    table = pa.table({"k": [f"row-{n:09d}" for n in range(rows)], **numbers(rows, 1)})
    pc.write_csv(table, folder / "data/rows.csv")
    keeper = Keeper(archive(folder), Feed(path="rows.csv"), {})
    FolderSource(folder / "data", keeper).keep(["all"])
    (folder / "data/rows.csv").touch()
    size = (folder / "data/rows.csv").stat().st_size / 1e6
    seconds = seconds_of(lambda: FolderSource(folder / "data", keeper).keep(["all"]))
    yield plain(f"CSV of {rows:,} rows and {table.num_columns} columns", size / seconds, "MB/s of CSV")
    yield plain(f"SQLite query of {rows:,} rows, in order", rows / query_seconds(folder, table) / 1000, "krows/s")
    rmtree(folder / "store")


def query_seconds(folder: Path, table: pa.Table) -> float:
    """Return how long a query's rows take into the store, once their types are settled."""
    path = folder / "rows.db"
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE t (k TEXT PRIMARY KEY, {', '.join(f'x{n} REAL' for n in range(COLUMNS))})")
        marks = ", ".join("?" * table.num_columns)
        for batch in table.to_batches(100_000):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            database.executemany(f"INSERT INTO t VALUES ({marks})", rows)  # noqa: S608
    database.close()
    sql = Sql(connection="BENCHMARK_URL", select="SELECT * FROM t")
    keeper = Keeper(archive(folder), Feed(sql=sql), {})
    with pytest.MonkeyPatch.context() as patch, ExitStack() as closing:
        patch.setenv("BENCHMARK_URL", f"sqlite:///{path}")
        source = SqlSource(Databases(closing), keeper, sql, ("k",))
        source.keep(["all"])
        return seconds_of(lambda: source.keep(["all"]))


def peaks(folder: Path, many: int) -> Iterator[Figure]:
    """Yield the peak memory of keeping one million and many rows: parquet as delivered, a slice of it, and CSV."""
    for words, name, feed in (
        ("parquet", "rows.parquet", Feed(path="rows.parquet")),
        (
            "parquet cut to two columns",
            "rows.parquet",
            Feed(path="rows.parquet", keep_columns=["x3", "x1"]),
        ),
        ("CSV", "rows.csv", Feed(path="rows.csv", types={f"x{n}": "number" for n in range(LONG_COLUMNS)})),
    ):
        found = []
        for rows in (ONE, many):
            write_rows(folder / "data" / name, rows)
            found.append(in_child(peak_of, folder, feed))
            rmtree(folder / "store")
        (folder / "data" / name).unlink()
        yield plain(f"peak of {ONE // ONE} M rows, {words}", found[0], "MiB")
        limit = 1.15
        yield at_most(f"peak of {many // ONE} M rows, {words}", found[1] / found[0], f"× that of {ONE // ONE} M", limit)


def peak_of(folder: Path, feed: Feed) -> float:
    """Return the most memory (MiB) that a process has held once it has kept one undivided file."""
    [ref] = FolderSource(folder / "data", Keeper(archive(folder), feed, feed.types)).keep(["all"])
    assert ref.rows
    return peak_rss_mib()


def keep_days(folder: Path, days: list[str]) -> tuple[object, ...]:
    """Keep the dated parquet files of a folder in the store beside it."""
    return FolderSource(folder / "data", Keeper(archive(folder), Feed(path="days"), {})).keep(days)


def keep_and_flush(folder: Path, days: list[str]) -> None:
    """Keep the dated parquet files of a folder and wait until they are on disk."""
    keep_days(folder, days)
    wait_for_disk(folder / "store")


def archive(folder: Path) -> Archive:
    """Return a store in a folder, with a key."""
    return Archive(FolderStore(folder / "store"), seal_of(b"b" * 32))


def write_days(folder: Path, count: int, rows: int) -> list[str]:
    """Write dated parquet files and return their dates."""
    folder.mkdir(parents=True)
    days = [str(day) for day in np.datetime64("2013-01-01") + np.arange(count)]
    for n, day in enumerate(days):
        pq.write_table(pa.table(numbers(rows, n)), folder / f"{day}.parquet", use_dictionary=False)
    return days


def write_rows(path: Path, rows: int) -> None:
    """Write one undivided file of random numbers, a group of rows at a time."""
    schema = pa.schema([(f"x{n}", pa.float64()) for n in range(LONG_COLUMNS)])
    writer = pc.CSVWriter(path, schema) if path.suffix == ".csv" else pq.ParquetWriter(path, schema)
    with writer:
        for n in range(rows // GROUP_ROWS):
            writer.write_table(pa.table(numbers(GROUP_ROWS, n, LONG_COLUMNS)))


def numbers(rows: int, seed: int, columns: int = COLUMNS) -> dict[str, np.ndarray]:
    """Return columns of random numbers."""
    return {f"x{n}": column for n, column in enumerate(np.random.default_rng(seed).random((columns, rows)))}
