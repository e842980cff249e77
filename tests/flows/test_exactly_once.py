"""Exactly once: scored twice, raced, or killed, a batch has one complete result."""

import datetime as dt
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flows.demo_data import cut_at_noon, redeliver
from flows.score_batch import score_batch
from plimsoll.errors import IntegrityError
from plimsoll.predictions import Served
from tasks import night
from tasks import score_date as scoring
from tasks.batches import resolve_versions
from tasks.bundles import fetch_bundle
from tasks.records import Run, recording
from tasks.score_date import score_date
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place, change

Cli = Callable[..., Answer]


def one_complete_result(place: Place, day: dt.date = DAY, versions: int = 1) -> None:
    """Assert that every flight of a date has one score by each version, and the ledger says so once of each."""
    import pyarrow.parquet as pq

    flights = sorted(pq.ParquetFile(place.flights(day)).read(["flight_id"])["flight_id"].to_pylist())
    rows = place.predictions(day)
    assert rows["version"].nunique() == versions
    for _, scored in rows.groupby("version"):
        assert sorted(scored["key"]) == flights
        assert scored["run"].nunique() == 1, "rows of two runs were mixed"
    about = [e for e in place.ledger("batch_committed") if e["facts"]["date"] == str(day)]
    assert sorted(v for entry in about for v in entry["facts"]["versions"]) == sorted(rows["version"].unique())
    assert {entry["facts"]["rows"] for entry in about} == {len(flights)}
    assert set(rows["snapshot"]) == {entry["facts"]["snapshot"] for entry in about}


def score_here(day: dt.date = DAY) -> Run:
    """Score a date outside Prefect, so that it can be raced and cut off anywhere."""
    with recording("score_batch", MODEL, day, {}) as run:
        score_date(run, served_by(run), day.isoformat())
    return run


def served_by(run: Run) -> list[Served]:
    """Return the champion alone, as `resolve_versions` does at the start of a run."""
    standing = run.standing()
    version = standing.version(standing.champion or 0)
    assert version
    return [Served(version.number, "champion", fetch_bundle(run.workspace, MODEL, version.number, version.bundle))]


def test_scoring_twice_changes_nothing(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    before = serving.predictions()
    again = plimsoll("score", MODEL, "--date", DAY)
    assert again.code == 0
    assert "1 committed before" in again.out
    assert serving.predictions().equals(before)
    one_complete_result(serving)


def test_an_open_end_scores_what_landed_since_and_nothing_twice(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    assert "2 batches" in plimsoll("score", MODEL, "--as-of", "2013-03-04").out
    assert "0 batches" in plimsoll("score", MODEL, "--as-of", "2013-03-04").out
    assert serving.predictions()["batch_date"].nunique() == 3
    assert "1 batch" in plimsoll("score", MODEL, "--to", "2013-03-05", "--as-of", "2013-03-08").out
    assert serving.predictions()["batch_date"].max() == "2013-03-05"


@pytest.mark.campaign
def test_two_processes_leave_one_result(serving: Place) -> None:
    words = [sys.executable, "-c", "from flows.cli import main; main()", "score", MODEL, "--date", str(DAY), "--json"]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
        for _ in range(2)
    ]
    said = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert not any("Traceback" in err for _, err in said)
    one_complete_result(serving)


@pytest.mark.parametrize("dates_before", [0, 1], ids=["no table yet", "a table"])
def test_racers_that_all_saw_nothing_leave_one_result(
    serving: Place, monkeypatch: pytest.MonkeyPatch, dates_before: int
) -> None:
    """Four writers reach the commit together, one of them with a batch that was delivered again meanwhile."""
    for _ in range(dates_before):
        score_here(NEXT)
    commit, line, redelivered = scoring.commit_batch, threading.Barrier(4), threading.Lock()

    def commit_together(*given: Any) -> bool:
        line.wait(60)
        return commit(*given)

    keep = night.keep_snapshot

    def keep_after_redelivery(*given: Any, **how: Any) -> Any:
        with redelivered:  # every racer sees other bytes: the same flights in another order
            change(serving.flights(), lambda frame: frame.sample(frac=1, random_state=len(keeps)))
            keeps.append(1)
            return keep(*given, **how)

    keeps: list[int] = []
    monkeypatch.setattr(scoring, "commit_batch", commit_together)
    monkeypatch.setattr(night, "keep_snapshot", keep_after_redelivery)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: score_here(), range(4)))
    assert len(keeps) == 4
    one_complete_result(serving)


def test_cut_off_between_commit_and_ledger_is_repaired(serving: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    score_here(NEXT)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "decide", _die)
        with pytest.raises(KeyboardInterrupt):
            score_here()
    left = serving.predictions(DAY)
    assert len(left) > 500, "the commit had been made"
    assert [e["facts"]["date"] for e in serving.ledger("batch_committed")] == [str(NEXT)]
    cut_at_noon(serving.data, str(DAY))  # the repair reads what the dead run saw, not what lies there now
    score_here()
    redeliver(serving.data, str(DAY))
    assert serving.predictions(DAY).equals(left), "what was visible has not changed"
    one_complete_result(serving)
    repaired = serving.ledger("batch_committed")[-1]["facts"]
    assert repaired["scores"] == digest_of(serving, repaired)


def digest_of(place: Place, facts: dict[str, Any]) -> str:
    """Return the digest of what is visible, in the order of the batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from plimsoll.scores_digest import scores_digest

    flights = pq.ParquetFile(place.flights()).read(["flight_id"])["flight_id"].to_pylist()
    rows = place.predictions(DAY).set_index("key").loc[flights].reset_index()
    schema = pa.schema([("version", pa.int32()), ("key", pa.string()), ("score", pa.float64())])
    table = pa.Table.from_pydict(
        {"version": rows["version"].astype("int32"), "key": rows["key"].tolist(), "score": rows["score"]},
        schema=pa.schema([field.with_nullable(False) for field in schema]),
    )
    assert len(table) == facts["rows"]
    return scores_digest(table)


def _die(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_cut_off_before_the_commit_leaves_nothing_visible(serving: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "commit_batch", _die)
        with pytest.raises(KeyboardInterrupt):
            score_here()
    assert serving.predictions().empty
    assert not serving.ledger("batch_committed")
    score_here()
    one_complete_result(serving)


def test_a_rejected_batch_leaves_nothing_and_is_scored_when_delivered_again(serving: Place, plimsoll: Cli) -> None:
    cut_at_noon(serving.data, str(DAY))
    for as_of in (DAY, NEXT):
        assert plimsoll("score", MODEL, "--date", DAY, "--as-of", as_of).code == 2
    assert serving.predictions().empty
    assert len(serving.ledger("batch_rejected")) == 1, "the same broken bytes are rejected once"
    redeliver(serving.data, str(DAY))
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    one_complete_result(serving)


def test_a_broken_date_in_a_range_stops_itself_alone(serving: Place, plimsoll: Cli) -> None:
    cut_at_noon(serving.data, str(NEXT))
    scored = plimsoll("score", MODEL, "--date", DAY, "--to", "2013-03-04", "--as-of", "2013-03-05")
    assert scored.code == 2
    assert "2 batches; 1 rejected" in scored.err
    assert sorted(serving.predictions()["batch_date"].unique()) == [str(DAY), "2013-03-04"]


def test_a_promotion_in_mid_run_changes_the_next_run_only(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    resolve = inspect.unwrap(resolve_versions)

    def promoted_meanwhile(run: Run, *given: Any) -> list[Any]:
        served: list[Any] = resolve(run, *given)
        assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
        return served

    with monkeypatch.context() as patch:
        patch.setattr("flows.score_batch.resolve_versions", promoted_meanwhile)
        score_batch(MODEL, start=DAY, as_of=DAY)
    one_complete_result(serving, versions=2)
    rows = serving.predictions(DAY).drop_duplicates("version").set_index("version")["role"]
    assert rows.to_dict() == {"1": "champion", "2": "challenger"}
    assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    rows = serving.predictions(NEXT).drop_duplicates("version").set_index("version")["role"]
    assert rows.to_dict() == {"1": "previous", "2": "champion"}


def test_a_new_champion_does_not_rewrite_what_the_old_one_said(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    before = serving.predictions(DAY)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    change(serving.flights(), lambda frame: frame.assign(carrier="UA"))  # delivered again, otherwise
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    after = serving.predictions(DAY)
    assert after[after["version"] == "1"].equals(before)
    assert after[after["version"] == "2"]["role"].unique().tolist() == ["champion"]
    assert len(after) == 2 * len(before)


def test_a_run_without_a_record_commits_nothing(serving: Place) -> None:
    with recording("score_batch", MODEL, DAY, {}) as run:
        (serving.home / "store/records" / run.id / "start.json").unlink()
        with pytest.raises(IntegrityError, match="has no record"):
            score_date(run, served_by(run), str(DAY))
    assert serving.predictions().empty
    assert not serving.ledger("batch_committed")
