"""A night joined in parts is the night that pandas joins whole."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.assembled_parts import draw
from plimsoll.errors import DataError
from plimsoll.joined import JoinedPart, count_changed, join_part, nightly_quality
from plimsoll.key_buckets import Buckets
from plimsoll.metrics import row_losses
from plimsoll.outcomes import losses_by_slice

PRIMES = [f"row {n}" for n in range(400)]


def outcomes_of(keys: list[str], values: list[float]) -> pa.Table:
    return pa.table({"key": pa.array(keys, pa.string()), "outcome": pa.array(values, pa.float64())})


def joined(
    bits: int, predictions: pa.Table, outcomes: pa.Table, slices: pa.Table, former: pa.Table, task: str
) -> list[JoinedPart]:
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for n, table in enumerate((predictions, outcomes, slices, former)):
            sides.append(Buckets(Path(folder) / str(n), bits, table.schema))
            for start in range(0, len(table), 97):
                sides[-1].add(table.slice(start, 97))
        return [join_part(p, o, task, "outcomes", s, f) for p, o, s, f in zip(*sides, strict=True)]


@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([0, 1, 3, 7]),
    rows=st.integers(0, 400),
    known=st.floats(0, 1),
    task=st.sampled_from(["classification", "regression"]),
)
def test_parts_of_any_number_give_the_plain_joins_figures(
    seed: int, bits: int, rows: int, known: float, task: str
) -> None:
    chance = np.random.default_rng(seed)
    mine = chance.permutation(PRIMES)[:rows].tolist()
    scores = chance.random(rows)
    theirs = [key for key in chance.permutation(PRIMES).tolist() if chance.random() < known]
    values = np.where(chance.random(len(theirs)) < 0.1, np.nan, chance.integers(0, 2, len(theirs)))
    before = [key for key in theirs if chance.random() < 0.7]
    said = chance.integers(0, 2, len(before)).astype(float)
    places = pd.Series(chance.choice(["JFK", "EWR", None], len(PRIMES), p=[0.7, 0.2, 0.1]), dtype="string")
    slices = pa.table({"key": PRIMES, "origin": pa.array(places, pa.string())})
    predictions = pa.table({"key": pa.array(mine, pa.string()), "score": scores})

    parts = joined(
        bits, predictions, outcomes_of(theirs, values.tolist()), slices, outcomes_of(before, said.tolist()), task
    )
    found = nightly_quality(parts, "2013-02-01", 1)

    outcomes, former = pd.Series(values, index=theirs, dtype=float), pd.Series(said, index=before, dtype=float)
    keys = pd.Series(mine, dtype="str")
    truth, old = (keys.map(one).to_numpy(dtype=float) for one in (outcomes, former))
    came = ~np.isnan(truth)
    losses = row_losses(truth[came], scores[came], task)
    assert (found.rows, found.outcomes) == (rows, int(came.sum()))
    assert found.unknown_keys == len(set(theirs) - set(mine))
    assert count_changed(parts) == int((~np.isnan(old) & (old != truth)).sum())
    frame = pd.DataFrame({"__key__": PRIMES, "origin": places})
    by_slice, sizes = losses_by_slice(keys[came], losses, frame)
    assert found.slices == pytest.approx(by_slice, rel=1e-13)
    assert found.slice_outcomes == sizes
    if not came.any():
        assert found.loss is None
    elif bits == 0:
        assert found.loss == float(losses.mean()), "a night that is one part: to the last bit"
    else:
        assert math.isclose(found.loss or 0, float(losses.mean()), rel_tol=1e-14)


def test_two_outcomes_of_a_key_meet_in_one_part_and_are_refused() -> None:
    predictions = pa.table({"key": PRIMES, "score": np.full(400, 0.5)})
    slices = pa.table({"key": PRIMES, "origin": ["JFK"] * 400})
    twice = outcomes_of([*PRIMES, "row 7"], [1.0] * 401)
    for bits in (0, 4):
        with pytest.raises(DataError, match=r"outcomes: two outcomes for row 7\. Send one per row"):
            joined(bits, predictions, twice, slices, outcomes_of([], []), "classification")


def test_a_former_delivery_with_two_outcomes_of_a_key_cannot_be_compared() -> None:
    predictions = pa.table({"key": PRIMES, "score": np.full(400, 0.5)})
    slices = pa.table({"key": PRIMES, "origin": ["JFK"] * 400})
    former = outcomes_of(["row 1", "row 1"], [0.0, 1.0])
    parts = joined(3, predictions, outcomes_of(PRIMES, [1.0] * 400), slices, former, "classification")
    assert count_changed(parts) is None
    assert nightly_quality(parts, "2013-02-01", 1).loss == pytest.approx(math.log(2))


def test_a_mended_row_is_in_the_slice_of_its_latest_delivery_and_a_row_of_no_delivery_is_told() -> None:
    predictions = pa.table({"key": PRIMES[:40], "score": np.full(40, 0.5)})
    outcomes, none = outcomes_of(PRIMES[:40], [1.0] * 40), outcomes_of([], [])
    twice = pa.table({"key": PRIMES[:40] * 2, "origin": ["JFK"] * 40 + ["EWR"] * 40})
    found = nightly_quality(joined(2, predictions, outcomes, twice, none, "regression"), "2013-02-01", 1)
    assert found.slices == {"origin=EWR": 0.5}
    with pytest.raises(DataError, match="row row 39 was scored and is not in its batch's snapshot"):
        joined(2, predictions, outcomes, twice.slice(0, 39), none, "regression")


def test_a_sample_does_not_depend_on_how_rows_are_parted_and_every_row_has_its_chance() -> None:
    rows = pd.DataFrame({"n": np.arange(5000)})
    whole = draw([rows], 500, 7)
    parted = draw((rows.iloc[start : start + 333] for start in range(0, 5000, 333)), 500, 7)
    pd.testing.assert_frame_equal(whole, parted)
    assert whole["n"].is_monotonic_increasing
    assert len(whole) == whole["n"].nunique() == 500
    drawn = pd.concat([draw([rows.iloc[:200], rows.iloc[200:400]], 100, seed) for seed in range(400)])["n"]
    often = drawn.value_counts().reindex(range(400), fill_value=0)  # each is expected 100 times, sd 8.7
    assert often.between(60, 140).all()
    assert 95 < often[:200].mean() < 105
    assert len(draw([rows.head(3)], 500, 7)) == 3
    assert draw([], 500, 7).empty
