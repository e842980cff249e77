"""Files that appear whole or not at all, and survive a power cut before anything names them.

An object is named by its digest, so a torn one is seen; it is therefore forced to disk in the background,
and `wait_for_disk` is called before anything is written that may name it. Many threads force at once, since the
file system then commits for all of them together; of very many, the whole file system is forced once.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Owed:
    """An object that is not on disk yet, or its name is not."""

    path: Path
    flush: Future[None] | None  # None: not begun


_lock = Lock()
_owed: dict[Path, list[Owed]] = {}  # by store
FLUSHERS = 8
MANY = 32  # objects that are forced one by one; of those that follow the file system is told once
TRUSTED_SYNCFS = (5, 8)  # the first Linux whose syncfs says that a write failed
_threads = ThreadPoolExecutor(FLUSHERS, "flush")


@dataclass(frozen=True)
class Draft:
    """A file under a hidden name that is being written."""

    path: Path
    stream: BinaryIO

    def write_straight(self, data: memoryview) -> int:
        """Write data past the page cache where the file system can, and return its length.

        For long files: pages that are filled only to be flushed cost more than the hashing. data should lie on a page
        boundary; what cannot go straight, such as a file's last bytes, goes through the page cache.
        """
        descriptor, left = self.stream.fileno(), data
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not _straight(descriptor, on=False):
                    raise
        return len(data)

    @property
    def size(self) -> int:
        """How many bytes were written."""
        self.stream.flush()
        return os.fstat(self.stream.fileno()).st_size

    def force(self) -> None:
        """Bring what was written to disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())

    def publish(self, target: Path) -> bool:
        """Give the file its name; False when the name is taken.

        A link to an existing name fails, so of many writers one wins and no half file is ever seen.
        """
        self.stream.flush()
        try:
            _in_folder(target, lambda: os.link(self.path, target))
        except FileExistsError:
            return False
        return True

    def replace(self, target: Path) -> None:
        """Give the file its name in the place of another file."""
        self.stream.flush()
        self.path.replace(target)


@contextmanager
def drafting(folder: Path, mode: int, *, straight: bool = False) -> Iterator[Draft]:
    """Open a file under a hidden name in folder; it is gone at the end unless it was given a name.

    mode is cut by the process's umask; a read-only file can be written through the draft alone. straight opens it
    for `write_straight`.
    """
    path = folder / f".{os.urandom(8).hex()}"
    descriptor = _in_folder(path, lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if straight:
                _straight(descriptor, on=True)
            yield Draft(path, stream)
    finally:
        path.unlink(missing_ok=True)


def flush_later(root: Path, path: Path) -> None:
    """Start forcing an object of the store at root to disk, without waiting; of many, leave it to `wait_for_disk`."""
    with _lock:
        before = _owed.setdefault(root, [])
        before.append(Owed(path, _threads.submit(_force_object, path) if len(before) < MANY else None))


def wait_for_disk(root: Path) -> None:
    """Return once every object that this process put into the store at root is on disk, with its name.

    Raises OSError when one cannot be brought there; it is removed, since the kernel may have dropped its
    bytes, so that the next run writes it again.
    """
    with _lock:
        owed = list(_owed.get(root, []))
    left = [one for one in owed if one.flush is None]
    at_once = bool(left) and _force_file_systems({root, *(one.path.parent for one in left)})
    flushes = {one: one.flush or _threads.submit(_force_object, one.path) for one in owed if one.flush or not at_once}
    failed = {one: error for one, flush in flushes.items() if (error := flush.exception())}
    if not failed and not at_once:
        force_names(root, [one.path for one in owed])
    with _lock:  # a name is forgotten when its folder is on disk, a failure when it is told of
        told = set(failed or owed)
        _owed[root] = [one for one in _owed.get(root, []) if one not in told]
    for error in failed.values():
        raise error


def force_all(drafts: Iterable[Draft]) -> None:
    """Bring many drafts to disk at once."""
    list(_threads.map(Draft.force, drafts))


def force_names(root: Path, paths: Iterable[Path]) -> None:
    """Force to disk the names of files: every folder from their own up to root, the lowest first."""
    folders: set[Path] = set()
    for folder in {path.parent for path in paths}:
        above = folder.parents[: len(folder.parts) - len(root.parts)]
        folders |= {folder, *above}
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        with suppress(FileNotFoundError):  # the upkeep removed it with all that was in it
            _force(folder)


def _force_file_systems(folders: Iterable[Path]) -> bool:
    """Force the file systems of folders to disk whole, names included; False where that cannot be done or known."""
    import ctypes

    release = os.uname().release.split(".")[:2]
    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
        if tuple(map(int, release)) < TRUSTED_SYNCFS:
            return False
        places = {folder.stat().st_dev: folder for folder in folders}
        return all(_on_descriptor(folder, call) == 0 for folder in places.values())
    except (AttributeError, OSError, ValueError):  # another system, or the upkeep removed a folder
        return False


def _in_folder(path: Path, create: Callable[[], T]) -> T:
    """Return what creates a file at path; its folder is made when it is not there, which is seldom."""
    try:
        return create()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return create()


def _force_object(path: Path) -> None:
    try:
        _force(path)
    except FileNotFoundError:
        return
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise


def _force(path: Path) -> None:
    _on_descriptor(path, os.fsync)


def _on_descriptor(path: Path, action: Callable[[int], T]) -> T:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return action(descriptor)
    finally:
        os.close(descriptor)


def _straight(descriptor: int, *, on: bool) -> bool:
    """Let a file's writes go past the page cache, or no longer; False when that changed nothing."""
    flag = getattr(os, "O_DIRECT", 0)  # Linux alone
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    wanted = flags | flag if on else flags & ~flag
    with suppress(OSError):  # a file system that cannot
        fcntl.fcntl(descriptor, fcntl.F_SETFL, wanted)
        return wanted != flags
    return False


def _start_afresh() -> None:
    """In a forked child: the parent flushes its own objects, and its threads are not here to wait for."""
    global _lock, _threads  # locks and threads of the parent cannot be mended, only replaced
    _lock, _threads = Lock(), ThreadPoolExecutor(FLUSHERS, "flush")
    _owed.clear()


os.register_at_fork(after_in_child=_start_afresh)
