"""Many models

A night of many models: flight_delay under many names, each with a ledger and a champion of its own (twenty days, twenty
trees), served by the commands that a worker runs, two at a time: a new process imports everything for every flow. With
`--full` fifty and a hundred models, else four and eight. Linear means that twice the models take twice the seconds.

And one check alone, on a hundred columns, half of them words, from the profiles of ninety training days and thirty
nights: seconds of processor of everything that is judged about a night, with profiles of a thousand and of twenty
thousand rows a day. A profile is as large whatever its rows, and no row is read.
"""

import datetime as dt
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.children import environment, in_child, run_command, seconds_of
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL
from benchmarks.nightly import server
from plimsoll.profile import plan_profile, profile_batch
from plimsoll.trailing import judge_both

NIGHT = dt.date(2013, 3, 2)
# a person's codes count once each, and there is a new one every half minute
BY_POLICY = {"policy: person": "policy: automatic"}
LANES = 2
NIGHT_MINUTES, CHECK_SECONDS, LINEAR, SAME = 10.0, 1.0, 2.2, 1.2
COLUMNS, DAYS, NIGHTS, SEED = 100, 90, 30, 11


def measure(full: bool) -> Iterator[Figure]:
    """Yield the minutes of a night of few and of twice as many models, and the seconds of one wide check."""
    few, many = (50, 100) if full else (4, 8)
    checks = {rows: in_child(judge_seconds, rows) for rows in (1_000, 20_000)}
    for rows, seconds in checks.items():
        yield at_most(f"one check, {COLUMNS} columns, {rows:,} rows a day: processor", seconds, "s", CHECK_SECONDS)
    yield at_most("the one over the other", checks[20_000] / checks[1_000], "×", SAME)
    found = {}
    for models in (few, many):
        scored, checked = found[models] = night(models)
        asked = at_most if models == 100 else lambda figure, value, unit, _: plain(figure, value, unit)
        yield asked(f"{models} models: checks", checked / 60, "min", NIGHT_MINUTES)
        yield asked(f"{models} models: scores and checks", (scored + checked) / 60, "min", NIGHT_MINUTES)
    yield at_most(f"{many} models over {few}", sum(found[many]) / sum(found[few]), "×", LINEAR)


def night(models: int) -> tuple[float, float]:
    """Return the seconds in which so many models, trained before, score a night, and then check it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = make_project(folder / "project", models)
        with server(folder), environment({**os.environ, "PLIMSOLL_ROOT": str(folder / "project")}):
            in_child(train_all, names)
            return commands("score", names), commands("check", names)


def make_project(root: Path, models: int) -> list[str]:
    """Write a project with so many models of their own names, and return the names."""
    from tests.flows.places import ROOT, SMALL, copy_project

    copy_project(ROOT, root)
    for one in (root / "configs/models").glob("*.yaml"):
        one.unlink()
    config = (ROOT / f"configs/models/{MODEL}.yaml").read_text()
    for old, new in {**SMALL, **BY_POLICY}.items():
        config = config.replace(old, new)
    suite = root / f"great_expectations/expectations/{MODEL}.json"
    names = [f"delay_{number:03d}" for number in range(models)]
    for name in names:
        (root / f"configs/models/{name}.yaml").write_text(config.replace(f"model: {MODEL}\n", f"model: {name}\n"))
        suite.with_stem(name).write_text(suite.read_text())
    return names


def train_all(names: list[str]) -> None:
    """Train and promote a champion of every model, in this process."""
    from flows.running import run_here
    from tasks.approvals import submit_policy
    from tasks.workspace import open_workspace

    for name in names:
        state, result = run_here("train_model", {"model": name, "as_of": NIGHT, "requested_by": "benchmark"})
        assert state.is_completed(), state.message
        assert submit_policy(open_workspace(), name, result["version"]).accepted, result["sentence"]


def commands(word: str, names: list[str]) -> float:
    """Return the seconds in which a command is run for every model, two at a time."""
    one = partial(run_command, word)
    dates = ("--date", str(NIGHT), "--as-of", str(NIGHT), "--json")
    with ThreadPoolExecutor(LANES) as lanes:
        return seconds_of(lambda: list(lanes.map(lambda name: one(name, *dates), names)))


def judge_seconds(rows: int) -> float:
    """Return the processor's seconds of one night's verdict on both references, the least of three."""
    chance = np.random.default_rng(SEED)
    days = [made_day(chance, min(rows, 1_000)) for _ in range(DAYS + NIGHTS)]
    times = rows // len(days[0])
    plan = plan_profile(pd.concat(days), {c: "category" if c.startswith("word") else "number" for c in days[0]})
    profiles = [profile_batch(plan, pd.concat([day] * times) if times > 1 else day) for day in days]
    dates = [str(dt.date(2013, 1, 1) + dt.timedelta(days=n)) for n in range(len(profiles))]
    dated = list(zip(dates, profiles, strict=True))
    reference, (date, tonight) = dict(dated[:DAYS]), dated[-1]
    found = []
    for _ in range(3):
        begun = time.process_time()
        judge_both(plan, reference, dict(dated[DAYS:-1]), date, tonight, 14, {})
        found.append(time.process_time() - begun)
    return min(found)


def made_day(chance: np.random.Generator, rows: int) -> pd.DataFrame:
    """Return a day of a table whose columns move a little from day to day."""
    half = COLUMNS // 2
    moved = chance.normal(0, 0.1, half)
    numbers = {f"number{n}": chance.normal(moved[n], 1, rows) for n in range(half)}
    words = {f"word{n}": chance.choice(list("abcdefghijkl"), rows) for n in range(COLUMNS - half)}
    return pd.DataFrame({**numbers, **words})
