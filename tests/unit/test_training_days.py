"""Training days: the rows of a champion are made as its config of then says, whatever else that config said."""

from pathlib import Path
from typing import Any

import pytest

from plimsoll.config_loading import parse_config
from plimsoll.errors import ConfigError
from plimsoll.model_config import ModelConfig
from tasks.training_days import as_recorded

TODAY = parse_config(ModelConfig, Path("configs/models/flight_delay.yaml").read_text(), "today's")


def recorded(**changed: Any) -> dict[str, Any]:
    """The config of a champion that learnt from fewer columns and set more rows aside."""
    body = TODAY.model_dump(mode="json")
    body["features"]["columns"] = body["features"]["columns"][:3]
    body["scoring"] = {"max_quarantined_share": 0.5, "gone_since": True}
    return {**body, **changed}


def test_gates_of_a_former_form_do_not_hinder_what_rows_are_made_of() -> None:
    found = as_recorded(TODAY, recorded(gates=[{"metric": "auc", "at_least": 0.6}], gone_since=1), "config of v1")
    assert found.feature_names == TODAY.feature_names[:3]
    assert found.scoring.max_quarantined_share == 0.5
    assert found.gates == TODAY.gates
    assert found.source == TODAY.source


def test_rows_that_nobody_can_make_any_more_are_an_error_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match="config of v1, source: unknown key hours") as caught:
        as_recorded(TODAY, recorded(source={**recorded()["source"], "hours": 1}), "config of v1")
    assert "plimsoll train flight_delay" in str(caught.value)
