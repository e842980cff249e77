"""Axes: whatever a chart is given, its ticks rise, hold it, and differ in print."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.axes import Scale, round_ticks, tick_labels

VALUES = st.floats(-1e12, 1e12)


@given(VALUES, VALUES, st.integers(2, 10))
def test_ticks_rise_and_every_value_has_a_place(one: float, other: float, about: int) -> None:
    low, high = sorted((one, other))
    ticks = round_ticks(low, high, about)
    assert all(first < second for first, second in itertools.pairwise(ticks))
    assert len(ticks) <= about + 3
    scale = Scale(ticks[0], ticks[-1], 0.0, 100.0)
    assert 0 <= scale(low) <= scale(high) <= 100


@pytest.mark.parametrize("high", [0.69 + 3e-16, 0.69])
def test_nights_that_differ_in_a_last_bit_are_drawn(high: float) -> None:
    ticks = round_ticks(0.69, high)
    assert ticks[0] <= 0.69 < ticks[-1]
    assert len(set(tick_labels(ticks))) == len(ticks)


def test_nothing_but_noughts_is_drawn() -> None:
    assert round_ticks(0.0, 5e-324)[-1] > 0
