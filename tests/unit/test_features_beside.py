"""A version's own features beside those of today."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.assembly import KEY
from plimsoll.config_loading import check_config
from plimsoll.encoder import Encoder
from plimsoll.errors import DataError
from plimsoll.model_config import Features, ModelConfig
from plimsoll.own_features import not_its_own, own_features, put_beside, reading_beside, without_beside


def features(function: str | None = "made:build", whole: bool = False, **kinds: str) -> Features:
    columns = [{"name": name, "kind": kind, "because": "known at that time"} for name, kind in kinds.items()]
    return Features.model_validate({"function": function, "whole_batch": whole, "columns": columns})


def config_of(made_of: Features) -> ModelConfig:
    body: dict[str, Any] = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"},
        "outcome": {"path": "outcomes", "column": "late", "above": 0, "no_outcome": "none"},
        "features": made_of.model_dump(),
        "estimator": {"kind": "xgboost", "rounds": 2, "threads": 1},
        "gates": {"limits": [{"metric": "auc", "at_least": 0.5}]},
    }
    return check_config(ModelConfig, body, "made_up.yaml")


THEN = features(a="number", b="category")
TODAY = features("made:build_more", a="number", b="category", c="number")


def test_equal_features_are_those_of_today() -> None:
    sparse = THEN.model_copy(update={"columns": [one.model_copy(update={"sparse": True}) for one in THEN.columns]})
    assert own_features(sparse, THEN) == sparse, "what today says of the same column holds"
    assert own_features(features(whole=True, a="number", b="category"), THEN).whole_batch


def test_function_columns_order_and_kinds_are_those_of_then() -> None:
    other = features("made:build_more", whole=True, c="number", b="number", a="number")
    own = own_features(other, THEN)
    assert own == THEN
    assert own_features(TODAY, features(None, a="number")).function is None
    assert config_of(own).features_key != config_of(TODAY).features_key
    assert not_its_own(config_of(TODAY), config_of(THEN)) == {"c"}


def rows_of(count: int) -> pd.DataFrame:
    numbers = np.arange(count)
    return pd.DataFrame(
        {KEY: [f"k{n}" for n in numbers], "a": numbers * 1.5, "b": ["x" if n % 2 else None for n in numbers]}
    )


def parts(frame: pd.DataFrame, cuts: list[int]) -> list[pd.DataFrame]:
    ends = [0, *sorted(min(cut, len(frame)) for cut in cuts), len(frame)]
    return [frame.iloc[start:end] for start, end in pairwise(ends)]


@given(st.integers(1, 30), st.lists(st.integers(0, 30), max_size=4), st.lists(st.integers(0, 30), max_size=4))
def test_rows_that_are_cut_otherwise_stand_beside_their_own(count: int, mine: list[int], theirs: list[int]) -> None:
    today, own = rows_of(count).assign(a=-1.0, c=7), rows_of(count)
    config = config_of(THEN)
    found = pd.concat(list(put_beside(parts(today, mine), parts(own, theirs), config)))
    pd.testing.assert_frame_equal(without_beside(found, config), today)
    seen = reading_beside(_bundle(), config).encoder.encode(found)
    np.testing.assert_array_equal(seen, _bundle().encoder.encode(own))


def test_other_rows_or_another_order_are_refused_and_none_are_null() -> None:
    config, today = config_of(THEN), rows_of(4)
    for others in (rows_of(3), rows_of(4).iloc[::-1], rows_of(0)):
        with pytest.raises(DataError, match=r"made_up: features\.function made:build gives other rows, or order"):
            list(put_beside([today], [others], config))
    [found] = put_beside([today], None, config)
    assert np.isnan(reading_beside(_bundle(), config).encoder.encode(found)).all()
    assert without_beside(today, None) is today


def _bundle() -> Any:
    from plimsoll.bundle import Bundle, Reference

    encoder = Encoder(("a", "b"), {"b": ("x",)})
    return Bundle("made_up", "classification", 1, encoder, None, Reference((), {}, {}), "")  # type: ignore[arg-type]
