"""Values and sizes that no suite sees: keys that change their type, many parts, files of one row group."""

import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plimsoll import key_buckets, part_files
from plimsoll import scores_digest as digests
from plimsoll.batch_checks import BatchChecks
from plimsoll.errors import DataError
from plimsoll.estimators import Linear
from plimsoll.keys import row_keys
from plimsoll.model_config import ModelConfig
from plimsoll.scores_digest import batch_digest
from plimsoll.snapshot import ALL, FileRef, Snapshot
from plimsoll.validation import Verdict
from tests.forked import in_child


def config_of(**features: str) -> ModelConfig:
    columns = [{"name": n, "kind": kind, "because": "known at the time"} for n, kind in features.items()]
    body = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": {"kind": "table", "path": "rows.parquet", "key": ["id"]},
        "outcome": {"path": "outcomes.parquet", "column": "late", "above": 0, "no_outcome": "none"},
        "features": {"columns": columns},
        "estimator": {"kind": "logistic"},
        "gates": {"limits": [{"metric": "auc", "at_least": 0.5}]},
    }
    return ModelConfig.model_validate(body)


CONFIG = config_of(size="number")


def test_a_whole_number_is_the_same_key_where_a_null_made_it_a_float() -> None:
    whole, with_null = pd.DataFrame({"id": [1, 20]}), pd.DataFrame({"id": [1, 20, None]})
    assert row_keys(with_null, CONFIG).tolist()[:2] == row_keys(whole, CONFIG).tolist() == ["1", "20"]
    assert row_keys(with_null, CONFIG).isna().tolist() == [False, False, True]
    assert row_keys(pd.DataFrame({"id": [0.5, 2.0]}), CONFIG).tolist() == ["0.5", "2"]


def test_a_key_that_floats_cannot_tell_apart_is_refused() -> None:
    with pytest.raises(DataError, match=r"Key column id .* 9007199254740992 is too large"):
        row_keys(pd.DataFrame({"id": [9007199254740993, None]}), CONFIG)


def test_truth_values_are_numbers_with_and_without_a_null() -> None:
    for values in ([True, False], [True, None]):
        frame = pd.DataFrame({"id": ["a", "b"], "size": values})
        settled = BatchChecks(CONFIG, "").see_features(frame, frame["id"])["size"]
        assert settled.dtype == "float64"
        assert settled.iloc[0] == 1.0


def test_an_infinite_number_becomes_null_and_its_row_is_set_aside() -> None:
    frame = pd.DataFrame({"id": ["a", "b", "c", "d"], "size": [1.0, -np.inf, 1e39, None]})
    checks = BatchChecks(CONFIG, "")
    assert checks.see_features(frame, frame["id"])["size"].isna().tolist() == [False, True, True, True]
    verdict = Verdict(4, 0, (), (), "").with_infinite(checks.infinite_values())
    assert [(row.key, row.value) for row in verdict.bad_rows] == [("b", "-inf"), ("c", "1e+39")]
    assert verdict.keep_good(frame.assign(__key__=frame["id"]))["id"].tolist() == ["a", "d"]


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([["a", 1.0, 2.0]], columns=["id", "size", "size"])
    with pytest.raises(DataError, match="column size is there twice"):
        BatchChecks(CONFIG, "2026-01-01").see_raw(frame)


def test_a_score_that_is_no_number_stops_the_batch() -> None:
    class Broken:
        def predict(self, matrix: object) -> object:
            return np.array([0.5, np.nan, np.inf])

    with pytest.raises(DataError, match="no finite number for 2 of 3 rows"):
        Linear(Broken(), "regression").predict(np.zeros((3, 1), dtype=np.float32))


def test_the_parts_of_a_snapshot_are_looked_up_and_not_searched() -> None:
    """Ten thousand parts, asked for one by one: a search through all of them would compare fifty million names."""
    dates = [str(day.date()) for day in pd.date_range("1990-01-01", periods=10_000)]
    refs = tuple(FileRef(date, f"{n:064x}", 1) for n, date in enumerate(dates))
    snapshot = Snapshot("made_up", tuple(dates), dates[-1], {"batch": refs, "side": (FileRef(ALL, "0" * 64, 1),)})
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    assert [snapshot.file("batch", date) for date in dates] == [*refs]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - began < 2
    assert snapshot.file("side", "1990-01-01") is snapshot.tables["side"][0]
    assert snapshot.file("batch", "1989-12-31") is None


def test_more_buckets_than_a_process_may_open_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = pa.table(
        {
            "version": pa.array([1] * 600, pa.int32()),
            "key": [f"key-{n}" for n in range(600)],
            "score": np.random.default_rng(0).random(600),
        }
    )
    monkeypatch.setattr(digests, "SORTED_ROWS", 3)
    assert digests.bucket_bits(600) == 8
    monkeypatch.setattr(key_buckets, "DEAL_BITS", 8)
    at_once = batch_digest([rows], 600, tmp_path)
    monkeypatch.setattr(key_buckets, "DEAL_BITS", 4)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]) + 40, hard))
    try:
        assert batch_digest([rows.slice(0, 200), rows.slice(200)], 600, tmp_path) == at_once
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("group_rows", [None, 25_000], ids=["one row group", "many row groups"])
def test_memory_does_not_grow_with_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int | None
) -> None:
    """A file of six times the rows is read within the memory of the smaller one and 24 MiB."""
    monkeypatch.setattr(part_files, "CHUNK_ROWS", 20_000)
    peaks = []
    for rows in (200_000, 1_200_000):
        path, told = tmp_path / "rows.parquet", tmp_path / "peak"
        numbers = np.random.default_rng(0).normal(size=rows)
        table = pa.table({"id": np.arange(rows), **{f"x{n}": numbers + n for n in range(6)}})
        pq.write_table(table, path, row_group_size=group_rows or rows, use_dictionary=False)
        del table, numbers
        assert in_child(lambda path=path, told=told: told.write_text(str(grown(path)))) == 0  # type: ignore[misc]
        peaks.append(int(told.read_text()))
    assert peaks[1] < peaks[0] + 24 * 1024, peaks


def grown(path: Path) -> int:
    """Return by how many KiB this process grows while it reads a file chunk by chunk."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = peak_kib()
    with path.open("rb") as stream:
        for _ in part_files.raw_chunks(stream, "rows"):
            continue
    return peak_kib() - before


def peak_kib() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])
