"""Columns that are not as the model knows them: each line of docs/bad_input.md, through the real flow."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.flows.places import DAY, MODEL, ROOT, Answer, Place, change, read_delta

Cli = Callable[..., Answer]
Edit = Callable[[pd.DataFrame], pd.DataFrame]
TIME = "scheduled_departure"
SAME, ONE_ASIDE = "the same scores", "one row is set aside"


def first(column: str, value: Any, rows: int = 1) -> Edit:
    """Return what puts a value into the first rows of a column."""

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].astype("float64" if isinstance(value, float) else object)
        values.iloc[:rows] = value
        return frame.assign(**{column: values})

    return edit


def changed(column: str, to: Callable[[pd.Series], Any]) -> Edit:
    return lambda frame: frame.assign(**{column: to(frame[column])})


# line of docs/bad_input.md → table, edit, what comes of it: SAME, ONE_ASIDE or words of the sentence
LINES: dict[str, tuple[str, Edit, str]] = {
    "an extra column": ("flights", lambda f: f.assign(surprise=1), SAME),
    "a renamed column": (
        "flights",
        lambda f: f.rename(columns={"distance": "Distance"}),
        "feature distance is missing from the batch. Did you mean Distance?",
    ),
    "a renamed column of a lookup": (
        "weather",
        lambda f: f.rename(columns={"temp": "tmep"}),
        "Lookup weather of 2013-03-02: its table has no column temp",
    ),
    "whole numbers as floats": ("flights", changed("distance", lambda c: c.astype("float64")), SAME),
    "decimals": ("flights", changed("distance", lambda c: [Decimal(int(n)) for n in c]), SAME),
    "decimals in a part of a lookup": ("weather", changed("temp", lambda c: [Decimal(str(n)) for n in c]), SAME),
    "numbers as text": (
        "flights",
        changed("distance", lambda c: c.astype(str)),
        "feature distance must be a number, found text such as '",
    ),
    "numbers as text in a lookup": (
        "weather",
        changed("temp", lambda c: c.astype(str)),
        "in temp, which is a number in the part of 2013-03-01; they must be alike",
    ),
    "truth values as words": (
        "flights",
        changed("carrier", lambda c: [None] + [True] * (len(c) - 1)),
        "feature carrier must be a category (text), found truth values such as True",
    ),
    "words as categories": ("flights", changed("carrier", lambda c: c.astype("category")), SAME),
    "an infinite number": ("flights", first("distance", np.inf), ONE_ASIDE),
    "a number too large": ("flights", first("distance", -1e300), ONE_ASIDE),
    "too many infinite numbers": (
        "flights",
        first("distance", np.inf, 100),
        "rows are bad (13.1%; scoring.max_quarantined_share allows 2.0%): distance is a finite number",
    ),
    "a time in another zone": ("flights", changed(TIME, lambda c: c.dt.tz_convert("Asia/Tokyo")), SAME),
    "a time without a zone": ("flights", changed(TIME, lambda c: c.dt.tz_localize(None)), SAME),
    "a part of a lookup without a zone": ("weather", changed("observed_at", lambda c: c.dt.tz_localize(None)), SAME),
    "a local time without a zone": (
        "flights",
        changed(TIME, lambda c: c.dt.tz_convert("America/New_York").dt.tz_localize(None)),
        "The scheduled departure is in UTC",
    ),
    "times of another date or year": (
        "flights",
        changed(TIME, lambda c: c - pd.DateOffset(years=1)),
        "rows is more than 2 days away from that date, as 2012-03-0",
    ),
    "a time as text": ("flights", changed(TIME, lambda c: c.astype(str)), "as text such as '2013-03-02 "),
    "a time as a number": ("flights", changed(TIME, lambda c: c.astype("int64")), "as numbers such as 13622"),
    "duplicate keys": (
        "flights",
        lambda f: pd.concat([f, f.head(1)]),
        "A flight is in the export once: 0.3 % of rows break it in flight_id, at most 0.0 % may; such as '2013-03-02/",
    ),
    "keys without a value": ("flights", first("flight_id", None), "Every flight has an id"),
}


@pytest.mark.parametrize("line", LINES)
def test_a_column_that_is_otherwise(serving: Place, plimsoll: Cli, delivered: pd.Series, line: str) -> None:
    table, edit, outcome = LINES[line]
    keys = sorted(pd.read_parquet(serving.flights())["flight_id"])
    change(serving.data / f"{table}/{DAY}.parquet", edit)
    answer = plimsoll("score", MODEL, "--date", DAY)
    if outcome not in (SAME, ONE_ASIDE):
        assert answer.code == 2, answer.said
        assert "Traceback" not in answer.said
        assert outcome in answer.said
        assert serving.predictions().empty
        assert outcome in serving.ledger("batch_rejected")[0]["facts"]["reason"]
        return
    assert answer.code == 0, answer.said
    rows, [entry] = serving.predictions(), serving.ledger("batch_committed")
    assert entry["facts"]["quarantined_rows"] == len(keys) - len(rows) == (outcome == ONE_ASIDE)
    assert set(rows["key"]) < set(keys) if outcome == ONE_ASIDE else sorted(rows["key"]) == keys
    assert np.isfinite(rows["score"]).all()
    if outcome == SAME:
        pd.testing.assert_series_equal(rows.set_index("key")["score"].sort_index(), delivered, check_exact=True)


@pytest.fixture(scope="module")
def delivered(lived_home: Path) -> pd.Series:
    """The scores of the date as it was delivered, by key."""
    rows = read_delta(lived_home / "predictions")
    return rows[rows["batch_date"] == str(DAY)].set_index("key")["score"].sort_index()


def test_every_line_is_documented() -> None:
    told = (ROOT / "docs/bad_input.md").read_text()
    lines = set(re.findall(r"^\| (.+?) \|", told, flags=re.MULTILINE)) - {"what comes", "---"}
    assert set(LINES) <= lines, sorted(set(LINES) - lines)
    assert Path(__file__).name in told
