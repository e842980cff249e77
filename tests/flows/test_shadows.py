"""Shadows come after the champion: whatever they do, its result stands as it would without them."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.demo_data import cut_at_noon, redeliver
from plimsoll import shadows
from plimsoll.errors import ServerError
from plimsoll.predictions import BatchResult, Role, Served
from tasks import score_date as scoring
from tasks.bundles import fetch_bundle
from tasks.engines import score_each
from tasks.records import Run, recording
from tasks.score_date import score_date
from tests.flows.places import DAY, MODEL, NEXT, Answer, Place

Cli = Callable[..., Answer]


def served_as(run: Run, number: int, role: Role, **changed: Any) -> Served:
    """Return the one bundle that there is, as if it were another version; its learner may be changed."""
    champion = run.standing().versions[0]
    bundle = fetch_bundle(run.workspace, MODEL, champion.number, champion.bundle)
    return Served(number, role, replace(bundle, fitted=SimpleNamespace(**changed)) if changed else bundle)


def score_beside(*shadow: Callable[[Run], Served]) -> tuple[BatchResult, Run]:
    """Score the day by the champion with shadows beside it."""
    with recording("score_batch", MODEL, DAY, {}) as run:
        result = score_date(run, [served_as(run, 1, "champion"), *(make(run) for make in shadow)], str(DAY))
    return result, run


def versions_entered(place: Place) -> list[list[str]]:
    """Return the versions of each ledger entry about the day, in the order in which they were written."""
    return [[*e["facts"]["versions"]] for e in place.ledger("batch_committed") if e["facts"]["date"] == str(DAY)]


def crash(matrix: Any) -> Any:
    """A learner that cannot."""
    raise FloatingPointError("it diverged")


def test_the_champion_is_there_before_a_shadow_begins(serving: Place) -> None:
    seen: list[Any] = []

    def look(matrix: Any) -> Any:
        seen.append((versions_entered(serving), serving.predictions(DAY)["version"].nunique()))
        raise FloatingPointError("it diverged")

    result, run = score_beside(lambda run: served_as(run, 2, "challenger", predict=look))
    assert result.state == "committed"
    assert seen == [([["1"]], 1)], "the shadow found the champion's rows and its entry"
    assert run.outputs["left_out"] == {f"{DAY} v2": f"{DAY}: v2 did not score: FloatingPointError: it diverged"}
    assert versions_entered(serving) == [["1"]]
    assert not list((serving.home / "predictions").rglob("*version=2*/*.parquet")), "what it had staged is gone"


def test_one_shadow_harms_no_other_one(serving: Place) -> None:
    score_beside(lambda run: served_as(run, 2, "challenger", predict=crash), lambda run: served_as(run, 3, "previous"))
    assert versions_entered(serving) == [["1"], ["3"]]
    rows = serving.predictions(DAY)
    one, three = (rows[rows["version"] == v].set_index("key")["score"] for v in ("1", "3"))
    assert one.equals(three)


def test_a_slow_shadow_is_given_up_and_named(serving: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "LEAST_SECONDS", 0.0)
    serving.configure("scoring:", "scoring:\n  shadow_limit: 0.0001")
    result, run = score_beside(lambda run: served_as(run, 2, "challenger"))
    assert result.state == "committed"
    assert "was to be done within" in run.outputs["left_out"][f"{DAY} v2"]
    assert versions_entered(serving) == [["1"]]


def test_a_store_that_fails_for_shadows_leaves_the_champion(serving: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, calls = scoring.commit_batch, list[int]()

    def once(*given: Any) -> bool:
        calls.append(1)
        if len(calls) > 1:
            raise ServerError("the bucket is gone")
        return commit(*given)

    monkeypatch.setattr(scoring, "commit_batch", once)
    result, run = score_beside(lambda run: served_as(run, 2, "challenger"))
    assert result.state == "committed"
    assert "the bucket is gone" in run.outputs["left_out"][f"{DAY} v2"]


def test_of_several_dates_every_champion_comes_before_any_shadow(serving: Place) -> None:
    def die(matrix: Any) -> Any:
        raise KeyboardInterrupt  # no error of ours: what a kill looks like from inside

    dates = [str(DAY), str(NEXT)]
    with pytest.raises(KeyboardInterrupt), recording("score_batch", MODEL, NEXT, {}) as run:
        list(score_each(run, [served_as(run, 1, "champion"), served_as(run, 2, "challenger", predict=die)], dates))
    committed = serving.ledger("batch_committed")
    assert [e["facts"]["date"] for e in committed] == dates
    assert all(e["facts"]["versions"] == {"1": "champion"} for e in committed)
    with recording("score_batch", MODEL, NEXT, {}) as run:
        found = list(score_each(run, [served_as(run, 1, "champion"), served_as(run, 2, "challenger")], dates))
    assert [one.state for one in found] == ["already", "already"]
    assert len(serving.ledger("batch_committed")) == 4


def test_an_entry_is_not_written_late_by_code_that_says_otherwise(serving: Place) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "decide", _die)
        with pytest.raises(KeyboardInterrupt):
            score_beside()
    suite = serving.root / f"great_expectations/expectations/{MODEL}.json"
    before = suite.read_text()
    body = json.loads(before)
    body["expectations"].append(
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "distance", "max_value": 2560},
            "meta": {"level": "row", "says": "The distance is no more than 2,560 miles"},
        }
    )
    suite.write_text(json.dumps(body))
    serving.configure("max_quarantined_share: 0.02", "max_quarantined_share: 0.5")
    result, _ = score_beside()
    assert result.state == "rejected"
    assert "gives other rows or scores for v1" in result.sentence
    assert not serving.ledger("batch_committed")
    suite.write_text(before)
    assert score_beside()[0].state == "committed"
    assert versions_entered(serving) == [["1"]]


def _die(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


def test_a_rerun_completes_shadows_on_the_rows_that_the_champion_saw(serving: Place, plimsoll: Cli) -> None:
    score_beside()  # killed between the two commits, this is what is left
    assert versions_entered(serving) == [["1"]]
    cut_at_noon(serving.data, str(DAY))  # what lies there now is no matter
    result, _ = score_beside(lambda run: served_as(run, 2, "challenger"))
    redeliver(serving.data, str(DAY))
    assert result.state == "already"
    assert versions_entered(serving) == [["1"], ["2"]]
    rows = serving.predictions(DAY)
    assert rows.groupby("version")["key"].nunique().nunique() == 1
    assert rows["snapshot"].nunique() == 1
    assert score_beside(lambda run: served_as(run, 2, "challenger"))[0].state == "already"
    assert versions_entered(serving) == [["1"], ["2"]], "and a second rerun adds nothing"


def test_a_share_of_scores_is_taken_apart_while_they_are_made(serving: Place, plimsoll: Cli) -> None:
    serving.configure("scoring:", "scoring:\n  explain_share: 0.1\n  explain_top: 3")
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    facts = serving.ledger("batch_committed")[0]["facts"]
    assert 0.05 < facts["explained_rows"] / facts["rows"] < 0.2
    out = serving.home.parent / "why.parquet"
    assert plimsoll("predictions", MODEL, "--date", DAY, "--why", "--out", out).code == 0
    rows = pq.ParquetFile(out).read().to_pandas()
    assert rows.groupby("key").size().eq(3).all()
    key = rows["key"].iloc[0]
    traced = json.loads(plimsoll("trace", key, "--date", DAY, "--json").out)
    strongest = traced["reasons"][:3]
    mine = rows[rows["key"] == key].sort_values("rank")
    assert mine["feature"].tolist() == [part["feature"] for part in strongest]
    assert mine["contribution"].tolist() == pytest.approx([part["contribution"] for part in strongest], rel=1e-6)
    shown = plimsoll("predictions", MODEL, "--date", DAY, "--why")
    assert key in shown.out
    assert "name its date too" in plimsoll("predictions", MODEL, "--why").err
    assert "was explained while it was scored" in plimsoll("predictions", MODEL, "--date", "2013-03-01", "--why").err
    assert plimsoll("verify", MODEL).code == 0
