"""Scoring killed, raced and put to sleep five hundred times: each batch is there once, with the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEDS, TRIES = (20261121, 7), 260


@pytest.mark.timeout(1200)
def test_no_kill_leaves_half_a_batch_or_two(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.scoring_kills"]
    both = [
        subprocess.Popen([*words, str(tmp_path / str(seed)), str(seed), str(TRIES), str(first)], cwd=ROOT, stdout=-1)
        for first, seed in enumerate(SEEDS)
    ]
    said = [process.communicate(timeout=1100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    told = [json.loads(out.splitlines()[-1]) for out in said]
    assert sum(sum(counts.values()) for counts in told) >= 500, told
    assert all(min(counts.values()) > 0 for counts in told), told
