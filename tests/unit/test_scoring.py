"""One pass over a batch: cut as it may be, it says the same; a shadow that fails harms nobody."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll import scores_digest as digests
from plimsoll.assembly import KEY
from plimsoll.encoder import Encoder
from plimsoll.predictions import Served
from plimsoll.profile import plan_profile
from plimsoll.score_sketch import ACCURACY, merge_sketches, sketch_from_json, sketch_scores
from plimsoll.scores_digest import batch_digest, scores_digest
from plimsoll.scoring import Pass, score_chunks
from plimsoll.shadows import shadow_seconds

ENCODER = Encoder(("miles", "port"), {"port": ("JFK", "LGA")})
ROWS = pd.DataFrame(
    {KEY: [f"k{n}" for n in range(50)], "miles": np.arange(50.0), "port": ["JFK", "LGA", "EWR", None, "JFK"] * 10}
)


def served(number: int, role: str = "champion", fails_at: float = np.inf) -> Served:
    """Return a version that scores by a formula, and raises on rows from some mile on."""

    def predict(matrix: Any) -> Any:
        if (matrix[:, 0] >= fails_at).any():
            raise FloatingPointError("too far")
        return np.nan_to_num(matrix).astype(float) @ np.array([0.01, 0.1]) + number

    plan = plan_profile(ROWS, {"miles": "number", "port": "category"})
    bundle: Any = SimpleNamespace(
        fitted=SimpleNamespace(predict=predict), encoder=ENCODER, reference=SimpleNamespace(plan=plan)
    )
    return Served(number, role, bundle)  # type: ignore[arg-type]


def run(frames: list[pd.DataFrame], *versions: Served) -> tuple[Pass, list[tuple[int, str, float]]]:
    """Return what a pass says, and what it handed over."""
    taken: list[tuple[int, str, float]] = []

    def sink(version: int, keys: pa.Array, scores: pa.Array) -> None:
        taken.extend(zip([version] * len(keys), keys.to_pylist(), scores.to_pylist(), strict=True))

    return score_chunks(iter(frames), versions, sink, may_fail=True, clock=lambda: 0.0), taken


@given(cuts=st.lists(st.integers(0, 50), max_size=6))
def test_however_a_batch_is_cut_it_says_the_same(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), 50]
    chunks = [ROWS.iloc[a:b] for a, b in pairwise(ends)]
    whole, cut = run([ROWS], served(1), served(2, "challenger")), run(chunks, served(1), served(2, "challenger"))
    assert cut[0] == whole[0]
    assert sorted(cut[1]) == sorted(whole[1])
    assert whole[0].rows == 50
    assert whole[0].summaries[1].unseen == {"port": 10}, "EWR was never seen; a null is not a word"


def test_a_shadow_that_raises_is_left_out_and_named() -> None:
    chunks = [ROWS.iloc[:20], ROWS.iloc[20:40], ROWS.iloc[40:]]
    found, taken = run(chunks, served(1), served(2, "challenger", fails_at=30), served(3, "challenger"))
    assert found.failed == {2: "FloatingPointError: too far"}
    assert set(found.summaries) == {1, 3}
    assert [sum(row[0] == version for row in taken) for version in (1, 3)] == [50, 50]


def test_a_champion_that_raises_stops_the_batch() -> None:
    with pytest.raises(FloatingPointError):
        score_chunks([ROWS], [served(1, fails_at=30)], lambda *_: None)


def test_a_shadow_that_is_slow_is_left_out_and_named() -> None:
    times = iter([0, 1, 1, 2, 2, 9, 9, 10, 10, 10, 10, 11])  # begun and done: chunk by chunk, version by version
    chunks = [ROWS.iloc[:20], ROWS.iloc[20:40], ROWS.iloc[40:]]
    slow, quick = served(2, "challenger"), served(3, "challenger")
    found = score_chunks(chunks, [slow, quick], lambda *_: None, may_fail=True, limit=5, clock=lambda: next(times))
    assert found.failed == {2: "it predicted for 8 s and was to be done within 5 s"}
    assert set(found.summaries) == {3}
    assert shadow_seconds(0.5, 10) == 60
    assert shadow_seconds(30, 10) == 300
    assert shadow_seconds(None, 10) is None


def test_what_the_reader_or_the_writer_raises_comes_out() -> None:
    def broken() -> Iterator[pd.DataFrame]:
        yield ROWS
        raise OSError("the disk is gone")

    def full(*_: Any) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="gone"):
        score_chunks(broken(), [served(1)], lambda *_: None)
    with pytest.raises(OSError, match="no space"):
        score_chunks([ROWS, ROWS], [served(1)], full)


@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80),
    at=st.integers(0, 80),
    share=st.floats(0, 1),
)
def test_quantiles_of_scores_are_known_to_a_hundredth(scores: list[float], at: int, share: float) -> None:
    values = np.array(scores)
    whole = sketch_scores(values)
    assert merge_sketches(sketch_scores(values[:at]), sketch_scores(values[at:])) == whole
    assert sketch_from_json(whole.to_json()) == whole
    exact = float(np.sort(values)[int(share * (len(values) - 1))])
    assert whole.quantile(share) == pytest.approx(exact, rel=1.01 * ACCURACY, abs=1e-8)


def test_a_score_that_is_no_number_is_counted_apart() -> None:
    found = sketch_scores(np.array([0.5, np.nan, np.inf, 0.0]))
    assert (found.count, found.unknown, found.zeros) == (2, 2, 1)
    assert np.isnan(sketch_scores(np.array([])).quantile(0.5))


def test_a_large_batch_has_one_digest_in_any_order_and_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = pa.table(
        {
            "version": pa.array([1, 2] * 500, pa.int32()),
            "key": [f"key-{n // 2}" for n in range(1000)],
            "score": np.random.default_rng(0).random(1000),
        }
    )
    small = batch_digest([rows.slice(0, 7), rows.slice(7)], 1000, tmp_path)
    assert small == scores_digest(rows), "few rows: as it always was"
    monkeypatch.setattr(digests, "SORTED_ROWS", 100)
    assert digests.bucket_bits(100) == 0
    assert digests.bucket_bits(1000) == 4
    large = batch_digest([rows], 1000, tmp_path)
    mixed = rows.take(pa.array(np.random.default_rng(1).permutation(1000)))
    assert batch_digest([mixed.slice(0, 600), mixed.slice(600)], 1000, tmp_path) == large != small
    other = rows.set_column(2, "score", pa.array([*rows["score"].to_pylist()[:-1], 0.5]))
    assert batch_digest([other], 1000, tmp_path) != large
    assert not list(tmp_path.iterdir())
