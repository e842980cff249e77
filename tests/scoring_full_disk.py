"""Score while a disk is full, look at what is left with other code than ours, free the disk, and finish it.

A program of its own, since it forks; it is started with a small disk mounted for it alone. One of three folders lies
on that disk, with some pages left: the store (snapshots, records, ledger), the predictions (part files, commits) or
scratch. The rows go through scratch in small chunks, as those of a large batch do.
"""

import importlib
import json
import os
import random
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

from plimsoll import assembled, assembly, part_files
from tests.forked import in_child
from tests.scoring_faults import ALL, CHAMPION, DATES, Scene, check, prepare, score, told
from tests.scoring_faults import visible as seen
from tests.scoring_kills import HEAVY

PARTS = ("predictions", "store", "scratch")
CHUNK_ROWS = 50
PAGE = 4096
DATE = DATES[0]


def main(folder: Path, disk: Path, seed: int, levels: int) -> None:
    """Try each folder at some levels from a full disk to one that has just enough; say how the runs ended."""
    for name in HEAVY:
        importlib.import_module(name)
    assembled.CHUNK_ROWS = assembly.CHUNK_ROWS = part_files.CHUNK_ROWS = CHUNK_ROWS
    assert in_child(lambda: prepare(folder)) == 0
    scene = Scene(folder / "home", folder / "landing", folder / "project")
    there = scene.copy(folder / "reference")
    assert in_child(lambda: score(there, [DATE])) == 0
    wanted = {DATE: seen(there.files(), DATE)}
    verdicts = there.home / "store/verdicts"
    draw, counts = random.Random(seed), Counter[str]()  # noqa: S311
    for part in PARTS:
        pages = 24 + 2 * (needed(there.home / part) - needed(scene.home / part))  # drafts and scratch are gone again
        for n in range(levels):
            tried = scene.copy(folder / f"{part}-{n}")
            if part != "store":  # there the verdict is written too
                shutil.copytree(verdicts, tried.home / "store/verdicts", dirs_exist_ok=True)
            free = min(pages, max(0, pages * n // max(1, levels - 1) + draw.choice((-1, 0, 0, 1))))
            where = f"{part}, seed {seed}, {free} pages free"
            said = attempt(tried, part, disk, free, wanted, where)
            counts[f"{part}: {re.sub('[0-9a-f]{8,}.*|/dev.*|/tmp.*', '…', said) or 'enough'}"] += 1
    sys.stdout.write(json.dumps(counts, ensure_ascii=False) + "\n")


def needed(part: Path) -> int:
    """Return how many pages the files of a folder take."""
    return sum(-(-path.stat().st_size // PAGE) for path in part.rglob("*") if path.is_file())


def attempt(scene: Scene, part: str, disk: Path, free: int, wanted: dict, where: str) -> str:  # type: ignore[type-arg]
    """Score with one folder on a disk that has some pages left, then with room; return the first run's sentence."""
    place, says = scene.home / part, scene.home.parent / "says"
    place.mkdir(exist_ok=True)
    shutil.move(place, disk / part)
    place.symlink_to(disk / part)
    fill(disk / "ballast", free)
    says.unlink(missing_ok=True)
    assert in_child(told(lambda: score(scene, [DATE]), says)) == 0, where
    said = says.read_text() if says.exists() else ""
    check(scene.files(), wanted, where, () if said else (CHAMPION,))
    assert not said or re.match(r"FolderError: .*[Nn]o space left on device", said), f"{where}: {said}"
    (disk / "ballast").unlink()
    assert in_child(lambda: score(scene, [DATE])) == 0, where
    check(scene.files(), wanted, where, ALL)
    scratch = scene.home / "scratch"
    assert {path.name for path in scratch.iterdir()} <= {"shared"}, where
    assert not list(scratch.glob("shared/*.draft")), where
    shutil.rmtree(disk / part)
    shutil.rmtree(scene.home)
    return said


def fill(ballast: Path, free: int) -> None:
    """Write a file that leaves some pages of its disk."""
    about = os.statvfs(ballast.parent)
    room = about.f_bavail * about.f_frsize // PAGE
    ballast.write_bytes(bytes((room - free) * PAGE))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
