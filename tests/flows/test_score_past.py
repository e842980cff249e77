"""Backfills, results and rows set aside: what is current, what lies beside it, and what a person is shown."""

import datetime as dt
import json
from collections.abc import Callable

import pandas as pd
import pyarrow.parquet as pq
import pytest

from plimsoll import assembled, assembly, part_files
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place, change

Cli = Callable[..., Answer]
LATER = dt.date(2013, 3, 5)


def promote_second(plimsoll: Cli) -> None:
    """Make a second version the champion, some days after the first."""
    assert plimsoll("train", MODEL, "--as-of", LATER).code == 0
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0


def roles(place: Place) -> dict[str, str]:
    """Return the role of each version that scored the date."""
    return place.predictions(DAY).drop_duplicates("version").set_index("version")["role"].to_dict()


def results(plimsoll: Cli, *words: object) -> list[dict[str, object]]:
    """Return what `plimsoll predictions` says of the date."""
    found: list[dict[str, object]] = json.loads(plimsoll("predictions", MODEL, "--date", DAY, "--json", *words).out)[
        "results"
    ]
    return found


def test_an_approval_days_after_its_request_changes_no_night_before_it(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("train", MODEL, "--as-of", NEXT).code == 0
    fourth = NEXT + dt.timedelta(days=1)
    assert plimsoll("score", MODEL, "--date", NEXT, "--to", fourth, "--as-of", fourth).code == 0
    entries = len(serving.ledger())
    for words, said in (
        (("score", MODEL, "--date", "2999-12-25"), "2999-12-25 is still to come"),
        (("score", MODEL, "--date", LATER, "--as-of", fourth), f"{LATER} is still to come, as of {fourth}"),
        (("score", MODEL, "--as-of", "2999-12-25"), "Expected a business date (as_of) that has come"),
        (("approve", MODEL, 2, "--as", APPROVER, "--as-of", NEXT), f"Expected a business date from {fourth} on"),
        (("rollback", MODEL, "--as", APPROVER, "--as-of", "2999-12-25"), "a business date that has come"),
        (("retire", MODEL, 2, "--as", APPROVER, "--as-of", DAY), f"Expected a business date from {fourth} on"),
    ):
        refused = plimsoll(*words)
        assert (refused.code, said in refused.err) == (2, True), refused.said
    assert len(serving.ledger()) == entries, "a mistyped date is not entered"
    assert plimsoll("approve", MODEL, 2, "--as", "mallory").code == 2
    assert "v2: approve refused: 'mallory' may not approve" in " ".join(plimsoll("history", MODEL).out.split())
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER, "--comment", "days later").code == 0
    assert [e["as_of"] for e in serving.ledger()[-3:]] == [str(fourth)] * 3, "the replay's day, not the request's"
    before, after = (plimsoll("history", MODEL, "--at", day).out for day in (NEXT, fourth))
    assert f"v1 was champion on {NEXT}: since {AS_OF}, until {fourth}." in before
    assert f"v2 was champion at the end of {fourth}" in after
    assert f"As champion v1 scored the batch of {fourth}." in after
    assert "passed: " in after
    assert "shown" in after
    row = serving.predictions(fourth).iloc[0]
    left = json.loads(plimsoll("trace", row["key"], "--date", fourth, "--json").out)["version"]["departure"]
    assert (left["to"], left["as_of"]) == (2, str(fourth))


def test_a_backfill_by_the_champion_of_then_and_by_a_version(serving: Place, plimsoll: Cli) -> None:
    promote_second(plimsoll)
    assert plimsoll("score", MODEL, "--date", DAY, "--as-of", NEXT).code == 0
    assert roles(serving) == {"1": "champion"}
    first = serving.predictions(DAY)
    assert plimsoll("score", MODEL, "--date", DAY, "--with", 2).code == 0
    assert roles(serving) == {"1": "champion", "2": "champion"}
    kept = serving.predictions(DAY)
    assert kept[kept["version"] == "1"].reset_index(drop=True).equals(first), "history is never erased"
    found = results(plimsoll)
    assert [(one["version"], one["current"]) for one in found] == [(2, True), (1, False)]
    assert "1 committed before" in plimsoll("score", MODEL, "--date", DAY, "--with", 1).out
    assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    assert plimsoll("check", MODEL, "--date", NEXT).code == 0
    assert plimsoll("verify", MODEL).code == 0


def test_a_version_that_is_not_champion_lies_beside_and_is_not_current(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("train", MODEL, "--as-of", LATER).code == 0
    assert plimsoll("score", MODEL, "--date", DAY, "--with", 2).code == 0
    assert roles(serving) == {"2": "backfill"}
    assert plimsoll("score", MODEL, "--date", DAY, "--as-of", NEXT).code == 0
    assert roles(serving) == {"1": "champion", "2": "backfill"}
    assert [(one["version"], one["current"]) for one in results(plimsoll)] == [(1, True), (2, False)]


def test_a_backfill_keeps_no_date_from_the_champion_and_asks_for_no_decision(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("train", MODEL, "--as-of", LATER).code == 0
    assert plimsoll("score", MODEL, "--date", DAY, "--with", 2).code == 0
    assert plimsoll("check", MODEL, "--as-of", NEXT).code == 0
    assert not serving.ledger("drift_decided")
    asked = plimsoll("check", MODEL, "--date", DAY)
    assert asked.code == 2
    assert "scored by no champion" in asked.err
    assert plimsoll("score", MODEL, "--to", DAY, "--as-of", LATER).code == 0
    assert roles(serving)["1"] == "champion", "the nightly run does not take the date for done"


def test_what_may_not_score_is_said(waiting: Place, plimsoll: Cli) -> None:
    assert plimsoll("reject", MODEL, 1, "--as", APPROVER).code == 0
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    refused = plimsoll("score", MODEL, "--date", DAY, "--with", 1)
    assert refused.code == 2
    assert "v1 may not score: it was rejected" in refused.err
    assert "v7 is not in the ledger" in plimsoll("score", MODEL, "--date", DAY, "--with", 7).err
    early = plimsoll("score", MODEL, "--date", DAY, "--as-of", "2013-01-01")
    assert early.code == 2
    assert "had no champion on 2013-01-01; the first one stood from 2013-03-02" in early.err


def test_results_can_be_written_to_a_file(lived: Place, plimsoll: Cli) -> None:
    for name in ("rows.parquet", "rows.csv"):
        out = lived.home.parent / name
        answer = plimsoll("predictions", MODEL, "--date", DAY, "--out", out)
        assert answer.code == 0
        rows = pq.ParquetFile(out).read().to_pandas() if out.suffix == ".parquet" else pd.read_csv(out)
        assert list(rows) == ["date", "version", "role", "key", "score"]
        expected = lived.predictions(DAY).set_index("key")["score"]
        pd.testing.assert_series_equal(rows.set_index("key")["score"].sort_index(), expected.sort_index())
        assert f"Wrote {len(rows)} rows" in answer.out
    assert "ends in .parquet or .csv" in plimsoll("predictions", MODEL, "--out", lived.home / "rows.xlsx").err
    assert "has no committed result for 2013-08-01" in plimsoll("predictions", MODEL, "--date", "2013-08-01").err
    assert DAY.isoformat() in plimsoll("predictions", MODEL).out


def test_rows_set_aside_are_shown_and_gone_after_a_fix(serving: Place, plimsoll: Cli) -> None:
    good = serving.flights().read_bytes()
    change(serving.flights(), lambda f: f.assign(dest=["XXXX"] * 200 + list(f["dest"][200:])))
    assert plimsoll("score", MODEL, "--date", DAY).code == 2
    rows = json.loads(plimsoll("quarantine", MODEL, "--date", DAY, "--json").out)
    assert len(rows) == 200, "all of them, though the ledger shows the first hundred"
    assert len(serving.ledger("batch_rejected")[0]["facts"]["quarantined"]) == 100
    assert {(row["column"], row["value"]) for row in rows} == {("dest", "XXXX")}
    assert "200" in plimsoll("quarantine", MODEL).out
    serving.flights().write_bytes(good)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    assert "none" in plimsoll("quarantine", MODEL).out


def test_too_many_unseen_words_stop_a_batch_and_few_are_counted(serving: Place, plimsoll: Cli) -> None:
    change(serving.flights(), lambda f: f.assign(dest=["ZZZ"] * 100 + list(f["dest"][100:])))
    stopped = plimsoll("score", MODEL, "--date", DAY)
    assert stopped.code == 2
    assert "never saw in training: dest 13" in stopped.err
    assert serving.predictions().empty
    assert not list((serving.home / "predictions").rglob("*.parquet")), "what was staged is gone"
    change(serving.flights(), lambda f: f.assign(dest=["ZZZ"] * 20 + ["ATL"] * (len(f) - 20)))
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    assert serving.ledger("batch_committed")[0]["facts"]["unseen"]["dest"] == 20


def test_a_large_batch_goes_through_scratch_and_says_the_same(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(serving.flights(), lambda f: f.assign(dest=["XXXX"] * 3 + list(f["dest"][3:])))
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    whole, facts = serving.predictions(DAY), serving.ledger("batch_committed")[0]["facts"]
    kept = sorted((serving.home / "store/verdicts").rglob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in (kept[-1], *kept[:-1:6]):
        path.unlink()  # else nothing would be judged anew: the day itself, and some of those that are trained on
    for module in (assembled, assembly, part_files):
        monkeypatch.setattr(module, "CHUNK_ROWS", 100)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    again = serving.ledger("batch_committed")[1]["facts"]
    both = serving.predictions(DAY)
    second = both[both["version"] == "2"]
    assert serving.ledger("trained")[1]["facts"]["bundle"] == serving.ledger("trained")[0]["facts"]["bundle"]
    assert second["key"].tolist() == whole["key"].tolist()
    assert second["score"].tolist() == whole["score"].tolist()
    assert again["quarantined"] == facts["quarantined"]
    assert again["profiles"]["2"] == facts["profiles"]["1"]
    assert [path.name for path in (serving.home / "scratch").iterdir()] == ["shared"]


def test_the_plan_names_every_step(serving: Place, plimsoll: Cli) -> None:
    said = plimsoll("explain-plan", MODEL)
    assert said.code == 0
    for words in ("inplace_predict", "v1 (champion)", "DuckDB", "flights:build"):
        assert words in said.out
    assert "scikit-learn" in plimsoll("explain-plan", "breast_cancer").out
