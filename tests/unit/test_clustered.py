"""Means and rates of rows that hang together: their intervals count days."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.clustered import clustered_mean

TAIL = 0.025


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), min_size=2, max_size=20))
def test_a_rate_lies_in_its_interval_and_that_between_none_and_all(days: list[tuple[int, float]]) -> None:
    counts = np.array([rows for rows, _ in days], dtype=np.float64)
    totals = np.array([round(rows * share) for rows, share in days], dtype=np.float64)
    found = clustered_mean(totals, counts)
    low, high = found.rate_bounds(TAIL)
    if found.units < 2:
        assert np.isnan(low)
        return
    assert 0 <= low <= found.value + 1e-12
    assert found.value - 1e-12 <= high <= 1
    assert found.worth_rows <= found.rows


def test_days_that_hang_together_are_not_taken_for_as_many_rows() -> None:
    chance, hits = np.random.default_rng(3), {"days": 0, "rows": 0}
    for _ in range(400):
        level = np.clip(chance.normal(0.3, 0.1, 14), 0, 1)  # of each day
        totals = chance.binomial(200, level).astype(np.float64)
        found = clustered_mean(totals, np.full(14, 200.0))
        low, high = found.rate_bounds(TAIL)
        reach = 1.96 * np.sqrt(found.value * (1 - found.value) / 2800)
        hits["days"] += low <= 0.3 <= high
        hits["rows"] += abs(found.value - 0.3) <= reach
    assert hits["days"] / 400 == pytest.approx(0.95, abs=0.03)
    assert hits["rows"] / 400 < 0.6


def test_one_day_alone_has_a_mean_and_no_interval() -> None:
    found = clustered_mean(np.array([3.0, 0.0]), np.array([10.0, 0.0]))
    assert found.value == pytest.approx(0.3)
    assert np.isnan(found.bounds(TAIL)[0])
    assert np.isnan(clustered_mean(np.zeros(2), np.zeros(2)).value)
