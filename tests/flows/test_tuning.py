"""A search goes the whole way: killed and gone on with, in MLflow and on the page, reproduced, and taken over."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from tasks.records import recording
from tasks.settling import take_known_settings
from tests.flows.places import APPROVER, AS_OF, MODEL, ROOT, Answer, Place, damage

Cli = Callable[..., Answer]
PARTS = """
search:
  trials: 8
  space:
    max_depth: {low: 2, high: 6}
    learning_rate: {low: 0.03, high: 0.5, log: true, start: 0.1}
shrink: {margin: 0.02}
"""


def ask_for_a_search(place: Place) -> None:
    config = place.root / f"configs/models/{MODEL}.yaml"
    text = config.read_text()
    params = next(line for line in text.splitlines() if line.strip().startswith("params:"))
    config.write_text(text.replace(params, "  params: {}", 1) + PARTS)


def kept(place: Place) -> list[Path]:
    return sorted((place.home / "store/searches").rglob("*.json"))


def train_and_kill(place: Place, after: int) -> None:
    """Train in a process of its own and kill it without warning once so many trials are kept."""
    words = [sys.executable, "-c", "from flows.cli import main; main()", "train", MODEL, "--as-of", str(AS_OF)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True) as child:
        until = time.monotonic() + 120
        while len(kept(place)) < after and child.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        assert child.poll() is None, "it ended by itself"
        os.killpg(child.pid, signal.SIGKILL)


def outputs(place: Place) -> dict[str, Any]:
    return dict(place.records()[-1]["end"]["outputs"])


def trials_in_mlflow(place: Place, parent: str) -> list[Any]:
    from tasks.mlflow_registry import connect, open_experiment

    client, experiment = connect(place.workspace), open_experiment(place.workspace, MODEL)
    return list(client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'"))


@pytest.mark.campaign
def test_a_search_goes_the_whole_way(judged: Place, plimsoll: Cli) -> None:
    ask_for_a_search(judged)
    train_and_kill(judged, 3)
    before = {path: path.read_bytes() for path in kept(judged)}
    assert 3 <= len(before) < 8, "it was killed in the midst of its search"
    assert not judged.ledger("trained")
    said = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert said.code == 0, said.said
    assert "Best of 8 trials" in said.out
    assert all(path.read_bytes() == data for path, data in before.items())
    assert len(kept(judged)) == 8
    told = outputs(judged)
    assert told["search"]["trials_kept"] == len(before)
    assert told["settings"]["origin"] == "found"
    assert told["shrink"]["chosen"]["bytes"] <= told["shrink"]["whole"]["bytes"]
    runs = trials_in_mlflow(judged, told["mlflow_run"])
    assert len(runs) == 8
    assert {"learning_rate", "max_depth"} == set(runs[0].data.params)
    page = (judged.home / f"reports/{MODEL}/v1.html").read_text()
    assert "All 8 trials" in page
    assert "A smaller model" in page
    again = plimsoll("reproduce", judged.records()[-1]["run_id"], "--here")
    assert again.code == 0, again.said
    assert "Identical" in again.out
    taken_over_and_asked_for_anew(judged, plimsoll, told)
    assert not damage(judged)


@flow
def begin_a_replay() -> bool:
    """Begin as a backtest does, whose replay would take half a minute; return whether its models would search."""
    with recording("backtest_policy", MODEL, None, {}) as run:
        take_known_settings(run)
    return run.config.search is not None


def taken_over_and_asked_for_anew(place: Place, plimsoll: Cli, told: dict[str, Any]) -> None:
    """Assert that a later training takes the champion's settings, and that --search does not."""
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    said = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert "Settings of v1, found by run" in said.out, said.said
    second = outputs(place)
    assert second["settings"]["values"] == told["settings"]["values"]
    assert second["bundle"] == told["bundle"]
    assert "search" not in second
    said = plimsoll("train", MODEL, "--as-of", AS_OF, "--search")
    assert "Best of 8 trials" in said.out
    assert outputs(place)["search"]["trials_kept"] == 8, "the same rows and space: all of it is known"
    searched = begin_a_replay()
    replayed = outputs(place)["settings"]
    assert (replayed["origin"], replayed["values"]) == ("champion", told["settings"]["values"])
    assert not searched


def test_a_retrain_for_drift_takes_over_what_the_champion_was_found_with(empty: Place, plimsoll: Cli) -> None:
    model = "breast_cancer"
    empty.configure("params: {C: 0.5}", "params: {}", model)
    parts = "search: {trials: 4, space: {C: {low: 0.01, high: 5, log: true, start: 0.5}}}\nretrain: {max_age_days: 1}"
    empty.configure("schedule:", f"{parts}\ndrift: {{report: never}}\nschedule:", model)
    said = plimsoll("train", model, "--as-of", AS_OF)
    assert "Best of 4 trials" in said.out, said.said
    assert plimsoll("approve", model, 1, "--as", APPROVER).code == 0
    assert plimsoll("score", model, "--as-of", "2013-03-03").code == 0
    said = plimsoll("check", model, "--as-of", "2013-03-03")
    assert said.code == 0, said.said
    first, second = (e["facts"]["run"] for e in empty.ledger("trained", model=model))
    told = {record["run_id"]: (record["end"] or {}).get("outputs", {}) for record in empty.records()}
    assert told[second]["settings"]["origin"] == "champion"
    assert told[second]["settings"]["found_by"] == first
    assert told[second]["settings"]["values"] == told[first]["settings"]["values"]
    assert told[second]["bundle"] == told[first]["bundle"], "the same rows, the same settings, the same bytes"


def test_a_search_without_a_space_is_a_sentence(empty: Place, plimsoll: Cli) -> None:
    said = plimsoll("train", MODEL, "--as-of", AS_OF, "--search")
    assert said.code == 2
    assert "has no part search or shrink" in said.err


@pytest.mark.parametrize("part", ["search", "shrink"])
def test_a_mistake_is_said_before_anything_is_read(empty: Place, plimsoll: Cli, part: str) -> None:
    config = empty.root / f"configs/models/{MODEL}.yaml"
    config.write_text(config.read_text() + {"search": "search: {space: {}}", "shrink": "shrink: {}"}[part])
    said = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert said.code == 2
    assert f"{part}." in said.err
    assert not empty.records()
