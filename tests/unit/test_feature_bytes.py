"""The feature function that runs is that of the bytes on disk."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tasks.features import load_feature_function


def test_an_edit_of_the_same_size_and_second_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "configs/features/made.py"
    path.parent.mkdir(parents=True)
    config: Any = SimpleNamespace(features=SimpleNamespace(function="made:build"), deployment="m")
    for answer in (1, 2):
        path.write_text(f"def build(batch):\n    return {answer}\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        function = load_feature_function(tmp_path, config)
        assert function is not None
        assert function(None) == answer  # type: ignore[arg-type, comparison-overlap]
