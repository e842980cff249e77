"""Backtests of real flights: nothing is made twice, a killed run goes on, and nothing about the model changes."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plimsoll.backtest_parts import History, Night, Train
from plimsoll.training import train_bundle
from tests.flows import places
from tests.flows.places import MODEL, Answer, Grown, Place, damage, flip_a_byte, refused

Cli = Callable[..., Answer]
FROM, TO = "2013-02-23", "2013-03-01"  # days that the common home has validated: no suite runs
ASKED = ("backtest", MODEL, "--from", FROM, "--to", TO)
FEW = {"window_days: 20": "window_days: 12", "rounds: 20": "rounds: 5"}
NAMES = ["configured", "never", "every 7 days", "every 30 days", "drift alone", "quality alone"]


def make_few(place: Place) -> None:
    """Let a model of the place train on a few days."""
    for old, new in FEW.items():
        place.configure(old, new)


def at_once(place: Place, *words: str) -> dict[str, Any]:
    """Return what `plimsoll backtest --json` prints, run by the flow itself."""
    from flows.backtest_policy import backtest_policy
    from tasks.backtests import read_policies

    day = dt.date.fromisoformat
    return backtest_policy(MODEL, day(FROM), day(TO), read_policies([Path(word) for word in words]))


@pytest.fixture(scope="session")
def replayed_home(grown: Grown, trained_home: Path, small_project: Path) -> Path:
    """A home in which a week was replayed once. Only to be copied."""

    def live(place: Place) -> None:
        root = places.copy_project(small_project, place.home.parent / "few")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PLIMSOLL_ROOT", str(root))
            make_few(Place(place.home, place.data, root))
            (place.home / "result.json").write_text(json.dumps(at_once(place)))

    return grown("replayed", trained_home, live)


@pytest.fixture
def replayed(empty: Place, replayed_home: Path) -> Place:
    """A place where a week was replayed once."""
    places.copy_home(replayed_home, empty.home)
    make_few(empty)
    return empty


def first_result(place: Place) -> dict[str, Any]:
    return json.loads((place.home / "result.json").read_text())


def policy_file(place: Place, name: str, text: str) -> str:
    path = place.home / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def test_a_second_run_makes_nothing_anew_and_says_the_same(replayed: Place, plimsoll: Cli) -> None:
    first = first_result(replayed)
    answer = plimsoll(*ASKED, "--json")
    second = json.loads(answer.out)
    assert answer.code == 0
    assert first["made"]["train"] >= 2, "the first model, and that of a calendar after seven days"
    assert second["made"] == {}
    assert [one["policy"] for one in second["policies"]] == NAMES
    for same in ("courses", "policies", "retrains", "sentences"):
        assert second[same] == first[same]
    page = Path(second["page"]).read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    assert all(name in page for name in NAMES)


def test_nothing_about_the_model_changes(replayed: Place) -> None:
    versions = {entry["facts"].get("version") for entry in replayed.ledger() if entry["kind"] != "challenger_tried"}
    assert versions == {1}, "the one that was there before"
    [_, record] = replayed.records()
    assert (record["flow"], record["end"]["result"]) == ("backtest_policy", "done")
    assert record["end"]["snapshots"]
    assert "ledger" not in record["end"]["outputs"]
    assert not damage(replayed)
    assert not (replayed.home / "predictions").exists()


def test_a_changed_threshold_only_decides_again(replayed: Place) -> None:
    patient = policy_file(replayed, "patient", "retrain: {persistence_nights: 3}")
    assert at_once(replayed, patient)["made"] == {}
    wary = at_once(replayed, policy_file(replayed, "wary", "drift: {one_in_nights: 20}"))
    assert set(wary["made"]) == {"look"}, "what nights show is judged anew, on profiles that are kept"
    assert [one["policy"] for one in wary["policies"]] == ["configured", "wary", *NAMES[1:]]


def test_another_window_trains_models_of_its_own(replayed: Place) -> None:
    wide = at_once(replayed, policy_file(replayed, "wide", "split: {window_days: 13}"))
    assert wide["made"]["train"] >= 1
    assert wide["found"]["train"] >= 1, (
        "models are kept by their dates, so those of the config's window are not made anew"
    )
    told = {one["policy"]: one["mean_loss"] for one in wide["policies"]}
    assert {name: told[name] for name in NAMES} == {
        one["policy"]: one["mean_loss"] for one in first_result(replayed)["policies"]
    }
    assert told["wide"] != told["configured"]


def test_a_model_is_what_train_model_would_have_made(replayed: Place) -> None:
    from tasks.backtest_kept import Kept
    from tasks.landing import keep_snapshot, training_dates
    from tasks.records import recording
    from tasks.scratch import scratch_folder
    from tasks.training_rows import assemble_training_rows

    archive = replayed.workspace.archive
    names = sorted(archive.store.keys("backtests/model/"))
    keys = [name.rpartition("/")[2].removesuffix(".json") for name in names]
    kept = Kept(archive)
    as_of = dt.date.fromisoformat(FROM) - dt.timedelta(days=1)
    with recording("train_model", MODEL, as_of, {}) as run, scratch_folder(run.workspace) as scratch:
        snapshot = keep_snapshot(run, training_dates(run, None, None), outcomes=True)
        rows = assemble_training_rows(run.workspace, run.config, snapshot, scratch).rows
        real = train_bundle(rows, run.config)
    [key] = [key for key in keys if kept.get("model", key)["trained_through"] == real.trained_through]
    mine = kept.bundle(key, kept.get("model", key), MODEL)
    assert mine.fitted.to_bytes() == real.fitted.to_bytes()
    folds, whole = kept.get("folds", key), json.loads(json.dumps(real.reference.to_json()))
    for name in ("losses", "slices", "scores"):
        assert folds[name] == whole[name], name
    assert mine.reference.plan == real.reference.plan
    assert mine.reference.days == real.reference.days


def test_a_model_of_the_days_since_a_change_is_what_train_model_makes_of_them(replayed: Place) -> None:
    from tasks.backtest_desk import Desk
    from tasks.backtest_keys import Made
    from tasks.backtest_work import Bench
    from tasks.landing import keep_snapshot, training_dates
    from tasks.records import recording
    from tasks.scratch import scratch_folder
    from tasks.training_rows import assemble_training_rows

    as_of, start = dt.date.fromisoformat(FROM), dt.date.fromisoformat(FROM) - dt.timedelta(days=9)
    at_once = SimpleNamespace(pool=SimpleNamespace(submit=lambda work, *given: work(*given)))
    with recording("train_model", MODEL, as_of, {}) as run, scratch_folder(run.workspace) as scratch:
        window, since = (keep_snapshot(run, training_dates(run, day, None), outcomes=True) for day in (None, start))
        assert len(since.dates) < len(window.dates)
        real = train_bundle(assemble_training_rows(run.workspace, run.config, since, scratch).rows, run.config)
        made = Made(run.workspace, run.config, window)
        desk = Desk(Bench(run.workspace, run.config, window, scratch), made, History((Night(FROM),), 1), at_once)  # type: ignore[arg-type]
        asked = Train(FROM, str(start))
        desk.order(asked)
        model = desk.answer(asked)
        key = made.model([*since.dates])
    assert (model.as_of, model.start, model.refused) == (FROM, str(start), "")
    mine = desk.kept.bundle(key, desk.kept.get("model", key), MODEL)
    assert mine.fitted.to_bytes() == real.fitted.to_bytes()
    assert desk.answer(Train(FROM)) is None, "the model of the window is another one, and nobody asked for it"


@pytest.mark.campaign
def test_a_killed_run_goes_on_from_what_it_had_made(replayed: Place) -> None:
    first = first_result(replayed)
    shutil.rmtree(replayed.home / "store/backtests")
    words = [sys.executable, "-c", "from flows.cli import main; main()", *ASKED, "--json"]
    child = subprocess.Popen(words, cwd=places.ROOT, env=os.environ, stdout=subprocess.DEVNULL, start_new_session=True)
    made = replayed.home / "store/backtests/losses"
    try:
        end = time.monotonic() + 120
        while child.poll() is None and not (made.exists() and [*made.iterdir()]) and time.monotonic() < end:
            time.sleep(0.02)
        assert child.poll() is None, "it was to be killed half-way"
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    again = at_once(replayed)
    assert again["made"].get("train", 0) < first["made"]["train"], "the model that was there is not trained again"
    assert (again["courses"], again["policies"]) == (first["courses"], first["policies"])


@pytest.mark.parametrize("kind", ["model", "losses", "duel", "seen", "history"])
def test_a_changed_byte_of_what_is_kept_is_refused(replayed: Place, plimsoll: Cli, kind: str) -> None:
    for path in (replayed.home / f"store/backtests/{kind}").iterdir():
        flip_a_byte(path)
    refused(plimsoll(*ASKED), f"backtests/{kind}/", "Nothing of it was used", "run the backtest again")


def test_what_cannot_be_replayed_is_said(empty: Place, plimsoll: Cli) -> None:
    def said(*words: object) -> str:
        answer = plimsoll("backtest", *words)
        assert answer.code == 2, answer.said
        assert "Traceback" not in answer.said
        return answer.err

    assert "no batch between 2014-01-01 and 2014-01-31" in said(MODEL, "--from", "2014-01-01", "--to", "2014-01-31")
    assert "Expected an end on or after" in said(MODEL, "--from", "2013-03-10", "--to", "2013-03-01")
    early = said(MODEL, "--from", "2013-02-04", "--to", "2013-03-01")
    assert "more than split.test_days (5)" in early
    assert "Begin at 2013-02-08 or later." in early
    assert "no nights" in said("breast_cancer", "--from", FROM, "--to", TO)
    never = policy_file(empty, "never", "retrain: {}")
    assert "rename it" in said(MODEL, "--from", FROM, "--to", TO, "--policy", never)
    assert [record["end"]["result"] for record in empty.records()] == ["refused"] * 4
