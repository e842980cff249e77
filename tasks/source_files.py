"""Reading files that belong to somebody else, who may change them meanwhile."""

import hashlib
import mmap
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import BufferedReader
from itertools import cycle
from pathlib import Path

from plimsoll.digest import CHUNK_BYTES
from plimsoll.errors import DataError

AHEAD = 2  # chunks: one is read and hashed while the one before is written


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """Open a file, and turn what goes wrong with it into one sentence, a DataError."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise _unreadable(path, error) from None


def copy_hashed(source: BufferedReader, path: Path, write: Callable[[memoryview], int]) -> tuple[str, int]:
    """Copy a stream while hashing it and return the digest and the bytes; writing goes on in a second thread.

    path names the source in errors. Memory is two chunks, each on a page boundary.
    """
    digest, size = hashlib.sha256(), 0
    buffers = [memoryview(mmap.mmap(-1, CHUNK_BYTES)) for _ in range(AHEAD)]
    writing: deque[Future[int]] = deque()
    with ThreadPoolExecutor(1) as writer:
        for buffer in cycle(buffers):
            if len(writing) == AHEAD:
                writing.popleft().result()
            filled = buffer[: _fill(source, path, buffer)]
            if not filled:
                break
            writing.append(writer.submit(write, filled))
            digest.update(filled)
            size += len(filled)
        for future in writing:
            future.result()
    return digest.hexdigest(), size


def changed_file(path: Path) -> DataError:
    """Return the error for a file that is no longer what was hashed."""
    return DataError(f"{path} changed while it was being stored. Deliver files under another name and rename them.")


def _fill(source: BufferedReader, path: Path, buffer: memoryview) -> int:
    try:
        return source.readinto(buffer)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"Cannot read {path}: {error.strerror or error}.")
