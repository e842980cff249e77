"""The layout of the predictions: sorted, searched through statistics or the index, never a row more or less."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plimsoll.errors import ConflictError, IntegrityError
from plimsoll.predictions import predictions_schema
from plimsoll.scores_digest import scores_digest
from tasks import delta_layout, key_index, key_lookup
from tasks.delta import open_predictions
from tasks.delta_layout import compact_predictions
from tasks.key_lookup import find_key
from tasks.prediction_files import live_files
from tests.staged import commit_rows

ROWS, DAYS, LATER = 300, 4, 3  # and FEW of 2: three files that may hold a key are enough to ask an index


@dataclass
class Table:
    """A workspace with nothing but a predictions table."""

    workspace: Any
    root: Path

    def score(self, day: int, model: str = "m", rows: int = ROWS, dated: bool = True) -> pa.Table:
        batch = predictions(day, model, rows, dated)
        date = (dt.date(2020, 1, 1) + dt.timedelta(days=day)).isoformat()
        assert commit_rows(self.workspace, batch, model, date, [1])
        return batch

    def rows(self) -> pd.DataFrame:
        found = open_predictions(self.workspace).to_pyarrow_table()  # type: ignore[union-attr]
        return found.to_pandas().sort_values(["model", "batch_date", "key"], ignore_index=True)


def look_for(table: Table, keys: list[str]) -> None:
    for key in keys:
        find_key(table.workspace, key)


def predictions(day: int, model: str, rows: int, dated: bool) -> pa.Table:
    random = np.random.default_rng(day)
    date = dt.date(2020, 1, 1) + dt.timedelta(days=day)
    if dated:
        keys = [f"{date}/{n:06d}" for n in random.permutation(rows)]
    else:
        keys = [random.bytes(8).hex() for _ in range(rows)]
    same = {"model": model, "batch_date": date, "version": 1, "role": "champion", "snapshot": "s", "run": "r"}
    columns = {name: [value] * rows for name, value in same.items()} | {"key": keys, "score": random.random(rows)}
    schema = predictions_schema()
    return pa.table({name: columns[name] for name in schema.names}, schema)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(delta_layout, "GROUP_ROWS", 100)
    monkeypatch.setattr(key_index, "GROUP_ROWS", 64)
    monkeypatch.setattr(key_index, "RUN_ROWS", 500)
    for module in (key_index, key_lookup):
        monkeypatch.setattr(module, "FEW", 2)
    platform = SimpleNamespace(predictions=SimpleNamespace(url=str(tmp_path / "predictions")))
    return Table(SimpleNamespace(platform=platform), tmp_path / "predictions")


@pytest.mark.parametrize("dated", [True, False])
def test_every_key_is_found_before_and_after(table: Table, dated: bool) -> None:
    days = [table.score(day, dated=dated) for day in range(DAYS)]
    for laid_out in (False, True):
        if laid_out:
            done = compact_predictions(table.workspace, retention_hours=0)
            assert (done.partitions, done.rows) == (DAYS, DAYS * ROWS)
            assert bool(done.index) is not dated, "dated keys need no index"
        for day, batch in enumerate(days):
            for at in (0, ROWS // 2, ROWS - 1):
                found = find_key(table.workspace, batch["key"][at].as_py())
                assert found["score"].tolist() == [batch["score"][at].as_py()]
                assert found["batch_date"].tolist() == [dt.date(2020, 1, 1) + dt.timedelta(days=day)]
        assert find_key(table.workspace, "nobody").empty
        key = days[3]["key"][7].as_py()
        assert find_key(table.workspace, key, date="2020-01-03").empty
        assert len(find_key(table.workspace, key, date="2020-01-04", model="m")) == 1
        assert find_key(table.workspace, key, model="other").empty


def test_compaction_changes_no_row_and_is_done_once(table: Table) -> None:
    batch = [table.score(day) for day in range(3)][1]
    before = table.rows()
    told = compact_predictions(table.workspace, dry_run=True, retention_hours=0)
    assert (told.partitions, told.bytes_after, told.removed_files) == (3, None, 0)
    assert compact_predictions(table.workspace, retention_hours=0).removed_files == 3
    pd.testing.assert_frame_equal(table.rows(), before)
    again = compact_predictions(table.workspace, retention_hours=0)
    assert (again.partitions, again.removed_files, again.index) == (0, 0, "")
    stored = pq.read_table(next((table.root / "model=m/batch_date=2020-01-02").rglob("*.parquet")), partitioning=None)
    assert stored["key"].to_pylist() == sorted(stored["key"].to_pylist())
    stored = stored.append_column("version", pa.array([1] * len(stored), pa.int32()))
    assert scores_digest(stored) == scores_digest(batch)
    logs = sorted((table.root / "_delta_log").glob("*.json"))
    log = [json.loads(line) for path in logs for line in path.read_text().splitlines()]
    ours = [a["add"] for a in log if "add" in a and "sorted-" in a["add"]["path"]]
    assert ours
    assert not any(add["dataChange"] for add in ours), "readers of changes are told of none"
    assert list((table.root / "_delta_log").glob("*.checkpoint.parquet"))


def test_a_batch_that_is_scored_meanwhile_stands(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.score(0)
    write = delta_layout._write_sorted

    def score_first(*given: Any) -> Any:
        table.score(1)
        monkeypatch.setattr(delta_layout, "_write_sorted", write)
        return write(*given)

    monkeypatch.setattr(delta_layout, "_write_sorted", score_first)
    compact_predictions(table.workspace)
    assert table.rows()["batch_date"].value_counts().tolist() == [ROWS, ROWS]
    assert not table.rows().duplicated(["batch_date", "key"]).any()


def test_of_two_compactions_one_wins_and_no_row_is_doubled(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.score(0)
    before, commit = table.rows(), delta_layout._commit

    def lose(*given: Any) -> None:
        monkeypatch.setattr(delta_layout, "_commit", commit)
        compact_predictions(table.workspace)
        commit(*given)

    monkeypatch.setattr(delta_layout, "_commit", lose)
    with pytest.raises(ConflictError, match="its work stands"):
        compact_predictions(table.workspace)
    pd.testing.assert_frame_equal(table.rows(), before)


def test_files_that_came_after_the_index_are_found_too(table: Table) -> None:
    old = [table.score(day, dated=False) for day in range(DAYS)]
    compact_predictions(table.workspace, retention_hours=0)
    new = [table.score(day, dated=False) for day in range(DAYS, DAYS + LATER)]
    for batch in (*old, *new):
        assert len(find_key(table.workspace, batch["key"][1].as_py())) == 1
    assert compact_predictions(table.workspace, retention_hours=0).index
    index = key_index.open_index(live_files(table.workspace))  # type: ignore[arg-type]
    assert index is not None
    assert len(index.files) == DAYS + LATER
    for batch in (*old, *new):
        assert len(index.files_with(batch["key"][1].as_py())) == 1


def test_a_changed_byte_in_data_or_index_is_seen(table: Table) -> None:
    days = [table.score(day, dated=False) for day in range(DAYS)]
    compact_predictions(table.workspace, retention_hours=0)
    for path in (*table.root.glob("_key_index/*"), next(table.root.glob("model=m/batch_date=2020-01-01/*/*"))):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 3] + bytes([whole[len(whole) // 3] ^ 1]) + whole[len(whole) // 3 + 1 :])
        with pytest.raises(IntegrityError):
            look_for(table, days[0]["key"].to_pylist())
        path.write_bytes(whole)
