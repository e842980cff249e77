"""Scoring under many faults: of an S3 server, of a disk, of other runs. Each batch is there once, the same bytes."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.full_disk import on_a_small_disk

ROOT = Path(__file__).parents[2]
SEEDS = (20261121, 7)
pytestmark = pytest.mark.timeout(1200)


def said_by(*programs: list[str]) -> Counter[str]:
    """Run programs of faults side by side and return what they counted."""
    running = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) for words in programs]
    said = [process.communicate(timeout=1100)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return sum((Counter(json.loads(out.splitlines()[-1])) for out in said), Counter())


def test_no_fault_of_a_server_leaves_half_a_batch_or_two(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.scoring_on_s3"]
    told = said_by(*([*words, str(tmp_path / str(seed)), str(seed), "20"] for seed in SEEDS))
    assert told["told"] + told["got over it"] == 40
    assert min(told["told"], told["got over it"]) > 1, told
    assert min(told[fault] for fault in ("500", "412", "409", "lose_answer", "done_500", "cut_request", "outage")) > 0


def test_no_full_disk_leaves_half_a_batch_or_two(tmp_path: Path) -> None:
    told = said_by(on_a_small_disk(tmp_path, str(SEEDS[0]), 12))
    assert sum(told.values()) == 36, told
    for step in ("predictions: ", "store: ", "scratch: "):
        assert told[f"{step}enough"] < 12, told


def test_no_race_leaves_half_a_batch_or_two(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.scoring_races"]
    told = said_by(*([*words, str(tmp_path / str(seed)), str(seed), "10"] for seed in SEEDS))
    assert told == dict.fromkeys(("schedulers", "backfills", "redelivered", "clocks", "overtaken"), 4)
