"""Verify

What `plimsoll verify` does with objects: list them, then hash every byte in chunks, on two threads. Beside it, in the
same run and turn by turn, SHA-256 over the same files with nothing around it, also on two threads. The files are in
the page cache. The memory is that of a new process, with a hundred megabytes and with a thousand.
"""

import hashlib
import os
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.children import in_child, peak_rss_mib, seconds_of
from benchmarks.figures import Figure, at_least, at_most, plain
from plimsoll.store import OBJECTS, put_object
from tasks.object_store import FolderStore
from tasks.verify import changed_objects

THREADS = 2
GOAL_SHARE = 0.8  # of plain SHA-256
GOAL_GROWTH_MIB = 20
LARGE, SMALL = 8 << 20, 100 << 10
FEW_BYTES, MANY_BYTES = 100 << 20, 1000 << 20


def measure(full: bool) -> Iterator[Figure]:
    """Yield the speed of verifying large and small objects as a share of plain SHA-256, and the growth of memory."""
    for name, size in (("8 MiB", LARGE), ("100 KiB", SMALL)):
        with tempfile.TemporaryDirectory() as folder:
            store = filled(Path(folder), size, FEW_BYTES * 4)
            yield share(f"verify objects of {name}, speed", store, 15 if full else 7)
    peaks = []
    for total in (FEW_BYTES, MANY_BYTES):
        with tempfile.TemporaryDirectory() as folder:
            filled(Path(folder), LARGE, total)
            peaks.append(in_child(peak_of, folder))
    yield plain("peak memory of verifying 1,000 MiB", peaks[1], "MiB")
    growth = max(peaks[1] - peaks[0], 0)
    yield at_most("growth of that peak from 100 to 1,000 MiB", growth, "MiB", GOAL_GROWTH_MIB)


def filled(root: Path, size: int, total: int) -> FolderStore:
    """Return a store that holds objects of one size, some bytes in all."""
    store = FolderStore(root)
    block = os.urandom(size)
    for n in range(total // size):
        put_object(store, n.to_bytes(8, "big") + block[8:])
    return store


def share(name: str, store: FolderStore, times: int) -> Figure:
    """Return how fast objects are verified as a share of plain SHA-256, the median of many turns."""
    ratios = []
    for _ in range(times + 1):
        bare, ours = seconds_of(lambda: hash_plainly(store.root)), seconds_of(lambda: check(store))
        ratios.append(bare / ours)
    return at_least(name, statistics.median(ratios[1:]), "of plain sha256", GOAL_SHARE)


def check(store: FolderStore) -> None:
    """Verify all objects of a store as the command does."""
    wanted = {found.key.rpartition("/")[2]: found.bytes for found in store.entries(OBJECTS)}
    assert not list(changed_objects(store, wanted, lambda _: None, THREADS))


def hash_plainly(root: Path) -> None:
    """Hash every file below a folder and nothing else."""
    files = [path for path in root.rglob("*") if path.is_file()]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(_digest, files))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def peak_of(folder: str) -> float:
    """Return the most memory this process holds while it verifies a store (MiB)."""
    check(FolderStore(Path(folder)))
    return peak_rss_mib()
