"""Sources' shares, and fairness by crossings of two columns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.config_loading import check_config
from plimsoll.errors import ConfigError, DataError
from plimsoll.gates_config import Fairness, Trust
from plimsoll.row_groups import crossed, groups_of
from plimsoll.row_parts import DATE, rows_of
from plimsoll.sources_gate import FILES, OTHERS, Sources, judge_sources, largest_change, shares_of
from tests.unit.test_gates import FRAME, config_of, judge

BY = Trust(source_column="feed", max_share=0.6, max_share_change=0.1)


def frame_of(feeds: list[str | None]) -> pd.DataFrame:
    feed = pd.Series(feeds, dtype="str")
    return pd.DataFrame({"feed": feed, DATE: "2026-01-01", KEY: [f"k{n}" for n in range(len(feeds))], OUTCOME: 1.0})


def test_shares_are_of_the_rows_that_train() -> None:
    frame = frame_of(["a", "a", "b", None])
    mask = np.array([True, True, True, True])
    assert shares_of(rows_of(frame), mask, "feed") == {"a": 0.5, "b": 0.25, "missing": 0.25}
    assert shares_of(rows_of(frame), np.array([False, True, True, False]), "feed") == {"a": 0.5, "b": 0.5}
    assert shares_of(rows_of(frame), mask, None) == {"2026-01-01": 1.0}
    with pytest.raises(DataError, match="source_column names fed, which the rows do not have"):
        shares_of(rows_of(frame), mask, "fed")


def test_of_very_many_sources_the_small_are_counted_together() -> None:
    found = shares_of(rows_of(frame_of([f"s{n:03d}" for n in range(400)])), np.ones(400, dtype=bool), "feed")
    assert len(found) == 201
    assert found[OTHERS] == pytest.approx(0.5)
    wide = judge_sources(Trust(max_share=0.3), Sources(FILES, found, 400)).results[0]
    assert wide.verdict == "pass", "what is counted together is no source"


def test_a_source_that_has_too_much_or_moved_too_far_is_named() -> None:
    calm = Sources("feed", {"a": 0.55, "b": 0.45}, 1000, {"a": 0.5, "b": 0.5}, "champion v1")
    assert [one.verdict for one in judge_sources(BY, calm).results] == ["pass", "pass"]
    flooded = Sources("feed", {"b": 0.7, "a": 0.2, "c": 0.1}, 1000, {"a": 0.5, "b": 0.5}, "champion v1")
    largest, moved = judge_sources(BY, flooded).results
    assert (largest.verdict, moved.verdict) == ("fail", "fail")
    assert "feed b has 70.0% of 1,000 training rows, but may be at most 60.0%" in largest.sentence
    assert "feed a has 20.0% of the training rows, 50.0% of those of champion v1" in moved.sentence
    assert judge_sources(BY.model_copy(update={"effect": "warn"}), flooded).results[0].verdict == "warn"


def test_without_shares_of_a_champion_the_gate_says_that_it_does_not_know() -> None:
    shares = {"a": 0.5, "b": 0.5}
    assert len(judge_sources(BY, Sources("feed", shares, 10)).results) == 1, "the first version has no champion"
    unknown = judge_sources(BY, Sources("feed", shares, 10, None, "champion v1")).results[1]
    assert unknown.verdict == "warn"
    assert "is not known" in unknown.sentence
    assert not judge_sources(Trust(max_rewritten=0), Sources("feed", shares, 10)).results


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_a_source_that_comes_or_goes_moved_by_all_it_has(before: dict[str, float], share: float) -> None:
    assert largest_change(before, before)[0] == 0
    assert largest_change(before, {**before, "new": share})[0] == pytest.approx(share)
    assert largest_change({**before, "old": share}, before)[0] == pytest.approx(share)


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        ({"max_share_change": 0.1}, "needs source_column"),
        ({"source_column": "region"}, "needs max_rewritten|source_column needs"),
        ({"source_column": "region", "max_rewritten": 0}, "source_column needs max_share"),
    ],
)
def test_what_a_config_may_ask_of_sources(trust: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_of(trust=trust)


def test_a_table_may_have_sources_and_no_dates() -> None:
    assert config_of(dated=False, trust={"source_column": "region", "max_share": 0.5}).gates.looked_at == ("region",)
    with pytest.raises(ConfigError, match="needs a time axis"):
        config_of(dated=False, trust={"max_share": 0.5})


def test_groups_of_two_columns_are_judged_and_small_ones_are_said_to_be_small() -> None:
    frame = FRAME.assign(age=np.where(np.arange(len(FRAME)) % 40 == 0, "old", "young"))
    harmed = (frame["age"] == "old") & (frame["region"] == "north")
    frame["p"] = np.where(harmed, 0.1, frame["p"])  # neither column alone shows it so plainly
    limits = {"columns": ["region", "age"], "selection_rate": 0.4, "min_rows": 20}
    single, _ = judge(config_of(fairness=limits), frame)
    both, shown = judge(config_of(fairness={**limits, "together": [["region", "age"]]}), frame)
    assert [one.verdict for one in single] == ["pass", "pass"]
    assert [one.verdict for one in both] == ["pass", "pass", "fail"]
    assert "region=north and age=old" in both[-1].sentence
    assert {"region=south and age=young"} < {one["group"] for one in shown["fairness"]}
    small, _ = judge(config_of(fairness={**limits, "together": [["region", "age"]], "min_rows": 100}), frame)
    assert "region=north and age=old" in small[-1].sentence
    assert "too few rows to judge" in small[-1].sentence


def test_crossings_are_those_that_rows_are_in() -> None:
    frame = pd.DataFrame({"a": ["x", "x", "y"], "b": ["1", "2", "1"]})
    found = crossed([groups_of(frame["a"]), groups_of(frame["b"])])
    assert found.column == "a and b"
    assert [found.names[code] for code in found.of_row] == ["a=x and b=1", "a=x and b=2", "a=y and b=1"]
    assert len(found.names) == 3


@pytest.mark.parametrize("together", [[["region"]], [["region", "size"]], [["region", "region"]]])
def test_crossings_are_of_columns_that_are_named(together: list[list[str]]) -> None:
    with pytest.raises(ConfigError, match="together"):
        check_config(Fairness, {"columns": ["region"], "selection_rate": 0.1, "together": together}, "made_up.yaml")
