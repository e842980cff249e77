"""The upkeep of the store: it frees what the policy lets go, harms nobody, and can be killed at any instant."""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plimsoll.store import OBJECTS, put_object
from tests.flows import places
from tests.flows.places import DAY, MODEL, NEXT, Answer, Grown, Place

Cli = Callable[..., Answer]
ROOT = Path(__file__).parents[2]
SCORE = [sys.executable, "-c", "from flows.cli import main; main()", "score", MODEL, "--date", str(NEXT), "--json"]


@pytest.fixture(scope="module")
def scored_home(grown: Grown, champion_home: Path) -> Path:
    """A home in which v1 scored one day, which was checked. Only to be copied."""
    from flows.check_drift import check_drift
    from flows.score_batch import score_batch

    def live(_: Place) -> None:
        score_batch(MODEL, start=DAY, end=DAY)
        check_drift(MODEL, start=DAY, end=DAY)

    return grown("scored", champion_home, live)


@pytest.fixture
def scored(empty: Place, scored_home: Path) -> Place:
    """A place where v1 scored one day, which was checked."""
    places.copy_home(scored_home, empty.home)
    return empty


@pytest.fixture
def years_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the upkeep believe that it is 500 days later; nothing else does."""
    import importlib

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return dt.datetime.now(tz) + dt.timedelta(days=500)

    monkeypatch.setattr(importlib.import_module("flows.maintain_store"), "datetime", Later)


def freed(answer: Answer) -> dict[str, int]:
    return {one["what"]: one["count"] for one in json.loads(answer.out)["freed"]}


def files(place: Place) -> set[str]:
    """Everything in the store but what runs of the upkeep leave there themselves."""
    keys = place.workspace.store.keys("")
    return {key for key in keys if "maintain_store" not in key and not key.startswith(("sweeps/", OBJECTS, "layout/"))}


def age(place: Place, days: float = 30) -> None:
    then = time.time() - days * 86_400
    for path in (place.home / "store/objects").rglob("*"):
        os.utime(path, (then, then))


def intact(plimsoll: Cli) -> None:
    answer = plimsoll("verify", "--all")
    assert answer.code == 0, answer.said


@pytest.mark.usefixtures("years_later")
def test_what_expired_goes_and_all_that_is_left_proves_itself(
    scored: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIMSOLL_RETENTION__RUNS_DAYS", "30")
    monkeypatch.setenv("PLIMSOLL_RETENTION__PREDICTIONS_DAYS", "30")
    orphan = put_object(scored.workspace.store, b"nobody's")
    before, rows = files(scored), scored.predictions()
    said = plimsoll("maintain", "--dry-run", "--json")
    assert said.code == 0, said.said
    assert files(scored) == before
    would = freed(said)
    assert would["run records"] == 1, "the check; training, approval and scoring are needed by champion and predictions"
    assert would["caches"] > 0
    assert would["orphan objects"] > 0

    answer = plimsoll("maintain")
    assert answer.code == 0, answer.said
    assert "Freed" in answer.out
    assert "orphan objects" in answer.out
    [tomb] = files(scored) - before
    assert tomb.startswith("expired/")
    assert not list(scored.workspace.store.keys(f"{OBJECTS}sha256/{orphan[:2]}/{orphan}"))
    assert scored.predictions().equals(rows)
    intact(plimsoll)
    assert plimsoll("trace", rows["key"][0]).code == 0
    assert "1 batch" in plimsoll("score", MODEL, "--date", NEXT).out
    assert plimsoll("check", MODEL, "--date", NEXT).code == 0
    again = plimsoll("maintain", "--json")
    assert again.code == 0, again.said
    intact(plimsoll)


@pytest.mark.usefixtures("years_later")
def test_predictions_of_versions_that_no_longer_serve_go_in_one_commit(
    scored: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plimsoll.ledger import append
    from tasks.maintenance import expire_batches
    from tasks.predictions_retention import dead_bytes
    from tasks.records import recording_platform
    from tasks.upkeep_survey import survey

    assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    monkeypatch.setenv("PLIMSOLL_RETENTION__PREDICTIONS_DAYS", "30")
    about = {"as_of": str(NEXT), "recorded_at": dt.datetime.now(dt.UTC).isoformat(), "by": "test"}
    for version in (2, 3):
        append(scored.workspace.archive, MODEL, "trained", facts={"version": version, "bundle": ""}, **about)
        append(scored.workspace.archive, MODEL, "promoted", facts={"version": version}, **about)
    with recording_platform("maintain_store", None, {}) as run:
        found = survey(run.workspace, dt.datetime.now(dt.UTC) + dt.timedelta(days=500))
        done = expire_batches(run, found, dry_run=False)
    assert done.count == 1
    assert dead_bytes(scored.workspace, 168) == 0, "whoever reads them still can"
    assert dead_bytes(scored.workspace, 0) == done.bytes > 0
    assert set(scored.predictions()["batch_date"]) == {str(NEXT)}, "a former champion's last batch proves a rollback"
    assert len(list(scored.workspace.store.keys("expired_batches/"))) == 1
    with recording_platform("maintain_store", None, {}) as run:
        found = survey(run.workspace, dt.datetime.now(dt.UTC) + dt.timedelta(days=500))
        assert expire_batches(run, found, dry_run=False).count == 0


@pytest.mark.campaign
def test_a_batch_scored_meanwhile_is_not_harmed(
    scored: Place, plimsoll: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every object that the run is about to need lies there already, old and unnamed: the sweep wants it."""
    twin = Place(tmp_path / "twin", scored.data, scored.root)
    places.copy_home(scored.home, twin.home)
    with monkeypatch.context() as patch:
        patch.setenv("PLIMSOLL_HOME", str(twin.home))
        assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    for path in (twin.home / "store/objects").rglob("*"):
        if path.is_file():
            put_object(scored.workspace.store, path.read_bytes())
    age(scored)
    said, rounds = tmp_path / "said", 0
    with said.open("w") as out, subprocess.Popen(SCORE, stdout=out, stderr=out, env=os.environ.copy()) as run:
        while run.poll() is None:
            answer = plimsoll("maintain", "--json")
            assert answer.code == 0, answer.said
            rounds += 1
            time.sleep(1)
    assert run.returncode == 0, said.read_text()
    assert rounds
    assert set(scored.predictions()["batch_date"]) == {str(DAY), str(NEXT)}
    intact(plimsoll)
    age(scored)
    assert plimsoll("maintain").code == 0
    intact(plimsoll)


def test_a_run_that_starts_while_a_sweep_lasts_waits_and_keeps_its_objects(scored: Place) -> None:
    from tasks.sweep_lock import sweeping

    archive, before = scored.workspace.archive, len(scored.records())
    code = "from tasks.records import recording_platform as r\nprint('here', flush=True)\nwith r('x', None, {}): pass"
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, env=os.environ.copy(), cwd=ROOT, stdout=subprocess.PIPE) as run:
        assert run.stdout
        with sweeping(archive, "upkeep") as sweep:
            assert sweep
            assert run.stdout.readline() == b"here\n"
            time.sleep(2)
            assert run.poll() is None
            assert len(scored.records()) == before, "a run does not get past its start"
            for path in (scored.home / "store/objects").rglob("*"):
                if path.is_file():
                    path.unlink()  # the sweep may remove whatever the run could have found there
        assert run.wait(timeout=60) == 0
    [record] = [one for one in scored.records() if one["flow"] == "x"]
    named = [record["config"], record["code"]["tree"], record["environment"]["lock"], record["environment"]["packages"]]
    assert all((scored.home / f"store/objects/sha256/{digest[:2]}/{digest}").is_file() for digest in named)


def test_damage_is_named_and_nothing_goes(scored: Place, plimsoll: Cli) -> None:
    orphan = put_object(scored.workspace.store, b"nobody's")
    age(scored)
    snapshot = scored.ledger("batch_committed")[0]["facts"]["snapshot"]
    path = scored.home / f"store/objects/sha256/{snapshot[:2]}/{snapshot}"
    path.chmod(0o600)
    places.flip_a_byte(path)
    answer = plimsoll("maintain")
    assert answer.code == 3
    assert snapshot[:12] in answer.said
    assert "Traceback" not in answer.said
    assert list(scored.workspace.store.keys(f"{OBJECTS}sha256/{orphan[:2]}/{orphan}"))


@pytest.mark.campaign
def test_killed_at_any_instant_it_leaves_a_store_that_verifies_and_a_second_run_ends_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.upkeep_kills", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 12


def test_the_upkeep_is_deployed_once_and_alone(empty: Place) -> None:
    from flows.deploy import deploy
    from tasks.prefect_api import connected

    [found] = [one for one in deploy(empty.workspace, ()) if one.name.startswith("maintain-store/")]
    assert found[:2] == ("maintain-store/plimsoll", "0 3 * * 0")
    with connected() as client:
        there = client.read_deployment_by_name(found.name)
    assert there.global_concurrency_limit is not None
    assert there.global_concurrency_limit.limit == 1
    assert deploy(empty.workspace, ()) == [found]
