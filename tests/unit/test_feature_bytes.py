"""The feature function that runs is that of the bytes on disk."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plimsoll.errors import ConfigError
from tasks.features import feature_files, load_feature_function


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


def config_of(function: str) -> Any:
    return SimpleNamespace(features=SimpleNamespace(function=function), deployment="m")


def folder_of(root: Path, **files: str) -> Path:
    folder = root / "configs/features"
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", "/")).with_suffix(".py").write_text(text)
    return folder


def answer(root: Path) -> object:
    function = load_feature_function(root, config_of("made:build"))
    assert function is not None
    return function(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "asks",
    [
        "from .helper import A",
        "from . import helper\nA = helper.A",
        "from configs.features.helper import A",
        "import configs.features.helper\nA = configs.features.helper.A",
        "from .lib.deep import A",
        "from .turn import A",
    ],
)
def test_a_feature_file_imports_its_neighbours_as_they_are_now(asks: str, tmp_path: Path) -> None:
    made = f"{asks}\n\n\ndef build(batch):\n    return A\n"
    turn = "from . import made\nfrom .helper import A\n"
    folder = folder_of(tmp_path, made=made, helper="A = 1\n", lib__deep="from ..helper import A\n", turn=turn)
    assert answer(tmp_path) == 1
    files = feature_files(tmp_path, config_of("made:build"))
    assert {"configs/features/made.py", "configs/features/helper.py"} <= set(files)
    os.utime(folder / "helper.py", (1_700_000_000, 1_700_000_000))
    folder_of(tmp_path, helper="A = 2\n")
    os.utime(folder / "helper.py", (1_700_000_000, 1_700_000_000))
    assert answer(tmp_path) == 2


def test_a_neighbour_of_another_project_is_never_taken(tmp_path: Path) -> None:
    made = "from .helper import A\n\n\ndef build(batch):\n    return A\n"
    for n in (1, 2):
        folder_of(tmp_path / str(n), made=made, helper=f"A = {n}\n")
    assert [answer(tmp_path / str(n)) for n in (1, 2, 1)] == [1, 2, 1]


def test_a_neighbour_imported_like_a_library_is_said(tmp_path: Path) -> None:
    folder_of(tmp_path, made="import helper\n\n\ndef build(batch):\n    return 1\n", helper="A = 1\n")
    with pytest.raises(ConfigError, match=r"helper lies beside it: from \. import helper"):
        answer(tmp_path)
