"""A small disk that one program alone sees, as a tmpfs in a private mount."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def on_a_small_disk(folder: Path, seed: str, levels: int) -> list[str]:
    """Return the words that run `tests.scoring_full_disk` with a small disk; skips where there can be none."""
    disk, place = folder / "disk", folder / "place"
    disk.mkdir()
    place.mkdir()
    mount = f'mount -t tmpfs -o size=16m tmpfs {disk} && exec "$@"'
    unshare = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no private mounts, so there is no small disk to fill")
    return [*unshare, sys.executable, "-m", "tests.scoring_full_disk", str(place), str(disk), seed, str(levels)]
