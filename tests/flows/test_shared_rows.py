"""Rows that were assembled once: used by every model of the same source, and never when a byte of them changed."""

import datetime as dt
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from plimsoll import assembled, assembly, part_files
from tasks import assemble, shared_rows
from tasks.landing import keep_snapshot
from tasks.records import recording
from tasks.scratch import scratch_folder
from tests.flows.places import DAY, MODEL, NEXT, Answer, Place, flip_a_byte

Cli = Callable[..., Answer]
SISTER = "flight_delay_minutes"  # of the same source, with the same features


@pytest.fixture(autouse=True)
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a day of flights be many rows."""
    for module in (assembled, assembly, part_files):
        monkeypatch.setattr(module, "CHUNK_ROWS", 100)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models for which rows were assembled."""
    seen, inner = list[str](), assemble.assemble_rows

    def count(store, snapshot, config, *more):  # type: ignore[no-untyped-def]
        seen.append(config.model)
        return inner(store, snapshot, config, *more)

    monkeypatch.setattr(assemble, "assemble_rows", count)
    return seen


@contextmanager
def rows_of(model: str, date: dt.date = DAY) -> Iterator[pd.DataFrame]:
    """Yield a date's assembled rows as a run of a model gets them."""
    with recording("score_batch", model, date, {}) as run, scratch_folder(run.workspace) as scratch:
        snapshot = keep_snapshot(run, [str(date)], outcomes=False)
        yield assemble.assemble_batch(run.workspace, run.config, snapshot, str(date), scratch)[0].frame()


def kept(place: Place, ending: str) -> list[Path]:
    return sorted((place.home / "scratch/shared").glob(f"*.{ending}"))


def test_two_models_of_one_source_assemble_once(serving: Place, made: list[str]) -> None:
    with rows_of(MODEL) as first, rows_of(SISTER) as second:
        pd.testing.assert_frame_equal(first, second)
    assert made == [MODEL]


def test_an_infinite_value_is_told_to_the_second_too(serving: Place, made: list[str], plimsoll: Cli) -> None:
    frame = pd.read_parquet(serving.flights())
    frame.assign(distance=[float("inf"), *frame["distance"][1:]]).to_parquet(serving.flights(), index=False)
    for _ in range(2):
        with recording("score_batch", MODEL, DAY, {}) as run, scratch_folder(run.workspace) as scratch:
            snapshot = keep_snapshot(run, [str(DAY)], outcomes=False)
            _, verdict = assemble.assemble_batch(run.workspace, run.config, snapshot, str(DAY), scratch)
        assert ("finite", "distance") in {(bad.expectation, bad.column) for bad in verdict.bad_rows}
    assert made == [MODEL]


@pytest.mark.parametrize("ending", ["parquet", "json"])
def test_what_was_changed_is_not_used(serving: Place, made: list[str], ending: str) -> None:
    with rows_of(MODEL) as first:
        pass
    flip_a_byte(kept(serving, ending)[0])
    with rows_of(MODEL) as again:
        pd.testing.assert_frame_equal(first, again)
    assert made == [MODEL, MODEL]
    with rows_of(SISTER):
        assert made == [MODEL, MODEL], "what was assembled anew was left"


def test_another_delivery_feature_or_source_is_assembled(serving: Place, made: list[str]) -> None:
    with rows_of(MODEL), rows_of(MODEL, NEXT):
        pass
    feature = serving.root / "configs/features/flights.py"
    feature.write_text(feature.read_text() + "\n# changed\n")
    with rows_of(MODEL):
        pass
    frame = pd.read_parquet(serving.flights())
    frame.iloc[::-1].to_parquet(serving.flights(), index=False)
    with rows_of(MODEL):
        pass
    assert made == [MODEL] * 4


def test_few_are_kept_and_not_for_long(serving: Place, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_rows, "MOST_KEPT", 1)
    days = [DAY + dt.timedelta(days=n) for n in range(3)]
    for day in days:
        with rows_of(MODEL, day):
            pass
    assert len(kept(serving, "parquet")) == len(kept(serving, "json")) == 2, "the latest, and the one before it"
    old = time.time() - shared_rows.KEPT_SECONDS - 1
    for path in [*kept(serving, "parquet"), *kept(serving, "json")]:
        os.utime(path, (old, old))
    (draft := serving.home / "scratch/shared/x.draft").write_bytes(b"of one that was killed")
    os.utime(draft, (old, old))
    with rows_of(MODEL, days[-1]):
        pass
    assert len(made) == 4
    assert len(kept(serving, "parquet")) == 1
    assert not draft.exists()


def test_no_room_is_no_harm(serving: Place, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with rows_of(MODEL):
        assert kept(serving, "parquet")
    monkeypatch.setattr(shared_rows, "ROOM", 10**12)
    with rows_of(SISTER):
        pass
    assert made == [MODEL, SISTER]
    assert not kept(serving, "parquet"), "what was kept while there was room goes first"
