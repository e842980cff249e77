"""Scratch: a folder of this process for what is too large for memory, gone when its work is done.

A process that was killed cannot clean up, so the next one on this host removes what the dead have left.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plimsoll.errors import FolderError
from tasks.this_process import is_dead, process_name
from tasks.workspace import Workspace


@contextmanager
def scratch_folder(workspace: Workspace) -> Iterator[Path]:
    """Yield an empty folder below the home folder and remove it with all that lies in it."""
    place = workspace.home / "scratch"
    try:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        folder = Path(tempfile.mkdtemp(prefix=f"{process_name()}-", dir=place))
    except OSError as error:
        raise FolderError(f"Cannot make a scratch folder in {place}: {error.strerror}. Free or unlock it.") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove the folders of this host's processes that are no more; a process id alone may have been given anew."""
    for folder in place.iterdir():
        if is_dead(folder.name.rpartition("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)
