"""What the snapshot benchmark runs in fresh processes: it imports what a snapshot needs, and nothing else."""

import sys
from pathlib import Path

from plimsoll.archive import Archive
from plimsoll.feed_config import Feed
from plimsoll.seal import seal_of
from plimsoll.snapshot import FileRef
from tasks.durable_files import wait_for_disk
from tasks.folder_source import FolderSource
from tasks.keeping import Keeper
from tasks.object_store import FolderStore


def archive(folder: Path) -> Archive:
    """Return a store in a folder, with a key."""
    return Archive(FolderStore(folder / "store"), seal_of(b"b" * 32))


def keep_days(folder: Path) -> tuple[FileRef, ...]:
    """Keep the dated parquet files of a folder in the store beside it."""
    source = FolderSource(folder / "data", Keeper(archive(folder), Feed(path="days"), {}))
    return source.keep(source.dates())


def peak_of(folder: Path, feed: Feed) -> float:
    """Return the most memory (MiB) that a process has held once it has kept one undivided file."""
    from benchmarks.children import peak_rss_mib

    [ref] = FolderSource(folder / "data", Keeper(archive(folder), feed, feed.types)).keep(["all"])
    assert ref.rows
    return peak_rss_mib()


if __name__ == "__main__":
    keep_days(Path(sys.argv[1]))
    wait_for_disk(Path(sys.argv[1]) / "store")
