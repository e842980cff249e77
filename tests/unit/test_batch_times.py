"""The times of a batch lie near its date where the config says how near; a file of another year is named."""

import pandas as pd
import pytest

from plimsoll.batch_checks import BatchChecks
from plimsoll.errors import ConfigError, DataError
from plimsoll.model_config import ModelConfig
from tests.searched import config_of

SOURCE = {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"}
DATE = "2026-11-03"


def asked(days: int | None) -> ModelConfig:
    return config_of(source={**SOURCE, "event_within_days": days})


def judge(days: int | None, *times: str, chunks: int = 1) -> None:
    checks = BatchChecks(asked(days), DATE)
    frame = pd.DataFrame({"id": range(len(times)), "at": pd.to_datetime(list(times), utc=True)})
    for n in range(chunks):
        checks.see_raw(frame.iloc[n::chunks])
    checks.finish_raw(len(frame))


def test_a_file_of_another_year_is_named() -> None:
    with pytest.raises(DataError) as caught:
        judge(2, *["2025-11-03 08:00"] * 6, chunks=3)
    assert str(caught.value).startswith(
        "rows of 2026-11-03: at of 6 of 6 rows is more than 2 days away from that date, as 2025-11-03 08:00 UTC. "
    )


@pytest.mark.parametrize("at", ["2026-11-01 00:00", "2026-11-05 23:59"])
def test_so_many_days_before_and_after_are_near(at: str) -> None:
    judge(2, at)
    with pytest.raises(DataError, match="more than 1 days"):
        judge(1, at)


def test_a_few_are_let_pass_as_many_as_may_be_bad() -> None:
    near = ["2026-11-03"] * 98
    judge(1, *near, "2020-01-01", "2020-01-01")
    with pytest.raises(DataError, match="at of 3 of 101 rows"):
        judge(1, *near, *["2020-01-01"] * 3)


def test_nobody_asks_by_default() -> None:
    judge(None, "1999-01-01")


def test_a_table_without_dates_has_none_to_be_near_to() -> None:
    with pytest.raises(ConfigError, match="event_within_days is about batch dates: kind must be dates"):
        config_of(source={"kind": "table", "path": "rows.parquet", "key": ["id"], "event_within_days": 2})
