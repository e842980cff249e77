"""What takes long to make and is only read: made by the first test process that asks for it, and used by all.

Each is made under a lock that the system takes back when its process dies, so nobody waits for the dead.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Common:
    """A folder that the processes of one test run have in common."""

    folder: Path

    def once(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return a folder that was filled once; make fills it, and whoever comes meanwhile waits."""
        place, made = self.folder / name, self.folder / f"{name}.made"
        with self.locked(name):
            if not made.exists():
                shutil.rmtree(place, ignore_errors=True)  # what a failed attempt left
                place.mkdir()
                make(place)
                made.touch()
        return place

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock of the test run."""
        with (self.folder / f"{name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def common_folder(factory: pytest.TempPathFactory) -> Common:
    """Return the folder of this test run: above the folders of xdist's processes, or that of the only process."""
    above = factory.getbasetemp()
    folder = (above.parent if "PYTEST_XDIST_WORKER" in os.environ else above) / "common"
    folder.mkdir(exist_ok=True)
    return Common(folder)
