"""Snapshots

Parquet files of random numbers, warm in the page cache, into an empty folder store on the local disk. New bytes are
compared with plain sha256 (one thread, as sha256sum reads) over the same 12 files of 32 MB, both in one process,
interleaved, the median of the ratios. A snapshot hashes, copies and reads footers, several files at a time; long files
are written past the page cache. Until all is on disk means with the folders' names too.

An unchanged partition is proved by its times and inode. `dvc add` is compared in whole processes, start and imports
included, dvc run straight from a virtual environment of its own. The goal is held to what a landing folder is: 360
dated files of a thousand rows, none of them known. Beside it stand the night after, when one file of them is new, and
the 12 files of 32 MB, where both sides do little but copy. dvc flushes nothing, the snapshot all. Nothing is deleted
until the end: some file systems look at every inode that was deleted in the last minutes before they make a new one.

Where five times `dvc add` is missed, it is by imports: of 0.75 s of processor time 0.5 s go into pydantic and pyarrow.
The 360 files take 0.6 ms each, a third of it the kernel's, to make as many inodes as dvc makes. What proves them
unchanged is one signed file, footers are read once pyarrow is there, and the disk is waited for once.

Peak memory is that of a process that keeps one undivided file. CSV and a SQLite query are written again as canonical
parquet.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import rmtree

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.children import ROOT, in_child, seconds_of
from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.kept_days import archive, keep_days, peak_of
from plimsoll.digest import sha256_file
from plimsoll.feed_config import Feed, Sql
from tasks.durable_files import wait_for_disk
from tasks.folder_source import FolderSource
from tasks.keeping import RACY_SECONDS, Keeper
from tasks.sql_source import Databases, SqlSource

DVC = "3.67.1"
COLUMNS, LONG_COLUMNS = 8, 4
FILE_ROWS, SMALL_ROWS = 500_000, 1_000  # 32 MB, 70 kB
GROUP_ROWS = 250_000
MANY = 360  # dated files of a landing folder
ONE = 1_000_000


def measure(full: bool) -> Iterator[Figure]:
    """Yield ratios against sha256 and dvc, the milliseconds of an unchanged partition, rates and peaks of memory."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # on a disk, where the system's may be memory
        folder = Path(name)
        program = install_dvc(folder)
        days = write_days(folder / "data/days", 12, FILE_ROWS)
        yield from new_bytes(folder, days, 15 if full else 9)
        yield from against_dvc(folder, program, "12 files of 32 MB", days, 3 if full else 2) if program else ()
        rmtree(folder / "data")
        days = write_days(folder / "data/days", MANY, SMALL_ROWS)
        yield from unchanged(folder, days, 15 if full else 9)
        yield from against_dvc(folder, program, f"{MANY} dated files", days, 3 if full else 2) if program else ()
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
    assert len(keep_days(folder)) == len(days)
    kept = time.perf_counter() - begun
    wait_for_disk(folder / "store")
    on_disk = time.perf_counter() - begun
    rmtree(folder / "store")
    return hashed, kept, on_disk


def against_dvc(folder: Path, program: Path, words: str, days: list[str], repeats: int) -> Iterator[Figure]:
    """Yield how many times longer `dvc add` takes than a snapshot of the same folder: all new, and one file new."""
    rmtree(folder / ".dvc", ignore_errors=True)
    dvc(program, folder, "init", "--no-scm", "--quiet")
    dvc(program, folder, "config", "core.analytics", "false")
    dvc(program, folder, "config", "core.check_update", "false")
    rounds = [one_race(folder, program, days) for _ in range(repeats + 1)][1:]
    new, night = ([one[at] for one in rounds] for at in (0, 1))
    yield plain(f"dvc {DVC}: dvc add of {words}", statistics.median(theirs for _, theirs in new), "s")
    ratio = statistics.median(theirs / ours for ours, theirs in new)
    if len(days) < MANY:
        yield plain(f"snapshot of {words}", ratio, "× faster than dvc add")
        return
    yield at_least(f"snapshot of {words}", ratio, "× faster than dvc add", 5)
    ratio = statistics.median(theirs / ours for ours, theirs in night)
    yield plain(f"snapshot of {words}, one of them new", ratio, "× faster than dvc add")


def one_race(folder: Path, program: Path, days: list[str]) -> list[tuple[float, float]]:
    """Return our seconds and dvc's: of all but the last day into an empty store and cache, then of all days."""
    last = folder / f"data/days/{days[-1]}.parquet"
    last.rename(folder / "last")
    took = [race(folder, program)]
    (folder / "last").rename(last)
    time.sleep(RACY_SECONDS + 0.5)
    took.append(race(folder, program))
    (aside := Path(tempfile.mkdtemp(dir=folder)) / ".dvc").mkdir()
    for left in ("store", ".dvc/cache", ".dvc/tmp", ".dvc/site_cache_dir"):
        with suppress(FileNotFoundError):
            (folder / left).rename(aside.parent / left)
    (folder / "data.dvc").unlink()
    return took


def race(folder: Path, program: Path) -> tuple[float, float]:
    """Return the seconds of a snapshot of a folder and of `dvc add`, each a fresh process."""
    words = [sys.executable, "-m", "benchmarks.kept_days", str(folder)]
    ours = seconds_of(lambda: subprocess.run(words, cwd=ROOT, check=True))
    return ours, seconds_of(lambda: dvc(program, folder, "add", "--quiet", "data"))


def install_dvc(folder: Path) -> Path | None:
    """Return dvc in a virtual environment of its own, None when it cannot be had."""
    uv = str(ROOT / ".venv/bin/uv")
    python = folder / "dvc/bin/python"
    try:
        for words in (["venv", str(folder / "dvc")], ["pip", "install", "--python", str(python), f"dvc=={DVC}"]):
            subprocess.run([uv, *words, "--quiet"], check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"  skipped dvc, which could not be had: {type(error).__name__}")
        return None
    return python.with_name("dvc")


def dvc(program: Path, folder: Path, *words: str) -> None:
    """Run dvc; raises when it fails or takes ten minutes."""
    said = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".dvc/site_cache_dir")}
    subprocess.run([program, *words], cwd=folder, check=True, capture_output=True, timeout=600, env=os.environ | said)


def unchanged(folder: Path, days: list[str], repeats: int) -> Iterator[Figure]:
    """Yield the milliseconds of one partition of a table that has not changed since it was kept; wall and processor."""
    time.sleep(RACY_SECONDS + 0.5)
    first = keep_days(folder)
    took, busy = [], []
    for _ in range(repeats):
        begun, worked = time.perf_counter(), time.process_time()
        assert keep_days(folder) == first
        took.append((time.perf_counter() - begun) / len(days) * 1000)
        busy.append((time.process_time() - worked) / len(days) * 1000)
    rmtree(folder / "store")
    yield at_most(f"unchanged partition, of {len(days)}", statistics.median(took), "ms", 1)
    yield plain("the same in processor time", statistics.median(busy), "ms")


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
