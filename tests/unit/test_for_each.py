"""Families: what a template makes, and the rows that each member is about."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.assembled import Assembled
from plimsoll.assembly import KEY
from plimsoll.errors import ConfigError, DataError
from plimsoll.families import LONGEST, members_of, segment_value
from plimsoll.model_config import ModelConfig
from plimsoll.segment_rows import segment_batch, segment_frame
from plimsoll.validation import BadRow, Verdict
from tasks.readable import readable_models
from tasks.workspace import Workspace, open_workspace

WHERE = "configs/models/late.yaml"
CONFIG = open_workspace().model("flight_delay")


def template(values: object, **more: object) -> dict[str, object]:
    return {
        "model": "late",
        "purpose": "Late from {origin}",
        "for_each": {"column": "origin", "values": values},
        **more,
    }


def of(value: object, column: str = "origin") -> ModelConfig:
    return ModelConfig.model_validate(
        {**CONFIG.model_dump(), "segment": {"column": column, "value": value, "family": "late"}}
    )


def verdict(rows: int, *bad: str) -> Verdict:
    return Verdict(rows, 3, (), tuple(BadRow(key, "rule", "x", "1", "says") for key in bad), "suite")


def test_each_value_gets_a_model_with_its_name_its_words_and_what_is_different_for_it() -> None:
    body = template({"EWR": None, "La Guardia": {"split": {"test_days": 7}}}, split={"test_days": 5, "window_days": 20})
    found = members_of(body, WHERE)
    assert list(found) == ["late_ewr", "late_la_guardia"]
    assert found["late_ewr"] == {
        "model": "late_ewr",
        "purpose": "Late from EWR",
        "split": {"test_days": 5, "window_days": 20},
        "segment": {"column": "origin", "value": "EWR", "family": "late"},
    }
    assert found["late_la_guardia"]["split"] == {"test_days": 7, "window_days": 20}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a b", "a-b"], "two values give this name"),
        (["x" * LONGEST], f"{LONGEST} characters at most"),
        (["EWR", "EWR"], "names EWR twice"),
        ([], "at least 1"),
        ({"EWR": {"model": "other"}}, "its own model"),
        ("EWR", "dictionary"),
        ([{"EWR": {}}, "LGA"], "are a mapping, as EWR: {}"),
        ([["EWR"]], "are a mapping, as EWR: {}"),
    ],
)
def test_a_template_that_cannot_be_is_refused_in_words(values: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        members_of(template(values), WHERE)
    assert str(caught.value).startswith(WHERE)


def test_a_template_has_no_segment_of_its_own() -> None:
    with pytest.raises(ConfigError, match="segment and for_each exclude each other"):
        members_of(template(["EWR"], segment={"column": "origin", "value": "EWR"}), WHERE)


def project(folder: Path, **texts: str) -> Workspace:
    """Return a workspace of configs that are this short."""
    (folder / "configs/models").mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"configs/models/{name}.yaml").write_text(f"model: {name}\n{text}")
    return replace(open_workspace(), root=folder)


def test_two_families_never_make_one_model(tmp_path: Path) -> None:
    each = "for_each: {column: origin, values: [%s]}\n"
    shared = project(tmp_path, late=each % "from EWR", late_from=each % "EWR")
    with pytest.raises(ConfigError, match="for_each makes late_from_ewr, and so does that of late_from"):
        _ = shared.models


def test_a_template_that_cannot_be_read_stops_no_other_model(tmp_path: Path) -> None:
    config = Path("configs/models/flight_delay.yaml").read_text().replace("model: flight_delay\n", "", 1)
    here = project(tmp_path, flight="for_each: {column: origin}\n", flight_delay=config)
    assert here.model("flight_delay").model == "flight_delay"
    assert here.listed == ("flight", "flight_delay")
    with pytest.raises(ConfigError, match="values is missing"):
        _ = here.models


def test_what_cannot_be_read_is_named_beside_what_can(tmp_path: Path) -> None:
    config = Path("configs/models/flight_delay.yaml").read_text().replace("model: flight_delay\n", "", 1)
    own = "for_each: {column: origin, values: {EWR: {}, JFK: {spilt: {test_days: 3}}}}\n"
    texts = {
        "broken": "owner: [\n",
        "flight": "for_each: {column: origin}\n",
        "flight_delay": config,
        "late": own + config,
    }
    found = readable_models(project(tmp_path, **texts))
    assert [one.model for one in found.configs] == ["flight_delay", "late_ewr"]
    assert [fault.name for fault in found.faults] == ["broken", "flight", "late_jfk"]
    said = [str(fault.error) for fault in found.faults]
    assert "configs/models/broken.yaml line" in said[0]
    assert "values is missing" in said[1]
    assert "(late_jfk): unknown key spilt. Did you mean split?" in said[2]


def test_the_name_of_a_family_is_not_written_by_hand(tmp_path: Path) -> None:
    config = Path("configs/models/flight_delay.yaml").read_text().replace("model: flight_delay\n", "", 1)
    here = project(tmp_path, alone=f"segment: {{column: origin, value: EWR, family: late}}\n{config}")
    with pytest.raises(ConfigError, match=r"segment.family is written by for_each alone"):
        here.model("alone")


def test_for_each_without_values_says_where_their_list_is() -> None:
    with pytest.raises(ConfigError, match="plimsoll segments MODEL --by COLUMN"):
        members_of({"model": "late", "for_each": "origin"}, WHERE)


@given(st.lists(st.sampled_from(["EWR", "JFK", "LGA", None]), min_size=1, max_size=40))
def test_members_share_out_every_row_that_has_a_value_once(origins: list[str | None]) -> None:
    frame = pd.DataFrame({"origin": origins, KEY: [f"k{n}" for n in range(len(origins))]})
    taken = [key for value in ("EWR", "JFK", "LGA") for key in segment_frame(frame, of(value))[KEY]]
    assert sorted(taken) == sorted(frame[KEY][frame["origin"].notna()])


@pytest.mark.parametrize("value", [7, True])
def test_numbers_and_truth_values_are_compared_as_such(value: object) -> None:
    column = [7, 8] if value == 7 else [True, False]
    frame = pd.DataFrame({"origin": column, KEY: ["a", "b"]})
    assert list(segment_frame(frame, of(value))[KEY]) == ["a"]
    with_null = pd.DataFrame({"origin": [7, None], KEY: ["a", "b"]})
    assert list(segment_frame(with_null, of(7))[KEY]) == ["a"], "a null makes the column float"


@pytest.mark.parametrize(("value", "column"), [("7", [7, 8]), (7, ["7", "8"])])
def test_a_value_of_another_kind_than_the_column_is_refused(value: object, column: list[object]) -> None:
    with pytest.raises(DataError, match="Write the value as the column has it"):
        segment_frame(pd.DataFrame({"origin": column, KEY: ["a", "b"]}), of(value))


def test_rows_whose_segment_nobody_knows_stop_every_segment(tmp_path: Path) -> None:
    frame = pd.DataFrame({"origin": ["EWR"] * 60 + [None] * 40, KEY: [f"k{n}" for n in range(100)]})
    bad = tuple(BadRow(f"k{n}", "rule", "origin", "None", "says") for n in range(60, 100))
    _, said = segment_batch(Assembled(100, frame), Verdict(100, 3, (), bad, "suite"), of("EWR"), tmp_path)
    assert said.stops == (
        "40 of the batch's 100 rows have a bad origin, so nobody knows whose they are "
        "(scoring.max_quarantined_share allows 2.0%)",
    )
    _, few = segment_batch(Assembled(100, frame), Verdict(100, 3, (), bad[:2], "suite"), of("EWR"), tmp_path)
    assert (few.stops, few.bad_keys) == ((), 0)


def test_a_verdict_on_the_whole_batch_tells_of_the_segments_rows_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"origin": ["EWR", "JFK", "EWR"], KEY: ["a", "b", "c"]})
    rows, said = segment_batch(Assembled(3, frame), verdict(3, "b", "c"), of("EWR"), tmp_path)
    assert (rows.rows, said.rows, [row.key for row in said.bad_rows]) == (2, 2, ["c"])


def test_rows_in_a_file_are_shared_out_as_rows_in_memory(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = pd.DataFrame({"origin": ["JFK"] * 4 + ["EWR", "LGA"] * 3, KEY: [f"k{n}" for n in range(10)]})
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "all.parquet", row_group_size=4)
    rows, said = segment_batch(Assembled(10, tmp_path / "all.parquet"), verdict(10, "k4"), of("EWR"), tmp_path)
    assert (list(rows.frame()[KEY]), rows.rows, said.bad_keys) == (["k4", "k6", "k8"], 3, 1)


def test_a_batch_without_a_row_of_the_segment_says_which_values_it_has(tmp_path: Path) -> None:
    frame = pd.DataFrame({"origin": ["EWR", "JFK"], KEY: ["a", "b"]})
    with pytest.raises(DataError, match=r"none of the batch's 2 rows has origin 'SFO'.*It has EWR, JFK"):
        segment_batch(Assembled(2, frame), verdict(2), of("SFO"), tmp_path)
    with pytest.raises(DataError, match=r"segment.column orign is not among.*Did you mean origin"):
        segment_batch(Assembled(2, frame), verdict(2), of("EWR", "orign"), tmp_path)


def test_only_text_whole_numbers_and_yes_or_no_make_segments() -> None:
    cells = pd.Series([7.0, None]).dropna().unique()
    assert [segment_value(cell) for cell in (*cells, "EWR", True)] == [7, "EWR", True]
    assert isinstance(segment_value(cells[0]), int)
    strange = (7.5, float("inf"), pd.Timestamp("2026-01-01"), pd.Series(["2026-01-01"], dtype="datetime64[ns]")[0])
    assert [segment_value(cell) for cell in strange] == [None] * 4
