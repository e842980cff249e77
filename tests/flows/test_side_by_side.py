"""Side by side: versions that scored the same rows are compared, and one is retired."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from plimsoll.errors import IntegrityError
from plimsoll.key_hash import BITS, key_hashes
from plimsoll.ledger import read_ledger
from plimsoll.training import key_share
from tasks.committed_rows import committed_rows
from tasks.engines import score_each
from tasks.mlflow_registry import connect
from tasks.mlflow_roles import candidates_of, read_alias
from tests.flows import places
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, REQUESTER, Answer, Grown, Place, damage

Cli = Callable[..., Answer]
LAST = DAY + dt.timedelta(days=8)
AFTER = LAST + dt.timedelta(days=1)


@pytest.fixture(scope="module")
def beside_home(grown: Grown, champion_home: Path) -> Path:
    """A home in which v1 is champion and v2, which waits, scored nine days beside it. Only to be copied."""
    from flows.check_drift import check_drift
    from flows.score_batch import score_batch
    from flows.train_model import train_model

    def live(_: Place) -> None:
        train_model(MODEL, start=dt.date(2013, 2, 20), as_of=AS_OF, requested_by=REQUESTER)
        score_batch(MODEL, start=DAY, end=LAST)
        check_drift(MODEL, start=LAST, as_of=LAST)

    return grown("beside", champion_home, live)


@pytest.fixture
def beside(empty: Place, beside_home: Path) -> Place:
    """A place of its own with that home."""
    places.copy_home(beside_home, empty.home)
    return empty


def add_model(place: Place, name: str, old: str, new: str) -> None:
    """Configure another model of the same rows."""
    text = (place.root / f"configs/models/{MODEL}.yaml").read_text().replace(f"model: {MODEL}", f"model: {name}")
    assert old in text
    (place.root / f"configs/models/{name}.yaml").write_text(text.replace(old, new))
    suites = place.root / "great_expectations/expectations"
    shutil.copy(suites / f"{MODEL}.json", suites / f"{name}.json")


def test_versions_that_scored_the_same_rows_are_compared(beside: Place, plimsoll: Cli) -> None:
    found = json.loads(plimsoll("compare", MODEL, "--json").out)
    first, second = found["versions"]
    assert [(one["name"], one["role"], one["asks"]) for one in (first, second)] == [
        ("v1", "champion", False),
        ("v2", "challenger", True),
    ]
    rows = beside.predictions()
    assert first["rows"] == second["rows"] == len(rows[rows["version"] == "1"])
    assert 0 < first["outcomes"] < first["rows"], "the last day's outcomes have not come"
    assert second["nights"] == second["gain"]["units"] == 8
    assert second["gain"]["gain"] == pytest.approx(
        first["metrics"]["log_loss"]["value"] - second["metrics"]["log_loss"]["value"]
    )
    assert second["gain"]["low"] < second["gain"]["gain"] < second["gain"]["high"]
    both = rows.pivot_table(index=["batch_date", "key"], columns="version", values="score")
    assert second["agreement"]["mean_difference"] == pytest.approx((both["1"] - both["2"]).abs().mean())
    assert second["agreement"]["rank_correlation"] == pytest.approx(both["1"].corr(both["2"], "spearman"))
    assert second["seconds_per_million"] > 0
    assert (first["age_days"], second["shadow_nights"]) == (8, 9)
    assert [one["recommendation"]["action"] for one in (first, second)] == ["keep", "wait"]
    page = Path(found["page"]).read_text()
    assert all(said in page for said in ("v2", second["recommendation"]["sentence"], "No other model scores"))
    told = plimsoll("compare", MODEL, "--days", 3)
    assert second["lasting"]["low"] < second["gain"]["gain"] < second["lasting"]["high"]
    assert second["lasting"]["nights"] == 8
    assert second["lasting"]["high"] - second["lasting"]["low"] > second["gain"]["high"] - second["gain"]["low"]
    assert "2 nights with outcomes of the same rows so far" in " ".join(told.out.split())
    assert "scored no batch from" in plimsoll("compare", MODEL, "--until", "2013-01-01").err
    assert "has no champion to compare with" in plimsoll("compare", "breast_cancer").err
    assert plimsoll("compare", MODEL, "--days", 0).code == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.comparing.MOST_ROWS", first["rows"])  # of two versions: half of them
        half = json.loads(plimsoll("compare", MODEL, "--json").out)
    assert "A share of 50.0% of the rows, drawn by key, stands for all." in half["sentence"]
    for entry in read_ledger(beside.workspace.archive, MODEL):
        if entry.kind == "batch_committed":
            every, some = (committed_rows(beside.workspace, entry, share) for share in (1, 0.5))
            hashes = key_hashes(pa.array(every["key"].to_numpy(dtype=object), pa.string()))
            expected = every[hashes < 2**BITS / 2].sort_values(["version", "key"], ignore_index=True)
            pd.testing.assert_frame_equal(some.sort_values(["version", "key"], ignore_index=True), expected)
    mine, other = half["versions"]
    assert mine["rows"] == other["rows"] == other["agreement"]["rows"]
    assert 0.4 < mine["rows"] / first["rows"] < 0.6


def test_another_model_of_the_same_rows_and_outcome_stands_beside_them(beside: Place, plimsoll: Cli) -> None:
    add_model(beside, "flight_twin", "rounds: 20", "rounds: 5")
    add_model(beside, "flight_other", "above: 15", "above: 30")
    assert "without a batch: flight_twin." in " ".join(plimsoll("compare", MODEL).out.split())
    for command in (
        ("train", "flight_twin", "--as-of", AS_OF),
        ("approve", "flight_twin", 1, "--as", APPROVER),
        ("score", "flight_twin", "--date", DAY, "--to", LAST),
    ):
        assert plimsoll(*command).code == 0
    found = json.loads(plimsoll("compare", MODEL, "--json").out)
    twin = found["versions"][-1]
    assert (twin["name"], twin["role"], twin["gain"]["units"]) == ("flight_twin v1", "other", 8)
    assert twin["recommendation"]["rule"] == "another_model"
    assert found["other_models"] == ["flight_twin"]


def test_a_table_without_days_is_judged_once_on_rows_that_trained_nobody(empty: Place, plimsoll: Cli) -> None:
    table = "breast_cancer"
    assert plimsoll("train", table, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", table, 1, "--as", APPROVER).code == 0
    empty.configure("C: 0.5", "C: 0.4", table)
    empty.configure("test_share: 0.25", "test_share: 0.2", table)
    assert plimsoll("train", table, "--as-of", AS_OF).code == 0
    found = []
    for day in (DAY, DAY + dt.timedelta(days=5)):
        assert plimsoll("score", table, "--date", day, "--as-of", day).code == 0
        found.append(json.loads(plimsoll("compare", table, "--json").out))
    once, again = ([{**v, "shadow_nights": 0, "age_days": 0} for v in one["versions"]] for one in found)
    for name in ("rows", "outcomes", "metrics", "gain", "lasting", "agreement", "champion_loss"):
        assert [v[name] for v in once] == [v[name] for v in again], "a table that is scored again is no new evidence"
    first, second = again
    keys = empty.predictions(DAY).query("version == '1'")["key"]
    judging = [int((key_share(keys) < share).sum()) for share in (0.25, 0.2)]
    assert [first["rows"], second["rows"]] == judging, "neither was trained on any of them"
    assert second["gain"]["units"] == second["lasting"]["nights"] == judging[1]
    assert second["lasting"]["high"] - second["lasting"]["low"] > second["gain"]["high"] - second["gain"]["low"] > 0
    assert second["recommendation"]["action"] == "wait"
    assert "counts once, as it was last scored, and none that its key lets train" in found[1]["sentence"]
    assert plimsoll("check", table, "--as-of", DAY + dt.timedelta(days=5)).code == 0
    (line,) = (one for one in json.loads(plimsoll("fleet", "--json").out) if one["model"] == table)
    assert [(one["action"], one["rule"]) for one in line["beside"]] == [("wait", "undated")]


def test_a_retired_version_scores_no_more_and_is_not_forgotten(beside: Place, plimsoll: Cli) -> None:
    for args, said in (
        ((1, "--as", APPROVER), "v1 is champion, and whatever scores for people is not retired"),
        ((9, "--as", APPROVER), "v9 was never trained. Versions of flight_delay: v1, v2."),
        ((2, "--as", "mallory"), "'mallory' may not retire flight_delay. May retire: ada, grace, you"),
        ((2, "--as", APPROVER, "--code", "000000"), "That is not the code of grace"),
    ):
        answer = plimsoll("retire", MODEL, *args)
        assert (answer.code, said in answer.err) == (2, True), answer.said
    assert not beside.ledger("retired")
    done = plimsoll("retire", MODEL, 2, "--as", APPROVER, "--reason", "no better", "--as-of", LAST)
    assert "v2 is retired, by grace. It scored as challenger" in done.out
    facts = beside.ledger("retired")[0]["facts"]
    assert (facts["version"], facts["reason"], facts["identity"]) == (2, "no better", "verified")
    assert "was retired already, by grace" in plimsoll("retire", MODEL, 2, "--as", REQUESTER, "--code", "000000").out
    assert len(beside.ledger("retired")) == 1
    assert "is void: flight_delay v2 was retired by grace" in plimsoll("approve", MODEL, 2, "--as", APPROVER).err
    assert plimsoll("score", MODEL, "--date", AFTER).code == 0
    assert beside.predictions(AFTER)["version"].unique().tolist() == ["1"]
    assert "may not score: it was retired" in plimsoll("score", MODEL, "--date", AFTER, "--with", 2).err
    key = beside.predictions(LAST).iloc[0]["key"]
    assert "v2" in plimsoll("trace", key, "--date", LAST).out
    assert "v2: no better" in plimsoll("history", MODEL).out
    compared = json.loads(plimsoll("compare", MODEL, "--json").out)["versions"]
    assert [one["recommendation"]["rule"] for one in compared] == ["champion", "retired"]
    assert read_alias(beside.workspace, MODEL, "challenger") is None
    assert json.loads(plimsoll("pending", "--json").out) == []
    assert damage(beside) == ""


def test_the_former_champion_in_the_shadow_is_retired_too(beside: Place, plimsoll: Cli) -> None:
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    client = connect(beside.workspace)
    copies = client.search_model_versions(f"name='{MODEL}'")
    assert {v.tags["plimsoll.version"] for v in copies} == {"1", "2"}
    mine = client.get_model_version(candidates_of(MODEL), "2")
    assert {v.source for v in copies if v.tags["plimsoll.version"] == "2"} == {mine.source}
    assert [v.description for v in copies if v.tags["plimsoll.version"] == "2"] == [mine.description]

    def retire_first(*args: Any) -> Any:
        assert plimsoll("retire", MODEL, 1, "--as", APPROVER, "--as-of", LAST).code == 0
        return score_each(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.batches.score_each", retire_first)
        assert plimsoll("score", MODEL, "--date", AFTER).code == 0
    assert beside.predictions(AFTER)["version"].unique().tolist() == ["1", "2"], "a run keeps what it began with"
    assert plimsoll("score", MODEL, "--date", AFTER + dt.timedelta(days=1)).code == 0
    assert beside.predictions(AFTER + dt.timedelta(days=1))["version"].unique().tolist() == ["2"]
    back = plimsoll("rollback", MODEL, "--as", APPROVER)
    assert "cannot be rolled back to v1, which grace retired. It has no earlier champion." in back.err
    assert read_alias(beside.workspace, MODEL, "champion") == 2
    assert damage(beside) == ""


def test_a_share_is_not_taken_of_scores_that_were_changed(beside: Place) -> None:
    def halve(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(score=rows["score"] / 2)

    for path in (beside.home / "predictions").rglob(f"batch_date={DAY}/version=2/*.parquet"):
        places.change(path, halve)
    entries = [e for e in read_ledger(beside.workspace.archive, MODEL) if e.kind == "batch_committed"]
    entry = next(e for e in entries if "2" in e.facts["versions"])
    for share in (1, 0.5):
        with pytest.raises(IntegrityError, match=f"predictions of {MODEL} for {DAY} are not those of ledger entry"):
            committed_rows(beside.workspace, entry, share)


def test_outcomes_of_a_date_that_cannot_be_read_are_left_out_and_named(beside: Place, plimsoll: Cli) -> None:
    whole = json.loads(plimsoll("compare", MODEL, "--json").out)
    assert whole["outcomes_refused"] == {}
    outcomes = sorted((beside.data / "outcomes").glob("*.parquet"))
    first, second = (next(path for path in outcomes if path.stem == f"{DAY + dt.timedelta(days=n)}") for n in (2, 3))
    first.write_bytes(b"no parquet at all")
    rows = pd.read_parquet(second)
    pd.concat([rows, rows.head(1).assign(arrival_delay_minutes=-500.0)]).to_parquet(second, index=False)
    told = plimsoll("compare", MODEL, "--json")
    assert told.code == 0, told.said
    found = json.loads(told.out)
    assert set(found["outcomes_refused"]) == {first.stem, second.stem}
    assert f"Outcomes of {first.stem}, {second.stem} cannot be used, and count as not come: " in found["sentence"]
    assert [one["rows"] for one in found["versions"]] == [one["rows"] for one in whole["versions"]]
    assert [one["nights"] for one in found["versions"]] == [one["nights"] - 2 for one in whole["versions"]]
    (beside.home / f"reports/{MODEL}/fleet.json").unlink()
    line = json.loads(plimsoll("fleet", "--json").out)[0]
    assert f"Outcomes of {first.stem}, {second.stem} cannot be used" in line["refused"]
    assert f"{MODEL}: Outcomes of {first.stem}" in " ".join(plimsoll("fleet").out.split())
    assert f"Outcomes of {first.stem}" in (beside.home / "reports/index.html").read_text()


def test_all_models_stand_in_one_list_with_whoever_needs_a_person_first(beside: Place, plimsoll: Cli) -> None:
    said = plimsoll("fleet")
    assert said.code == 0, said.said
    lines = json.loads(plimsoll("fleet", "--json").out)
    assert lines[0]["model"] == MODEL
    assert [one["version"] for one in lines[0]["waiting"]] == [2]
    assert lines[0]["beside"][0]["action"] == "wait"
    assert lines[0]["contenders"][1]["gain"]["units"] == 8
    page = (beside.home / "reports/index.html").read_text()
    assert page.index(MODEL) < page.index("breast_cancer")
    beside_it = json.loads(plimsoll("compare", MODEL, "--json").out)["versions"][1]
    compared, agreed = beside_it["gain"], lines[0]["contenders"][1]["agreement"]
    assert agreed["mean_difference"] == pytest.approx(beside_it["agreement"]["mean_difference"], rel=0.1), (
        "compare counts nights without outcomes too"
    )
    assert agreed["rank_correlation"] == pytest.approx(beside_it["agreement"]["rank_correlation"], abs=0.05)
    assert f"mean difference {agreed['mean_difference']:.4g}" in page
    assert lines[0]["contenders"][1]["gain"]["gain"] == pytest.approx(compared["gain"])
    always = json.loads(plimsoll("compare", MODEL, "--days", 2, "--json").out)["versions"][1]["lasting"]
    assert lines[0]["contenders"][1]["lasting"] == pytest.approx(always), "of all nights, whatever is asked for"
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    assert json.loads(plimsoll("fleet", "--json").out)[0]["champion"] == 2, (
        "a line is folded anew when its ledger goes on"
    )
    for text in ("", "{}", "[]", '{"format": 1}', '{"format": 99}'):
        (beside.home / f"reports/{MODEL}/fleet.json").write_text(text)
        assert json.loads(plimsoll("fleet", "--json").out)[0]["champion"] == 2
    entry = sorted((beside.home / f"store/ledger/{MODEL}").iterdir())[-1]
    places.flip_a_byte(entry)
    broken = json.loads(plimsoll("fleet", "--json").out)
    assert (broken[0]["model"], "Restore" in broken[0]["fault"]) == (MODEL, True)
    assert len(broken) == len(lines), "the others are told of all the same"
