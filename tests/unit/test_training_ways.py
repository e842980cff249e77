"""Two ways of training: rows in memory or in files, cut anyhow, one thread or four, give the same bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plimsoll import matrices
from plimsoll.assembly import KEY, OUTCOME
from plimsoll.encoder import fit_encoder
from plimsoll.errors import ConfigError, DataError
from plimsoll.estimator_config import EXTERNAL_CELLS, Estimator
from plimsoll.matrices import EncodedRows, Pages, boost
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import DATE, Rows, rows_of
from plimsoll.training import split_rows, train_bundle

NUMBERS, WORDS = ["size", "weight", "always_null_at_first"], ["colour", "place"]


def config_of(**estimator: Any) -> ModelConfig:
    """A config of five features, yes or no."""
    kinds = dict.fromkeys(NUMBERS, "number") | dict.fromkeys(WORDS, "category")
    features = [{"name": n, "kind": kind, "because": "known at the time", "sparse": True} for n, kind in kinds.items()]
    body = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"},
        "outcome": {"path": "outcomes", "column": "late", "above": 0, "no_outcome": "none"},
        "features": {"columns": features},
        "estimator": {"kind": "xgboost", "rounds": 4, "threads": 2, **estimator},
        "split": {"test_days": 3},
        "gates": {"limits": [{"metric": "auc", "at_least": 0.5}]},
    }
    return ModelConfig.model_validate(body)


def rows_by_day(seed: int, days: int, largest: int) -> list[pd.DataFrame]:
    """Days of rows with nulls, words that come and go, integers on some days and floats on others."""
    chance = np.random.default_rng(seed)
    frames = []
    for day in range(days):
        n = int(chance.integers(2, largest))
        frame = pd.DataFrame({"size": chance.integers(0, 9, n), "weight": np.round(chance.normal(size=n), 1)})
        frame[NUMBERS[2]] = np.nan if day < 2 else chance.normal(size=n)
        for j, column in enumerate(WORDS):
            known = np.array([f"{column} {k}" for k in range(1 + j, 4 + day % 3 * 4)], dtype=object)
            frame[column] = pd.Series(known[chance.integers(0, len(known), n)], dtype="str")
        frame.loc[chance.random(n) < 0.2, ["weight", "colour"]] = None
        if day % 2:
            frame["size"] = frame["size"].astype("float64").mask(chance.random(n) < 0.1)
        odds = frame["size"].fillna(0).to_numpy() / 9 + (frame["colour"] == "colour 2") * 0.3
        frame[OUTCOME] = (chance.random(n) < odds).astype(np.float64)
        frame.loc[chance.random(n) < 0.05, OUTCOME] = np.nan
        frame.loc[frame.index[:2], OUTCOME] = [0.0, 1.0]
        frame[KEY] = [f"{day}-{row}" for row in range(n)]
        frames.append(frame.assign(**{DATE: f"2026-01-{day + 1:02d}"}))
    return frames


def added(frames: list[pd.DataFrame], scratch: Path | None) -> Rows:
    rows = Rows(scratch)
    for frame in frames:
        rows.add(frame)
    return rows


def cut(frames: list[pd.DataFrame], places: list[float]) -> list[pd.DataFrame]:
    """Cut days again into chunks, some of them empty."""
    chunks = []
    for frame, place in zip(frames, places, strict=True):
        at = int(place * len(frame))
        chunks += [frame.iloc[:at].reset_index(drop=True), frame.iloc[at:].reset_index(drop=True)]
    return chunks


@settings(max_examples=3, derandomize=True)
@given(data=st.data())
def test_any_cut_and_either_way_give_the_same_bundle(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    days = data.draw(st.integers(5, 9))
    frames = rows_by_day(data.draw(st.integers(0, 2**20)), days, data.draw(st.sampled_from([8, 60, 400])))
    places = data.draw(st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0]), min_size=days, max_size=days))
    threads = data.draw(st.sampled_from([1, 2, 4]))
    digests = {
        train_bundle(rows, config_of(threads=2)).digest
        for rows in (
            rows_of(pd.concat(frames, ignore_index=True)),
            added(frames, None),
            added(frames, tmp_path_factory.mktemp("whole")),
            added(cut(frames, places), tmp_path_factory.mktemp("cut")),
        )
    }
    assert len(digests) == 1
    config = config_of(threads=threads)
    model = train_bundle(added(frames, tmp_path_factory.mktemp("threads")), config).fitted.to_bytes()
    assert model == train_bundle(added(frames, None), config_of(threads=2)).fitted.to_bytes(), f"{threads} threads"


@settings(max_examples=4, derandomize=True)
@given(seed=st.integers(0, 2**20), page_cells=st.sampled_from([1, 7, 100, 1000]), threads=st.sampled_from([1, 2, 4]))
@pytest.mark.parametrize(
    "params",
    [{}, {"max_bin": 16}, {"subsample": 0.7, "colsample_bytree": 0.6}, {"grow_policy": "lossguide", "max_leaves": 9}],
)
def test_pages_of_any_size_give_the_model_of_one_matrix(
    params: dict[str, Any],
    seed: int,
    page_cells: int,
    threads: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import xgboost as xgb

    config, frames = config_of(), rows_by_day(seed, 6, 40)
    train, _ = split_rows(rows := added(frames, None), config)
    given_params = {"objective": "binary:logistic", "tree_method": "hist", "nthread": threads, **params}
    models = set()
    for scratch in (None, tmp_path_factory.mktemp("pages")):
        table = EncodedRows(added(frames, scratch), config, page_cells)
        encoder = table.encoder_of(train)
        models.add(bytes(boost(table.pages(train, encoder), encoder.feature_types, given_params, 5).save_raw("ubj")))
    known = pd.concat(frames, ignore_index=True)[train]
    assert encoder == fit_encoder(known, config)
    matrix = xgb.DMatrix(
        encoder.encode(known),
        label=rows.outcome[train],
        feature_types=encoder.feature_types,
        enable_categorical=True,
        nthread=threads,
    )
    models.add(bytes(xgb.train(given_params, matrix, 5).save_raw("ubj")))
    assert len(models) == 1


def test_another_way_of_boosting_takes_one_matrix(tmp_path: Path) -> None:
    frames, config = rows_by_day(3, 6, 30), config_of(params={"tree_method": "approx"})
    both = {train_bundle(added(frames, scratch), config).digest for scratch in (None, tmp_path)}
    assert len(both) == 1


def test_scikit_learn_takes_one_matrix(tmp_path: Path) -> None:
    frames, config = rows_by_day(4, 6, 80), config_of(kind="logistic")
    both = {train_bundle(added(frames, scratch), config).digest for scratch in (None, tmp_path)}
    assert len(both) == 1


def test_what_xgboost_writes_is_gone_even_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, rows = config_of(), added(rows_by_day(5, 6, 30), tmp_path)
    kept = {path.name for path in tmp_path.iterdir()} | {"encoded.float32"}
    train_bundle(rows, config)
    assert {path.name for path in tmp_path.iterdir()} == kept
    with pytest.raises(ConfigError, match=r"estimator.params: XGBoost cannot train so: .*colsample"):
        train_bundle(rows, config_of(params={"colsample_bytree": 3}))
    read = matrices.EncodedRows._page
    monkeypatch.setattr(matrices.EncodedRows, "_page", fails_after(9, read))
    with pytest.raises(OSError, match="disk is gone"):
        train_bundle(rows, config)
    assert {path.name for path in tmp_path.iterdir()} == kept


def fails_after(times: int, read: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reader of pages whose disk goes away."""
    left = [times]

    def page(*args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError("disk is gone")
        return read(*args)

    return page


def test_rows_come_back_as_they_were_added(tmp_path: Path) -> None:
    frames = rows_by_day(6, 6, 50)
    held, kept = added(frames, None), added(frames, tmp_path)
    assert len(held) == len(kept) == sum(map(len, frames))
    mask = np.random.default_rng(0).random(len(held)) < 0.2
    columns = [KEY, "colour", "size", "not there", DATE]
    for a, b in zip(held.frames(mask, columns), kept.frames(mask, columns), strict=True):
        pd.testing.assert_frame_equal(a, b, check_dtype=False)
    assert list(kept.head(3, mask, [KEY])[KEY]) == list(pd.concat(held.frames(mask))[KEY][:3])
    assert kept.dates(mask) == tuple(sorted({date for frame in held.frames(mask) for date in frame[DATE]}))


def test_a_column_of_several_types_is_told_in_a_sentence(tmp_path: Path) -> None:
    frame = rows_by_day(7, 1, 9)[0]
    frame["odd"] = [1, "two", *([None] * (len(frame) - 2))]
    with pytest.raises(DataError, match="more than one type"):
        Rows(tmp_path).add(frame)


@pytest.mark.parametrize(
    ("asked", "rows", "way"),
    [
        ("auto", EXTERNAL_CELLS // 10 - 1, "in_memory"),
        ("auto", EXTERNAL_CELLS // 10, "external"),
        ("in_memory", EXTERNAL_CELLS, "in_memory"),
        ("external", 1, "external"),
    ],
)
def test_the_way_follows_from_the_size_unless_one_is_asked_for(asked: Any, rows: int, way: str) -> None:
    assert Estimator(kind="xgboost", memory=asked).memory_for(rows, 10) == way


def test_scikit_learn_cannot_be_asked_to_train_from_files() -> None:
    with pytest.raises(ValidationError, match="logistic is fitted by scikit-learn, in memory"):
        Estimator(kind="logistic", memory="external")


def test_pages_put_together() -> None:
    pages = Pages(lambda: iter([(np.ones((2, 3), dtype=np.float32), np.zeros(2))] * 2))
    assert pages.matrix()[0].shape == (4, 3)
