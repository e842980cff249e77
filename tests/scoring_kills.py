"""Kill scoring before and after each of its writes, look at what is left with other code than ours, and finish it.

A program of its own, since it forks: each try is a copy of one home and a child that ends by SIGKILL. What counts as a
step is not listed anywhere: Python tells of every file that is opened for writing, linked, renamed or removed, and the
writes of Arrow and delta-rs, of which it does not know, are wrapped. Further kills come at random moments, drawn from
a seed, and so fall inside those libraries too. Every try is named by its seed and number, and can be run alone.
"""

import datetime as dt
import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.forked import ended, in_child, start

MODEL, DATE, OTHER = "breast_cancer", "2013-03-02", "2013-03-01"
WRITES = os.O_WRONLY | os.O_RDWR
TOLD = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.symlink"}
HEAVY = (
    *("deltalake", "deltalake.fs", "deltalake.transaction", "duckdb_engine", "great_expectations", "mlflow", "prefect"),
    *("prefect.deployments", "pyarrow.compute", "pyarrow.fs", "pyarrow.parquet", "skops.io", "sklearn.linear_model"),
    *("sklearn.pipeline", "plimsoll.training", "tasks.artifacts", "tasks.records", "tasks.score_date", "xgboost"),
)
Rows = list[tuple[int, str, str]]  # version, key, score as its bytes


def main(folder: Path, seed: int, wanted: int, first: int) -> None:
    """Kill at every second step of three scenes, then at random moments until there were enough; say what was done."""
    for name in HEAVY:
        importlib.import_module(name)  # once, not in every child
    os.environ |= {"PLIMSOLL_DATA": str(folder / "landing"), "PLIMSOLL_ROOT": str(folder / "project")}
    scenes = prepare(folder)
    reference, seconds = uninterrupted(folder, scenes["fresh"])
    told = {name: every_step(folder, name, scene, reference, first) for name, scene in scenes.items()}
    draw, tries = random.Random(seed), {"kill": kill, "race": race, "zombie": zombie}  # noqa: S311
    told |= dict.fromkeys(tries, 0)
    while sum(told.values()) < wanted:
        scene, way = draw.choice(sorted(scenes)), draw.choice(sorted(tries))
        home = folder / f"{scene}-{way}-{seed}-{told[way]}"
        shutil.copytree(scenes[scene], home)
        tries[way](home, draw.uniform(0, seconds))
        settled(home, reference)
        told[way] += 1
    sys.stdout.write(json.dumps(told) + "\n")


def prepare(folder: Path) -> dict[str, Path]:
    """Return homes to start from: no table yet, a table with another date, and a run that died after its commit."""
    from flows.demo_data import lay_out_breast_cancer
    from tests.flows import places

    (folder / "landing").mkdir(parents=True)
    lay_out_breast_cancer(folder / "landing")
    places.copy_project(places.ROOT, folder / "project")
    homes = {name: folder / f"home-{name}" for name in ("fresh", "table", "owing")}
    assert in_child(lambda: make_champion(homes["fresh"])) == 0
    for name, before in (("table", "fresh"), ("owing", "table")):
        shutil.copytree(homes[before], homes[name])
        assert in_child(lambda home=homes[name]: score(home, OTHER)) == 0  # type: ignore[misc]
    died = in_child(lambda: score(homes["owing"], DATE, die_at="create_write_transaction after"))
    assert died == signal.SIGKILL, died
    return homes


def make_champion(home: Path) -> None:
    """Enter a version as champion and another one that waits, without the server that flows need."""
    from plimsoll.assembly import attach_outcome
    from plimsoll.part_files import read_part
    from plimsoll.training import give_pseudo_days, train_bundle
    from tasks.assemble import UNDIVIDED, assemble_batch
    from tasks.bundles import keep_bundle
    from tasks.landing import keep_snapshot
    from tasks.records import recording

    os.environ["PLIMSOLL_HOME"] = str(home)
    with recording("train_model", MODEL, dt.date(2013, 3, 1), {}) as run:
        snapshot = keep_snapshot(run, [], outcomes=True)
        late = read_part(run.store, snapshot.tables["outcome"][0], "outcomes")
        found, _ = assemble_batch(run.workspace, run.config, snapshot, UNDIVIDED, home)  # and keep the verdict
        rows = attach_outcome(found.frame(), late, run.config)
        bundle = train_bundle(give_pseudo_days(rows), run.config)
        keep_bundle(run.workspace, bundle)
        evidence = {"bundle": bundle.digest, "snapshot": snapshot.id}
        for number in (1, 2):
            facts = {
                **evidence,
                "rows": len(rows),
                "cause": "",
                "cause_key": "",
                "mlflow_run": "",
                "trained_through": "",
            }
            run.decide("trained", {"version": number, **facts})
            ask(run, number, evidence)
        run.decide("approved", {"version": 1, "evidence": evidence, "comment": ""}, by="grace")
        run.decide("promoted", {"version": 1, "approval": 4}, by="grace")


def ask(run: Any, version: int, evidence: dict[str, str]) -> None:
    """Enter a request for promotion that a person could answer, as train_model would."""
    from plimsoll.model_config import Approval

    terms = {"policy": Approval().model_dump(mode="json"), "expires_at": "2100-01-01T00:00:00+00:00"}
    run.decide("promotion_requested", {"version": version, "evidence": evidence, "requested_by": "ada", **terms})


def score(home: Path, date: str, die_at: str | int = -1, steps: list[str] | None = None) -> None:
    """Score a date by the champion and its challenger; die at a step, by its number or by its name."""
    from plimsoll.predictions import Served
    from tasks.bundles import fetch_bundle
    from tasks.records import recording
    from tasks.score_date import score_date

    os.environ["PLIMSOLL_HOME"] = str(home)
    watch(home, die_at, [] if steps is None else steps)
    with recording("score_batch", MODEL, dt.date.fromisoformat(date), {}) as run:
        bundle = fetch_bundle(run.workspace, MODEL, 1, run.standing().versions[0].bundle)
        result = score_date(run, [Served(1, "champion", bundle), Served(2, "challenger", bundle)], date)
        assert result.state in ("committed", "already"), result


def watch(home: Path, die_at: str | int, steps: list[str]) -> None:
    """Note every step from here on, and die at one."""

    def step(name: str) -> None:
        steps.append(name)
        if die_at in (len(steps) - 1, name):
            os.kill(os.getpid(), signal.SIGKILL)

    def heard(event: str, given: tuple[Any, ...]) -> None:
        path = str(given[0]) if given else ""
        if event == "open" and isinstance(given[2], int) and given[2] & WRITES and str(home) in path:
            step(f"open {Path(path).name[:20]}")
        elif event in TOLD and any(str(home) in str(one) for one in given):
            step(event)

    from deltalake import DeltaTable

    from tasks.staging import Stage

    for owner, name in ((Stage, "open"), (Stage, "write"), (Stage, "close"), (DeltaTable, "create_write_transaction")):
        setattr(owner, name, around(step, name, getattr(owner, name)))
    sys.addaudithook(heard)


def around(step: Callable[[str], None], name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes a step before it and one after it."""

    def outer(*given: Any, **named: Any) -> Any:
        step(f"{name} before")
        done = inner(*given, **named)
        step(f"{name} after")
        return done

    return outer


def uninterrupted(folder: Path, scene: Path) -> tuple[Rows, float]:
    """Return what a run that nobody disturbs makes visible, and how long it takes."""
    home = folder / "reference"
    shutil.copytree(scene, home)
    began = time.monotonic()
    assert in_child(lambda: score(home, DATE)) == 0
    rows = visible(home)
    assert len(rows) == 2 * 569, len(rows)
    return rows, time.monotonic() - began


def every_step(folder: Path, name: str, scene: Path, reference: Rows, first: int) -> int:
    """Kill at every second step from the first on, until a run comes through; return how many kills that were."""
    at, code = first, -1
    while code != 0:
        home = folder / f"{name}-{at}"
        shutil.copytree(scene, home)
        code = in_child(lambda home=home, at=at: score(home, DATE, die_at=at))  # type: ignore[misc]
        assert code in (0, signal.SIGKILL), (home, code)
        settled(home, reference)
        at += 2
    return (at - first) // 2 - 1


def kill(home: Path, after: float) -> None:
    """Kill a run at a moment."""
    code = in_child(lambda: score(home, DATE), after)
    assert code in (0, signal.SIGKILL), (home, code)


def race(home: Path, after: float) -> None:
    """Kill one of two runs at a moment; the other one must come through."""
    other = start(lambda: score(home, DATE))
    kill(home, after)
    assert ended(other) == 0, home


def zombie(home: Path, after: float) -> None:
    """Stop a run at a moment, let another one take its batch over, and wake the first one again."""
    asleep = start(lambda: score(home, DATE))
    time.sleep(after)
    os.kill(asleep, signal.SIGSTOP)
    assert in_child(lambda: score(home, DATE)) == 0, home
    os.kill(asleep, signal.SIGCONT)
    assert ended(asleep) == 0, home


def settled(home: Path, reference: Rows) -> None:
    """Check that a batch is there wholly or not at all; run it once more, and check that it is there once."""
    left = visible(home)
    for version in (1, 2):
        mine, whole = ([row for row in rows if row[0] == version] for rows in (left, reference))
        assert mine in ([], whole), f"{home}: {len(mine)} of {len(whole)} rows of v{version}, or other scores"
    assert in_child(lambda: score(home, DATE)) == 0, home
    assert visible(home) == reference, home
    assert entries(home) == ["1", "2"], home
    shutil.rmtree(home)


def visible(home: Path) -> Rows:
    """Return what a reader of the table sees of the date, read with nothing but JSON and parquet."""
    import pyarrow.parquet as pq

    live: dict[str, dict[str, str]] = {}
    for log in sorted((home / "predictions/_delta_log").glob("*.json")):
        for action in map(json.loads, log.read_text().splitlines()):
            if "add" in action:
                live[action["add"]["path"]] = action["add"]["partitionValues"]
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
    rows: Rows = []
    for path, place in live.items():
        if place["batch_date"] == DATE:
            table = pq.ParquetFile(home / "predictions" / path).read(["key", "score"]).to_pydict()
            scores = (value.hex() for value in table["score"])
            rows += [(int(place["version"]), key, value) for key, value in zip(table["key"], scores, strict=True)]
    return sorted(rows)


def entries(home: Path) -> list[str]:
    """Return the versions whose result of the date was entered in the ledger, one of each entry."""
    found = (json.loads(path.read_text()) for path in (home / f"store/ledger/{MODEL}").glob("*.json"))
    about = (e["facts"] for e in found if e["kind"] == "batch_committed" and e["facts"]["date"] == DATE)
    return sorted(version for facts in about for version in facts["versions"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
