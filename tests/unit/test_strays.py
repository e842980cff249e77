"""Files that no date names are named when a date is missing, a few of however many."""

from pathlib import Path

import pytest

from plimsoll.model_config import ModelConfig
from tasks.strays import no_batch, stray_files
from tasks.workspace import Workspace, open_workspace
from tests.searched import config_of

CSV = {"kind": "dates", "path": "tastings", "format": "csv", "key": ["id"], "event_time": "at"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("PLIMSOLL_HOME", str(tmp_path))
    return open_workspace()


def laid(workspace: Workspace, *names: str) -> tuple[Path, ModelConfig]:
    folder = workspace.data / "tastings"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder, config_of(source=CSV)


def test_a_misnamed_file_is_named_with_the_form_that_is_expected(workspace: Workspace) -> None:
    _, config = laid(workspace, "2026-11-02.csv", "03.11.2026.csv", ".hidden", "_SUCCESS")
    said = " There also is 03.11.2026.csv, which no date has: name files like 2026-11-03.csv."
    assert stray_files(workspace, config.source) == said


def test_of_many_a_few_are_named(workspace: Workspace) -> None:
    _, config = laid(workspace, *(f"2026{n:04d}.csv" for n in range(50)), "2026-11-03.parquet")
    said = stray_files(workspace, config.source)
    assert said.startswith(" There also are 2026-11-03.parquet, 20260000.csv, 20260001.csv and 48 more, which no date")


def test_nothing_is_said_of_a_folder_of_dates_or_of_none(workspace: Workspace) -> None:
    assert not stray_files(workspace, config_of(source=CSV).source)
    folder, config = laid(workspace, "2026-11-02.csv")
    assert not stray_files(workspace, config.source)
    assert not stray_files(workspace, config_of(source={**CSV, "path": "s3://lake/tastings"}).source)
    missing = no_batch(workspace, config, "2026-11-03")
    assert f": {folder}/2026-11-03.csv is not there. Was it exported?" in missing


def test_a_folder_that_is_not_there_is_said_to_be_missing(workspace: Workspace) -> None:
    assert no_batch(workspace, config_of(source=CSV), "2026-11-03").endswith("The folder itself is not there.")


def test_a_table_that_is_not_there_is_named_by_its_file(workspace: Workspace) -> None:
    config = config_of(source={"kind": "table", "path": "rows.parquet", "key": ["id"]})
    assert str(workspace.data / "rows.parquet") in no_batch(workspace, config, "")
