"""What tests of scoring under faults share: a small model by dates, ways to score, and a reader that is not ours.

The model is the breast-cancer one, its samples delivered by date: a champion and two challengers, in seconds and
without a server. What became of a batch is read with nothing but JSON and parquet, per version and date.
"""

import datetime as dt
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from tests.scoring_kills import MODEL, ask, make_champion

DATES = ("2013-03-01", "2013-03-02", "2013-03-03")
CHAMPION, ALL = 1, (1, 2, 3)
ROWS = 120
DATED = {
    "kind: table": "kind: dates",
    "path: breast_cancer/samples.parquet": "path: samples\n  event_time: taken_at",
    "path: breast_cancer/diagnoses.parquet": "path: diagnoses",
}
Files = Mapping[str, bytes]  # of predictions/ and store/ledger/, by their path
Seen = dict[int, list[tuple[str, str]]]  # version → keys and the bytes of their scores, in the order of the table


@dataclass(frozen=True)
class Scene:
    """A home, a landing folder and a project folder, and variables that say more."""

    home: Path
    data: Path
    root: Path
    more: tuple[tuple[str, str], ...] = ()

    def enter(self) -> None:
        """Make this process work here."""
        places = {"PLIMSOLL_HOME": self.home, "PLIMSOLL_DATA": self.data, "PLIMSOLL_ROOT": self.root}
        os.environ |= {**{name: str(place) for name, place in places.items()}, **dict(self.more)}

    def copy(self, home: Path, **more: str) -> "Scene":
        """Return a copy with a home of its own."""
        shutil.copytree(self.home, home)
        return replace(self, home=home, more=(*self.more, *more.items()))

    def files(self) -> Files:
        """Return what lies in the home, as a reader of the table and of the ledger finds it."""
        found = (p for part in ("predictions", "store/ledger") for p in (self.home / part).rglob("*") if p.is_file())
        return {path.relative_to(self.home).as_posix(): path.read_bytes() for path in found}


def prepare(folder: Path, amend: Callable[[Path], object] = lambda _: None) -> Scene:
    """Return a scene where v1 is champion, v2 and v3 wait, three dates have landed and none was scored.

    amend changes the project before it trains.
    """
    from flows.demo_data import lay_out_breast_cancer
    from tasks.records import recording
    from tests.flows import places

    scene = Scene(folder / "home", folder / "landing", folder / "project")
    lay_out_breast_cancer(scene.data)
    amend(places.copy_project(places.ROOT, scene.root))
    scene.enter()
    make_champion(scene.home)
    with recording("train_model", MODEL, dt.date(2013, 3, 1), {}) as run:
        known = run.standing().versions[0].trained.facts
        facts = {name: value for name, value in known.items() if name not in ("run", "record")}
        run.decide("trained", {**facts, "version": 3})
        evidence = {"bundle": facts["bundle"], "snapshot": facts["snapshot"]}
        ask(run, 3, evidence)
    config = scene.root / f"configs/models/{MODEL}.yaml"
    for old, new in DATED.items():
        assert old in config.read_text(), old
        config.write_text(config.read_text().replace(old, new, 1))
    for seed, date in enumerate(DATES):
        land(scene, date, seed)
    return scene


def land(scene: Scene, date: str, seed: int, named_by: str = "") -> None:
    """Deliver the samples of a date, named by it or by another one: which, in which order, follows from the seed."""
    samples = pq.ParquetFile(scene.data / "breast_cancer/samples.parquet").read().to_pandas()
    drawn, name = samples.sample(ROWS, random_state=seed), named_by or date
    taken_at = dt.datetime.fromisoformat(f"{name}T12:00:00+00:00")
    drawn = drawn.assign(sample_id=[f"{name}/{one}" for one in drawn["sample_id"]], taken_at=taken_at)
    path = scene.data / f"samples/{date}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pandas(drawn, preserve_index=False), path.with_suffix(".arriving"))
    path.with_suffix(".arriving").replace(path)


def score(
    scene: Scene,
    dates: Sequence[str] = (),
    version: int | None = None,
    as_of: str | None = DATES[-1],
    before_each: Callable[[], object] = lambda: None,
) -> list[Any]:
    """Do what `score_batch` does, without its server: some dates in their order, or what a nightly run would take.

    By a version alone, or by the champion and its challengers. Without as_of the business date is that of the clock.
    """
    from plimsoll.predictions import Role, Served
    from tasks.batches import dates_to_score, roles_of
    from tasks.bundles import fetch_bundle
    from tasks.records import recording
    from tasks.score_date import score_date

    scene.enter()
    with recording("score_batch", MODEL, dt.date.fromisoformat(as_of) if as_of else None, {"version": version}) as run:
        standing = run.standing()
        roles: list[tuple[int, Role]] = roles_of(run.config, standing, CHAMPION)
        if version:
            roles = [(version, "champion" if version == CHAMPION else "backfill")]
        bundle = fetch_bundle(run.workspace, MODEL, CHAMPION, standing.versions[0].bundle)
        served = [Served(number, role, bundle) for number, role in roles]
        results = []
        for date in dates or dates_to_score(run, None, None):
            before_each()
            results.append(score_date(run, served, date))
        assert all(one.state in ("committed", "already") for one in results), results
        return results


def told(work: Callable[[], object], says: Path) -> Callable[[], None]:
    """Return work that writes to a file what an error of this project says; any other error goes its way."""
    from plimsoll.errors import PlimsollError

    def do() -> None:
        try:
            work()
        except PlimsollError as error:
            says.write_text(f"{type(error).__name__}: {error}")

    return do


def visible(files: Files, date: str) -> Seen:
    """Return what a reader of the table sees of a date, by version; rows of one version are of one run."""
    live: dict[str, dict[str, str]] = {}
    for name in sorted(name for name in files if name.startswith("predictions/_delta_log/") and name[-5:] == ".json"):
        actions = [json.loads(line) for line in files[name].splitlines()]
        for action in actions:  # within one commit the order means nothing
            live.pop(action.get("remove", {}).get("path", ""), None)
        live |= {a["add"]["path"]: a["add"]["partitionValues"] for a in actions if "add" in a}
    seen: Seen = {}
    for path, place in live.items():
        if place["batch_date"] == date:
            rows = pq.ParquetFile(pa.BufferReader(files[f"predictions/{unquote(path)}"])).read().to_pydict()
            assert len({*zip(rows["role"], rows["run"], rows["snapshot"], strict=True)}) == 1, path
            pairs = zip(rows["key"], (value.hex() for value in rows["score"]), strict=True)
            seen.setdefault(int(place["version"]), []).extend(pairs)
    return seen


def entries(files: Files, date: str) -> Counter[int]:
    """Return how often the ledger says of each version that its result for a date was committed."""
    found = (json.loads(body) for name, body in files.items() if name.startswith("store/ledger/"))
    about = (entry["facts"] for entry in found if entry["kind"] == "batch_committed" and entry["facts"]["date"] == date)
    return Counter(int(version) for facts in about for version in facts["versions"])


def check(files: Files, wanted: Mapping[str, Seen], where: object, done: Sequence[int] = ()) -> None:
    """Assert that each version's result for each date is there wholly or not at all, and was entered at most once.

    Of the versions that are done it is there, and was entered once. No fault makes a batch a rejected one.
    """
    assert not [name for name, body in files.items() if b'"kind":"batch_rejected"' in body], where
    for date, whole in wanted.items():
        seen, entered = visible(files, date), entries(files, date)
        there = f"{where}: of {date} v{sorted(seen)} are visible, entered were {dict(entered)}"
        for version, rows in seen.items():
            assert rows == whole[version], f"{where}: {date} v{version} has {len(rows)} rows, or other scores"
        assert set(entered) <= set(seen), there
        assert all(count == 1 for count in entered.values()), there
        assert set(done) <= set(seen), there
        assert set(done) <= set(entered), there
