"""Scratch: a folder of this process for what is too large for memory, gone when its work is done.

A process that was killed cannot clean up, so the next one on this host removes what the dead have left.
"""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from plimsoll.errors import FolderError
from tasks.workspace import Workspace


@contextmanager
def scratch_folder(workspace: Workspace) -> Iterator[Path]:
    """Yield an empty folder below the home folder and remove it with all that lies in it."""
    place = workspace.home / "scratch"
    try:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        folder = Path(tempfile.mkdtemp(prefix=f"{socket.gethostname()}-{_me()}-", dir=place))
    except OSError as error:
        raise FolderError(f"Cannot make a scratch folder in {place}: {error.strerror}. Free or unlock it.") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _me() -> str:
    process = psutil.Process()
    return f"{process.pid}-{int(process.create_time())}"


def _sweep(place: Path) -> None:
    """Remove the folders of this host's processes that are no more; a process id alone may have been given anew."""
    for folder in place.iterdir():
        host, *numbers = folder.name.rsplit("-", 3)[:3]
        if host != socket.gethostname() or len(numbers) != 2 or not all(part.isdigit() for part in numbers):
            continue
        if not _alive(int(numbers[0]), int(numbers[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int, began: int) -> bool:
    try:
        return abs(int(psutil.Process(pid).create_time()) - began) <= 1
    except psutil.NoSuchProcess:
        return False
