"""Columns and samples of a batch are those of the whole assembled batch, however they are read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plimsoll import part_files
from plimsoll.assembled_parts import assembled_parts, column_parts, sampled_rows
from plimsoll.assembly import KEY, read_assembled
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import ALL, FileRef, Snapshot
from plimsoll.store import put_file_object
from tasks.object_store import FolderStore

ROWS = 1000


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FolderStore, Snapshot, ModelConfig]:
    """A stored batch that is read in parts of 64 rows, with a word that is null and a number that is not."""
    monkeypatch.setattr(part_files, "CHUNK_ROWS", 64)
    words = np.where(np.arange(ROWS) % 7 == 0, None, np.array(["JFK", "EWR"])[np.arange(ROWS) % 2])
    rows = pd.DataFrame({"id": np.arange(ROWS), "place": words, "size": np.arange(ROWS) * 0.5})
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    store = FolderStore(tmp_path / "store")
    digest, _ = put_file_object(store, tmp_path / "rows.parquet")
    ref = FileRef(name=ALL, digest=digest, bytes=1, rows=ROWS)
    columns = [
        {"name": n, "kind": k, "because": "known at the time"} for n, k in (("place", "category"), ("size", "number"))
    ]
    config = ModelConfig.model_validate(
        {
            "model": "made_up",
            "owner": "tests",
            "purpose": "tests",
            "source": {"kind": "table", "path": "rows.parquet", "key": ["id"]},
            "outcome": {"path": "outcomes.parquet", "column": "late", "above": 0, "no_outcome": "none"},
            "features": {"columns": columns},
            "estimator": {"kind": "logistic"},
            "gates": {"limits": [{"metric": "auc", "at_least": 0.5}]},
        }
    )
    return store, Snapshot("made_up", (), "2013-01-01", {"batch": (ref,)}, {}), config


def turned(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(place=frame["place"].str.lower())


def test_parts_together_are_the_whole_batch(batch: tuple[FolderStore, Snapshot, ModelConfig], tmp_path: Path) -> None:
    store, snapshot, config = batch
    parts = [*assembled_parts(store, snapshot, config, turned, "", tmp_path)]
    assert len(parts) == -(-ROWS // 64)
    whole = read_assembled(store, snapshot, config, turned, "")
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, check_dtype=False)


@pytest.mark.parametrize("function", [None, turned])
def test_some_columns_are_those_of_the_assembled_batch_also_where_a_function_changes_them(
    batch: tuple[FolderStore, Snapshot, ModelConfig],
    tmp_path: Path,
    function: None,
) -> None:
    store, snapshot, config = batch
    parts = [*column_parts(store, snapshot, config, function, "", ["place"], tmp_path)]
    whole = read_assembled(store, snapshot, config, function, "")
    assert all(set(part.columns) == {KEY, "place"} for part in parts)
    found = pd.concat(parts, ignore_index=True)[[KEY, "place"]]
    pd.testing.assert_frame_equal(found, whole[[KEY, "place"]], check_dtype=False)


def test_a_sample_is_of_assembled_rows(batch: tuple[FolderStore, Snapshot, ModelConfig], tmp_path: Path) -> None:
    store, snapshot, config = batch
    rows = sampled_rows(store, snapshot, config, turned, "", tmp_path, 100, 7)
    whole = read_assembled(store, snapshot, config, turned, "").set_index(KEY)
    assert len(rows) == rows[KEY].nunique() == 100
    pd.testing.assert_frame_equal(rows.set_index(KEY), whole.loc[rows[KEY]], check_dtype=False)
    assert rows.equals(sampled_rows(store, snapshot, config, turned, "", tmp_path, 100, 7)), "seeded"
    assert len(sampled_rows(store, snapshot, config, None, "", tmp_path, 5000, 7)) == ROWS
