"""Agreement of two versions: of a night, and of several put together."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.agreement import Agreement, agreement_of, agreement_words, together
from plimsoll.outcomes import NightlyQuality, WithChampion, agreement_between, beside_champion, quality_from_json

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=40)


def night(version: int, champion: int | None, agreed: Agreement | None = None) -> NightlyQuality:
    beside = WithChampion(champion, agreed or Agreement(10, None, None, 0.1)) if champion else None
    return NightlyQuality("2026-01-01", version, 0.5, 10, 10, 0, beside=beside)


@given(SCORES)
def test_who_says_the_same_agrees_wholly(scores: list[float]) -> None:
    said = np.array(scores)
    found = agreement_of(said, said, 0.5)
    assert (found.rows, found.same_answer, found.mean_difference) == (len(scores), 1.0, 0.0)
    assert found.rank_correlation is None or found.rank_correlation == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30), st.integers(2, 15))
def test_nights_together_differ_as_all_their_rows_do(rows: list[tuple[float, float]], cut: int) -> None:
    mine, theirs = np.array(rows).T
    parts = [agreement_of(mine[at], theirs[at], None) for at in (slice(cut), slice(cut, None))]
    found = together([one for one in parts if one.mean_difference is not None])
    whole = agreement_of(mine, theirs, None)
    if sum(one.mean_difference is not None for one in parts) == sum(one.rows > 0 for one in parts):
        assert found is not None
        assert found.mean_difference == pytest.approx(whole.mean_difference)


def test_only_rows_of_both_count_and_few_tell_nothing() -> None:
    mine = pd.DataFrame({"key": list("abcd"), "score": [0.1, 0.2, 0.3, 0.9]})
    theirs = pd.DataFrame({"key": list("dcbx"), "score": [0.8, 0.3, 0.2, 0.5]})
    found = beside_champion(mine, theirs, pd.Series({"b": 0.0, "c": 1.0, "d": np.nan}), "classification")
    assert (found.rows, found.same_answer) == (3, 1.0)
    assert found.mean_difference == pytest.approx(0.1 / 3)
    none = beside_champion(mine, theirs.iloc[3:], pd.Series(dtype=float), "classification")
    assert none == Agreement(0, None, None, None)
    assert agreement_words(none) == agreement_words(None) == agreement_words(together([none])) == "–"
    assert agreement_words(Agreement(5, 0.5, 0.25, 0.125)) == "50.0% same answer, rank 0.250, mean difference 0.125"


def test_agreement_holds_both_ways_and_with_that_champion_alone() -> None:
    then = Agreement(30, None, None, 0.5)
    v2 = [night(2, 1), night(2, 1, then), night(2, 7)]
    v1 = [night(1, None), night(1, 2)]
    assert agreement_between(v1, v2) == agreement_between(v2, v1)
    found = agreement_between(v1, v2)
    assert found is not None
    assert (found.rows, found.mean_difference) == (50, pytest.approx(0.34))
    assert agreement_between(v1, [night(3, 9)]) is None


def test_a_night_is_kept_whole_and_one_kept_before_has_no_agreement() -> None:
    one = night(2, 1, Agreement(3, 0.5, None, 0.1))
    assert quality_from_json(one.to_json()) == one
    before = {name: value for name, value in one.to_json().items() if name != "beside"}
    assert quality_from_json(before).beside is None
