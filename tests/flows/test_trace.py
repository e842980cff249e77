"""One prediction, traced: it says all, it adds up, it finds set-aside rows, and its page stands alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plimsoll.ledger import Entry
from plimsoll.standing import stand
from plimsoll.trace_facts import departure_facts
from plimsoll.trace_page import render_trace
from tasks import prediction_files
from tasks.delta_layout import compact_predictions
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place, change

Cli = Callable[..., Answer]


@pytest.fixture
def scored(serving: Place, plimsoll: Cli) -> Place:
    """A place where the champion has scored one date, with one row set aside."""
    change(
        serving.flights(),
        lambda rows: rows.assign(distance=np.where(rows.index == 7, -5, rows["distance"])),
    )
    assert plimsoll("score", MODEL, "--date", DAY, "--as-of", DAY).code == 0
    return serving


def traced(plimsoll: Cli, *words: object) -> dict[str, Any]:
    answer = plimsoll("trace", *words, "--json")
    assert answer.code == 0, answer.said
    found: dict[str, Any] = json.loads(answer.out)
    return found


def test_base_and_contributions_give_the_stored_score(scored: Place, plimsoll: Cli) -> None:
    for row in scored.predictions(DAY).iloc[[0, 100, 500]].to_dict("records"):
        found = traced(plimsoll, row["key"], "--date", DAY)
        told = found["explanation"]
        total = told["base"] + sum(reason["contribution"] for reason in found["reasons"])
        assert 1 / (1 + np.exp(-total)) == pytest.approx(row["score"], abs=1e-5)
        assert told["score_now"] == row["score"], "the kept row and the kept bundle give the same bits"
        assert told["same_bits"]
        assert told["adds_up"]


def test_everything_that_stands_behind_a_prediction_is_named(scored: Place, plimsoll: Cli) -> None:
    row = scored.predictions(DAY).iloc[3]
    found = traced(plimsoll, row["key"])
    record = {one["run_id"]: one for one in scored.records()}
    assert found["prediction"]["model"] == MODEL
    assert found["approval"]["by"] == APPROVER
    assert all(gate["passed"] and gate["sentence"] for gate in found["approval"]["gates"])
    judged_nothing = {gate["gate"] for gate in found["approval"]["gates"] if gate["value"] is None}
    assert judged_nothing == {"beside the champion"}, "a first version has nobody to be held against"
    assert found["training_data"]["snapshot"] == found["version"]["snapshot"]
    assert found["training_data"]["dates"] == 20
    assert {file["table"] for file in found["training_data"]["files"]} == {"batch", "weather", "planes", "outcome"}
    assert found["training_run"]["source_tree"] == record[found["training_run"]["run"]]["code"]["tree"]
    assert found["training_run"]["python"]
    assert found["batch"]["expectations"] > 20
    assert found["batch"]["scores"] == scored.ledger("batch_committed")[0]["facts"]["scores"]


def test_a_row_that_was_set_aside_is_found_with_its_reason(scored: Place, plimsoll: Cli) -> None:
    key = scored.ledger("batch_committed")[0]["facts"]["quarantined"][0]["key"]
    found = traced(plimsoll, key)
    assert found["state"] == "quarantined"
    assert found["quarantine"][0]["column"] == "distance"
    in_words = plimsoll("trace", key)
    assert in_words.code == 0
    assert "set the row aside" in in_words.out


def test_the_page_stands_alone_and_holds_the_full_digests(scored: Place, plimsoll: Cli, tmp_path: Path) -> None:
    key = scored.predictions(DAY)["key"].iloc[3]
    page = tmp_path / "trace.html"
    assert f"Wrote {page}" in plimsoll("trace", key, "--html", page).out
    html = page.read_text()
    found = traced(plimsoll, key)
    for digest in (found["version"]["bundle"], found["version"]["snapshot"], found["training_run"]["lock"]):
        assert digest in html
    assert all(reason["feature"] in html for reason in found["reasons"])
    assert "plimsoll verify flight_delay" in html
    assert f"plimsoll reproduce {found['training_run']['run']}" in html
    assert "href=" not in html
    assert "<script" not in html
    aside = traced(plimsoll, scored.ledger("batch_committed")[0]["facts"]["quarantined"][0]["key"])
    assert "Why it was set aside" in render_trace(aside, "", "")
    missing = plimsoll("trace", key, "--html", tmp_path / "trace.html" / "x.html")
    assert missing.code == 2
    assert "Name another file" in missing.err


def test_a_key_that_two_models_scored_asks_which(scored: Place, plimsoll: Cli) -> None:
    from deltalake import write_deltalake

    table = scored.home / "predictions"
    row = scored.predictions(DAY).iloc[[3]]
    other = row.assign(model="arrival_minutes", batch_date=pd.to_datetime(row["batch_date"]).dt.date)
    other["version"] = other["version"].astype("int32")
    write_deltalake(str(table), other, mode="append")
    key = row["key"].iloc[0]
    refused = plimsoll("trace", key)
    assert refused.code == 2
    assert "--model arrival_minutes or --model flight_delay" in refused.err
    assert traced(plimsoll, key, "--model", MODEL)["prediction"]["model"] == MODEL


@pytest.mark.parametrize(("column", "value"), [("score", 0.999), ("role", "challenger"), ("snapshot", "0" * 64)])
def test_a_row_that_was_written_anew_is_refused(scored: Place, plimsoll: Cli, column: str, value: object) -> None:
    path = next((scored.home / "predictions/model=flight_delay").rglob("*.parquet"))
    key = scored.predictions(DAY)["key"].iloc[3]
    change(path, lambda rows: rows.assign(**{column: rows[column].where(rows["key"] != key, value)}))
    prediction_files._footers.clear()  # as a new process finds it: one that has read the file sees other bytes
    refused = plimsoll("trace", key)
    assert refused.code == 3
    assert "The predictions of flight_delay" in refused.err
    assert "Restore" in refused.err


def test_a_key_of_another_date_is_told_where_it_is(scored: Place, plimsoll: Cli) -> None:
    refused = plimsoll("trace", scored.predictions(DAY)["key"].iloc[3], "--date", NEXT)
    assert refused.code == 2
    assert f"It was scored by {MODEL} on {DAY}." in refused.err


def test_what_ended_the_time_of_a_champion() -> None:
    moves = [("trained", 1), ("trained", 2), ("promoted", 1), ("promoted", 2), ("rolled_back", 1)]
    entries = [
        Entry(n, MODEL, kind, f"2013-03-0{n + 1}", "", APPROVER, {"version": version, "reason": "late"}, "", "")
        for n, (kind, version) in enumerate(moves)
    ]
    left = departure_facts(stand(MODEL, entries), 2)
    assert left == {"how": "rolled back", "to": 1, "by": APPROVER, "as_of": "2013-03-05", "reason": "late", "entry": 4}
    assert departure_facts(stand(MODEL, entries), 1) is None, "it stands"
    assert departure_facts(stand(MODEL, entries[:2]), 2) is None, "it never stood"


def test_a_compacted_table_traces_alike(scored: Place, plimsoll: Cli) -> None:
    before = scored.predictions()
    key = before["key"].iloc[10]
    found = traced(plimsoll, key)
    compact_predictions(scored.workspace, retention_hours=0)
    pd.testing.assert_frame_equal(scored.predictions(), before)
    assert traced(plimsoll, key) == found


def test_the_line_of_champions_by_both_clocks(serving: Place, plimsoll: Cli) -> None:
    moved = serving.ledger("promoted")[0]
    by_date = json.loads(plimsoll("history", MODEL, "--at", NEXT, "--json").out)
    assert by_date["champion"] == 1
    assert by_date["reign"]["approval"]["by"] == APPROVER
    assert by_date["reign"]["approval"]["evidence"]["bundle"]
    by_clock = plimsoll("history", MODEL, "--at", moved["recorded_at"])
    assert "v1 was champion" in by_clock.out
    assert "auc" in by_clock.out
    assert "had no champion" in plimsoll("history", MODEL, "--at", "2020-01-01T00:00").out
    assert "had no champion" in plimsoll("history", MODEL, "--at", AS_OF.replace(year=2012)).out
    whole = plimsoll("history", MODEL).out
    assert whole.index("Champions of") < whole.index("Ledger of")
    refused = plimsoll("history", MODEL, "--at", "yesterday")
    assert refused.code == 2
    assert "expected a business date" in refused.err
