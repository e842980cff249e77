"""Files that appear whole or not at all, and survive a power cut before anything names them.

An object is named by its digest, so a torn one is seen; it is therefore forced to disk in the background,
and `wait_for_disk` is called before anything is written that may name it.
"""

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

_lock = Lock()
_flushing: dict[Path, list[Future[None]]] = {}
_threads = ThreadPoolExecutor(2, "flush")


@dataclass(frozen=True)
class Draft:
    """A file under a hidden name that is being written."""

    path: Path
    stream: BinaryIO

    def force(self) -> None:
        """Bring what was written to disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())

    def publish(self, target: Path) -> bool:
        """Give the file its name; False when the name is taken.

        A link to an existing name fails, so of many writers one wins and no half file is ever seen.
        """
        self.stream.flush()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.path, target)
        except FileExistsError:
            return False
        return True

    def replace(self, target: Path) -> None:
        """Give the file its name in the place of another file."""
        self.stream.flush()
        self.path.replace(target)


@contextmanager
def drafting(folder: Path, mode: int) -> Iterator[Draft]:
    """Open a file under a hidden name in folder; it is gone at the end unless it was given a name.

    mode is cut by the process's umask; a read-only file can be written through the draft alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield Draft(path, stream)
    finally:
        path.unlink(missing_ok=True)


def flush_later(root: Path, path: Path) -> None:
    """Start forcing an object of the store at root to disk, without waiting."""
    with _lock:
        under_way = [f for f in _flushing.get(root, []) if not f.done() or f.exception()]
        _flushing[root] = [*under_way, _threads.submit(_force_object, root, path)]


def wait_for_disk(root: Path) -> None:
    """Return once every object that this process put into the store at root is on disk.

    Raises OSError when one cannot be brought there; it is removed, since the kernel may have dropped its
    bytes, so that the next run writes it again.
    """
    with _lock:
        under_way = list(_flushing.get(root, []))
    try:
        for future in under_way:
            future.result()
    finally:
        with _lock:
            _flushing[root] = [f for f in _flushing.get(root, []) if f not in under_way or not f.done()]


def force_name(root: Path, path: Path) -> None:
    """Force to disk the name of a file: every folder from its own up to root."""
    for folder in path.parents:
        _force(folder)
        if folder == root:
            return


def _force_object(root: Path, path: Path) -> None:
    try:
        _force(path)
        force_name(root, path)
    except FileNotFoundError:
        return
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _start_afresh() -> None:
    """In a forked child: the parent flushes its own objects, and its threads are not here to wait for."""
    global _lock, _threads  # locks and threads of the parent cannot be mended, only replaced
    _lock, _threads = Lock(), ThreadPoolExecutor(2, "flush")
    _flushing.clear()


os.register_at_fork(after_in_child=_start_afresh)
