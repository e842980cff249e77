"""Rows that were set aside and mended at the source: scored by the version that set them aside, exactly once."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from flows.demo_data import cut_at_noon, redeliver
from plimsoll.predictions import BatchResult, Role, Served
from tasks import clear_rows as clearing
from tasks.bundles import fetch_bundle
from tasks.outcomes_feed import late_losses
from tasks.records import Run, recording
from tasks.score_date import score_date
from tests.flows.places import (
    APPROVER,
    AS_OF,
    DAY,
    MODEL,
    NEXT,
    Answer,
    Grown,
    Place,
    change,
    copy_home,
    damage,
    flip_a_byte,
    standing_at,
)

Cli = Callable[..., Answer]
BAD = 5


def with_bad(place: Place, bad: int) -> list[str]:
    """Deliver the date's whole file with so many bad rows at its beginning, and return all keys in order."""
    redeliver(place.data, str(DAY))
    keys = pq.ParquetFile(place.flights()).read(["flight_id"])["flight_id"].to_pylist()
    change(place.flights(), lambda f: f.assign(dest=["XXXX"] * bad + list(f["dest"][bad:])))
    return [str(key) for key in keys]


@pytest.fixture(scope="session")
def aside_home(grown: Grown, champion_home: Path) -> Path:
    """A home in which v1 scored a date and set five of its rows aside. Only to be copied."""
    from flows.score_batch import score_batch

    def live(place: Place) -> None:
        data = place.home.with_name("landing")
        own = Place(place.home, Path(shutil.copytree(place.data, data)), place.root)
        with_bad(own, BAD)
        with standing_at(own, os.environ["PREFECT_API_URL"]):
            score_batch(MODEL, start=DAY)

    return grown("aside", champion_home, live)


@pytest.fixture
def aside(empty: Place, aside_home: Path) -> Place:
    """A place where v1 scored a date and set five of its rows aside."""
    copy_home(aside_home, empty.home)
    shutil.rmtree(empty.home / "witness")  # that of the home that this one was copied from
    with_bad(empty, BAD)
    return empty


def score_here(*versions: tuple[int, Role]) -> tuple[Run, BatchResult]:
    """Score the date outside Prefect by v1 as champion, so that it can be raced and cut off anywhere."""
    with recording("score_batch", MODEL, DAY, {}) as run:
        return run, score_date(run, served_by(run, *versions), DAY.isoformat())


def served_by(run: Run, *versions: tuple[int, Role]) -> list[Served]:
    found = {number: run.standing().version(number) for number, _ in versions or [(1, "champion")]}
    asked: list[Any] = [*(versions or [(1, "champion")])]
    return [Served(n, role, fetch_bundle(run.workspace, MODEL, n, found[n].bundle)) for n, role in asked]  # type: ignore[union-attr]


def kept_rows(place: Place, before: pd.DataFrame) -> None:
    """Assert that every row that was visible is there still, the same to the last bit."""
    now = place.predictions(DAY)
    again = now[now["key"].isin(before["key"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, before, check_like=True, check_exact=True)


def set_aside(plimsoll: Cli) -> list[str]:
    """Return the keys that `plimsoll quarantine` shows."""
    return sorted(row["key"] for row in json.loads(plimsoll("quarantine", MODEL, "--date", DAY, "--json").out))


def all_scored_once(place: Place, keys: list[str]) -> None:
    assert sorted(place.predictions(DAY)["key"]) == sorted(keys)


def test_a_mended_delivery_is_scored_by_the_same_version_and_nothing_else_changes(
    aside: Place, plimsoll: Cli, tmp_path: Path
) -> None:
    before = aside.predictions(DAY)
    keys = with_bad(aside, 0)
    scored = plimsoll("score", MODEL, "--date", DAY)
    assert scored.code == 0, scored.said
    assert f"1 cleared. {DAY} cleared: 5 rows that had been set aside, by v1." in scored.out
    all_scored_once(aside, keys)
    kept_rows(aside, before)
    assert set_aside(plimsoll) == []
    assert json.loads(plimsoll("quarantine", MODEL, "--json").out) == []
    [entry] = aside.ledger("rows_cleared")
    assert entry["facts"]["batch_entry"] == aside.ledger("batch_committed")[0]["n"]
    assert (entry["facts"]["rows"], entry["facts"]["quarantined_rows"], entry["facts"]["came_late"]) == (5, 0, 0)
    found = json.loads(plimsoll("trace", keys[0], "--json").out)
    assert found["prediction"]["snapshot"] == entry["facts"]["snapshot"] != before["snapshot"].iloc[0]
    assert found["prediction"]["run"] == found["scoring_run"]["run"] == entry["facts"]["run"]
    assert (found["batch"]["entry"], found["batch"]["scores"]) == (entry["n"], entry["facts"]["scores"])
    assert found["explanation"]["same_bits"], "the row of the new delivery gives its score once more"
    old = json.loads(plimsoll("trace", keys[9], "--json").out)
    assert old["prediction"]["run"] == before["run"].iloc[0]
    out = tmp_path / "rows.parquet"
    assert plimsoll("predictions", MODEL, "--date", DAY, "--out", out).code == 0
    assert sorted(pq.ParquetFile(out).read()["key"].to_pylist()) == sorted(keys)
    [result] = json.loads(plimsoll("predictions", MODEL, "--date", DAY, "--json").out)["results"]
    assert (result["rows"], result["set_aside"]) == (len(keys), 0)
    assert "5 rows that had been set aside, by v1; 0 still" in " ".join(plimsoll("history", MODEL).out.split())
    assert plimsoll("check", MODEL, "--date", DAY).code == 0
    assert "Mended rows" in (aside.workspace.reports / MODEL / "index.html").read_text()
    assert plimsoll("verify").code == 0


def test_asked_again_it_clears_nothing_twice(aside: Place, plimsoll: Cli) -> None:
    again = plimsoll("score", MODEL, "--date", DAY)
    assert "1 committed before" in again.out, "the same bytes mend nothing"
    with_bad(aside, 0)
    assert "1 cleared" in plimsoll("score", MODEL, "--date", DAY).out
    before = aside.predictions(DAY)
    with_bad(aside, 3)  # what is visible stays, whatever comes later
    for _ in range(2):
        assert "1 committed before" in plimsoll("score", MODEL, "--date", DAY).out
    assert aside.predictions(DAY).equals(before)
    assert len(aside.ledger("rows_cleared")) == 1


def test_a_second_delivery_mends_what_the_first_left(aside: Place, plimsoll: Cli) -> None:
    keys = with_bad(aside, 2)
    said = plimsoll("score", MODEL, "--date", DAY).out
    assert "3 rows that had been set aside, by v1; 2 still set aside" in said
    assert set_aside(plimsoll) == sorted(keys[:2])
    found = json.loads(plimsoll("trace", keys[0], "--json").out)
    assert (found["state"], found["quarantine"][0]["value"]) == ("quarantined", "XXXX")
    assert json.loads(plimsoll("quarantine", MODEL, "--json").out)[0]["rows"] == 2
    change(aside.flights(), lambda f: f.drop(index=[0]).assign(dest=["ATL", *f["dest"][2:]]))
    assert "1 row that had been set aside" in plimsoll("score", MODEL, "--date", DAY).out
    assert set_aside(plimsoll) == [keys[0]], "what was not delivered again stays set aside"
    all_scored_once(aside, keys[1:])
    assert [e["key"] for e in aside.ledger("rows_cleared")] == [f"cleared:{DAY}:v1:{k}" for k in (1, 2)]
    assert plimsoll("maintain").code == 0
    with_bad(aside, 0)
    assert "1 cleared" in plimsoll("score", MODEL, "--date", DAY).out, "also of a partition whose files were merged"
    all_scored_once(aside, keys)
    assert set_aside(plimsoll) == []
    assert plimsoll("verify").code == 0


def test_a_broken_delivery_clears_nothing_and_says_why(aside: Place, plimsoll: Cli) -> None:
    before, entries = aside.predictions(), len(aside.ledger())
    cut_at_noon(aside.data, str(DAY))
    said = plimsoll("score", MODEL, "--date", DAY)
    assert said.code == 0, "the committed batch stands"
    assert "nothing was cleared for v1, and what it committed stands" in said.out
    assert "the export was cut" in aside.records()[-1]["end"]["sentence"]
    with_bad(aside, 100)
    assert "rows are bad" in plimsoll("score", MODEL, "--date", DAY).out
    aside.flights().unlink()
    assert "what it committed stands" in plimsoll("score", MODEL, "--date", DAY).out
    assert aside.predictions().equals(before)
    assert len(aside.ledger()) == entries
    assert len(set_aside(plimsoll)) == BAD


def test_rows_that_came_new_are_counted_and_not_scored(aside: Place, plimsoll: Cli) -> None:
    keys = with_bad(aside, 0)
    change(aside.flights(), lambda f: pd.concat([f, f.tail(2).assign(flight_id=["new/1", "new/2"])]))
    said = plimsoll("score", MODEL, "--date", DAY).out
    assert "5 rows that had been set aside, by v1; not scored: 2 rows that came new" in said
    all_scored_once(aside, keys)


@pytest.mark.parametrize("same", [True, False], ids=["one delivery", "each another one"])
def test_racers_clear_once(aside: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    before = aside.predictions(DAY)
    keys = with_bad(aside, 0)
    commit, keep = clearing.commit_cleared, clearing.keep_snapshot
    line, delivering, taken = threading.Barrier(4), threading.Lock(), list[int]()

    def commit_together(*given: Any) -> bool:
        if len(taken) <= 4:
            line.wait(60)
        return commit(*given)

    def keep_after_redelivery(*given: Any, **how: Any) -> Any:
        with delivering:
            if not same and len(taken) < 4:
                change(aside.flights(), lambda f: f.sample(frac=1, random_state=len(taken)))
            taken.append(1)
            return keep(*given, **how)

    monkeypatch.setattr(clearing, "commit_cleared", commit_together)
    monkeypatch.setattr(clearing, "keep_snapshot", keep_after_redelivery)
    with ThreadPoolExecutor(4) as pool:
        results = [result for _, result in pool.map(lambda _: score_here(), range(4))]
    assert {result.state for result in results} <= {"cleared", "already"}
    all_scored_once(aside, keys)
    kept_rows(aside, before)
    assert len(aside.ledger("rows_cleared")) == 1
    assert not [p for p in (aside.home / "predictions").rglob("cleared*") if str(p.name) not in logged(aside)]
    assert plimsoll("verify").code == 0


def logged(place: Place) -> str:
    return "".join(path.read_text() for path in (place.home / "predictions/_delta_log").glob("*.json"))


def _die(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("merged", [False, True], ids=["as written", "merged with the batch"])
@pytest.mark.parametrize("how", ["score", "repair"])
def test_cut_off_between_commit_and_ledger_it_is_finished(
    aside: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch, how: str, merged: bool
) -> None:
    keys = with_bad(aside, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "decide", _die)
        with pytest.raises(KeyboardInterrupt):
            score_here()
    left = aside.predictions(DAY)
    all_scored_once(aside, keys[1:])
    assert not aside.ledger("rows_cleared")
    if merged:
        for path in (aside.home / "store/objects").rglob("*"):
            os.utime(path, (0, 0))  # old enough to go, if nothing needed it
        assert plimsoll("maintain").code == 0
    owed = json.loads(plimsoll("verify", MODEL, "--json").out)["owed"]
    assert "batch" in {one["repair"] for one in owed}
    told = json.loads(plimsoll("trace", keys[1], "--json").out)
    assert told["batch"]["entry"] is None
    [result] = json.loads(plimsoll("predictions", MODEL, "--date", DAY, "--json").out)["results"]
    assert result["rows"] == len(keys) - BAD, "a batch is what the ledger says of it"
    cut_at_noon(aside.data, str(DAY))  # it is finished from what the dead run saw, not from what lies there now
    words = ("score", MODEL, "--date", DAY) if how == "score" else ("repair", MODEL)
    assert plimsoll(*words).code == 0
    [entry] = aside.ledger("rows_cleared")
    assert entry["facts"]["scored_by"] == left[left["key"] == keys[1]]["run"].item() != entry["facts"]["run"]
    assert (entry["facts"]["rows"], entry["facts"]["quarantined_rows"]) == (4, 1)
    pd.testing.assert_frame_equal(aside.predictions(DAY), left, check_like=True, check_exact=True)
    assert json.loads(plimsoll("verify", "--json").out)["owed"] == []


def test_cut_off_before_the_commit_nothing_is_visible(
    aside: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = aside.predictions()
    keys = with_bad(aside, 0)
    with monkeypatch.context() as patch:
        patch.setattr(clearing, "commit_cleared", _die)
        with pytest.raises(KeyboardInterrupt):
            score_here()
    assert aside.predictions().equals(before)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    all_scored_once(aside, keys)


def test_a_run_that_is_begun_again_says_what_it_cleared_and_adds_nothing(aside: Place) -> None:
    keys = with_bad(aside, 1)
    with recording("score_batch", MODEL, DAY, {}) as run:
        assert score_date(run, served_by(run), str(DAY)).state == "cleared"
        with_bad(aside, 0)
        again = score_date(run, served_by(run), str(DAY))
    assert (again.state, again.rows) == ("cleared", 4)
    all_scored_once(aside, keys[1:])


def test_a_changed_byte_in_a_cleared_part_is_found(aside: Place, plimsoll: Cli) -> None:
    with_bad(aside, 0)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    [part] = (aside.home / "predictions").rglob("cleared1-*.parquet")
    data = part.read_bytes()
    flip_a_byte(part)
    answer = plimsoll("verify")
    assert answer.code == 3
    assert "cleared1-" in answer.err
    part.write_bytes(data)
    assert damage(aside) == ""


@pytest.mark.parametrize("column", ["score", "run"])
def test_cleared_rows_that_say_something_else_are_not_believed(aside: Place, plimsoll: Cli, column: str) -> None:
    keys = with_bad(aside, 0)
    assert plimsoll("score", MODEL, "--date", DAY, "--to", NEXT).code == 0
    [part] = (aside.home / "predictions").rglob("cleared1-*.parquet")
    other = {"score": 0.5, "run": aside.ledger("batch_committed")[0]["facts"]["run"]}
    change(part, lambda f: f.assign(**{column: other[column]}))
    assert plimsoll("trace", keys[0]).code == 3
    assert plimsoll("check", MODEL, "--date", NEXT).code == 3
    assert plimsoll("verify").code == 3


def test_after_compaction_it_verifies_and_every_row_is_traced_to_its_run(aside: Place, plimsoll: Cli) -> None:
    keys = with_bad(aside, 0)
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    before = aside.predictions(DAY)
    assert plimsoll("maintain").code == 0
    pd.testing.assert_frame_equal(aside.predictions(DAY), before, check_like=True, check_exact=True)
    assert damage(aside) == ""
    runs = {json.loads(plimsoll("trace", key, "--json").out)["prediction"]["run"] for key in (keys[0], keys[9])}
    assert runs == {entry["facts"]["run"] for entry in aside.ledger("batch_committed", "rows_cleared")}
    assert plimsoll("predictions", MODEL, "--date", DAY, "--out", aside.home / "rows.csv").code == 0
    assert len(pd.read_csv(aside.home / "rows.csv")) == len(keys)


def test_the_late_losses_of_the_night_are_over_all_its_rows(aside: Place, plimsoll: Cli) -> None:
    def rows_with_losses() -> int:
        standing = clearing.Run(aside.workspace, start, aside.workspace.model(MODEL)).standing()
        [night] = late_losses(aside.workspace, aside.workspace.model(MODEL), standing, 1, str(NEXT))
        return night.rows

    with recording("score_batch", MODEL, DAY, {}) as run:
        start = run.start
    keys = with_bad(aside, 0)
    assert rows_with_losses() == len(keys) - BAD
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    assert rows_with_losses() == len(keys)
    assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    assert plimsoll("check", MODEL, "--date", NEXT).code == 0
    assert plimsoll("verify").code == 0


def test_shadows_clear_after_the_champion_and_harm_nobody(
    aside: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("score", MODEL, "--date", DAY).code == 0, "the challenger scores what the champion scored"
    keys = with_bad(aside, 0)
    score = clearing.score_chunks

    def fail_for_shadows(chunks: Any, served: Any, sink: Any) -> Any:
        if served[0].version == 2:
            raise FloatingPointError("it diverged")
        return score(chunks, served, sink)

    with monkeypatch.context() as patch:
        patch.setattr(clearing, "score_chunks", fail_for_shadows)
        run, result = score_here((1, "champion"), (2, "challenger"))
    assert (result.state, result.rows) == ("cleared", 5)
    assert "it diverged" in str(run.outputs["left_out"])
    assert "5 rows that had been set aside, by v2" in plimsoll("score", MODEL, "--date", DAY).out
    rows = aside.predictions(DAY)
    for version, role in (("1", "champion"), ("2", "challenger")):
        mine = rows[rows["version"] == version]
        assert sorted(mine["key"]) == sorted(keys)
        assert set(mine["role"]) == {role}
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    assert "1 committed before" in plimsoll("score", MODEL, "--date", DAY).out
    assert damage(aside) == ""
