"""Run schedulers and backfills against each other, late, twice, out of order and with clocks that differ.

A program of its own, since it forks. Each round is a copy of one home in which no date was scored, and some runs
started at once, each in a process of its own; what is left is read with other code than ours. A round is named by its
scene, its seed and its number, and can be run alone.
"""

import datetime as dt
import importlib
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.forked import ended, in_child, start
from tests.scoring_faults import ALL, DATES, Scene, Seen, check, land, prepare, score, visible
from tests.scoring_kills import HEAVY

Work = Callable[[], object]
DAY = dt.timedelta(days=1)


def main(folder: Path, seed: int, rounds: int, only: int = -1) -> None:
    """Run some rounds of drawn scenes, or one of them alone; say how many there were of each."""
    for name in HEAVY:
        importlib.import_module(name)
    assert in_child(lambda: prepare(folder)) == 0
    scene = Scene(folder / "home", folder / "landing", folder / "project")
    wanted = reference(scene, folder / "reference")
    counts = Counter[str]()
    for n in range(rounds):
        draw = random.Random(f"{seed}/{n}")  # noqa: S311
        name = [*SCENES][n % len(SCENES)]
        if only in (-1, n):
            there = scene.copy(folder / f"{name}-{n}")
            where = f"{name}, seed {seed}, round {n}"
            together(SCENES[name](there, draw), where)
            check(there.files(), wanted, where)
            assert in_child(lambda there=there: score(there, DATES)) == 0, where  # type: ignore[misc]
            check(there.files(), wanted, where, ALL)
            shutil.rmtree(there.home)
            counts[name] += 1
            sys.stdout.write(f"{where}: once\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps(counts) + "\n")


def reference(scene: Scene, home: Path) -> dict[str, Seen]:
    """Return what one run makes visible of each date; its verdicts are kept, so that no round waits for them."""
    there = scene.copy(home)
    assert in_child(lambda: score(there, DATES)) == 0
    shutil.copytree(home / "store/verdicts", scene.home / "store/verdicts", dirs_exist_ok=True)
    wanted = {date: visible(there.files(), date) for date in DATES}
    assert len({str(seen) for seen in wanted.values()}) == len(DATES), "dates differ, so a mix-up would be seen"
    check(there.files(), wanted, "undisturbed", ALL)
    return wanted


def together(runs: list[Work], where: str) -> None:
    """Start runs at once, and assert that each came through."""
    pids = [start(run) for run in runs]
    assert [ended(pid) for pid in pids] == [0] * len(runs), where


def schedulers(scene: Scene, draw: random.Random) -> list[Work]:
    """Two or three runs over the same dates, each in an order of its own, some of them naming a date twice."""
    orders = [draw.choices(DATES, k=4) if draw.random() < 0.3 else draw.sample(DATES, 3) for _ in range(3)]
    return [lambda order=order: score(scene, order, before_each=pause(draw)) for order in orders[: draw.choice([2, 3])]]  # type: ignore[misc]


def backfills(scene: Scene, draw: random.Random) -> list[Work]:
    """The nightly run, a backfill over a range that its date lies in, and one by a single version."""
    nightly: Work = lambda: score(scene, before_each=pause(draw))  # noqa: E731
    over: Work = lambda: score(scene, DATES, before_each=pause(draw))  # noqa: E731
    version, some = draw.choice(ALL), draw.sample(DATES, 2)
    return [nightly, over, lambda: score(scene, some, version, before_each=pause(draw))]


def redelivered(scene: Scene, draw: random.Random) -> list[Work]:
    """Out of order, one date twice and once more after its file came again: what was visible stays."""

    def run() -> None:
        for date in (DATES[2], DATES[0], DATES[1], DATES[0]):
            score(scene, [date])
        late = draw.choice(DATES)
        land(scene, late, draw.randrange(100, 200))  # other samples in another order
        score(scene, [late])
        score(scene)
        land(scene, late, DATES.index(late))

    return [run]


def clocks(scene: Scene, draw: random.Random) -> list[Work]:
    """Two hosts whose clocks are a day apart from the third one's, or from each other's two."""
    by = draw.sample((-DAY, 0 * DAY, DAY), 2)
    return [lambda one=one: shifted(one, lambda: score(scene, DATES, before_each=pause(draw))) for one in by]  # type: ignore[misc]


def overtaken(scene: Scene, draw: random.Random) -> list[Work]:
    """A run sleeps between a commit and its entry; meanwhile others score the date, by a version and by all."""
    date, version = draw.choice(DATES), draw.choice(ALL)
    others: list[Work] = [lambda: score(scene, [date], version), lambda: score(scene, [date])]
    asleep, woken = scene.home / "asleep", scene.home / "woken"

    def sleeper() -> None:
        from tasks.records import Run

        decide = Run.decide

        def late(self: Run, *given: Any, **named: Any) -> Any:
            if str(version) in given[1].get("versions", {}):
                asleep.touch()
                wait_for(woken)
            return decide(self, *given, **named)

        Run.decide = late  # type: ignore[method-assign]
        score(scene, [date])

    def other(work: Work) -> None:
        wait_for(asleep)
        try:
            work()
        finally:
            woken.touch()

    return [sleeper, lambda: other(draw.choice(others))]


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    until = time.monotonic() + 100
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert path.exists(), path


SCENES: dict[str, Callable[[Scene, random.Random], list[Work]]] = {
    "schedulers": schedulers,
    "backfills": backfills,
    "redelivered": redelivered,
    "clocks": clocks,
    "overtaken": overtaken,
}


def pause(draw: random.Random) -> Callable[[], None]:
    """Return a wait of a few hundredths of a second, so that runs meet at other places each time."""
    seed = draw.random()
    mine = random.Random(seed)  # noqa: S311
    return lambda: time.sleep(mine.uniform(0, 0.3))


def shifted(by: dt.timedelta, work: Work) -> None:
    """Do some work on a host whose clock is wrong by some time: every clock that this project reads."""
    import plimsoll
    import tasks

    real = time.time

    class Clock(dt.datetime):
        """The wrong clock."""

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.now(tz) + by

    ours = [
        module for name, module in sys.modules.items() if name.startswith((f"{tasks.__name__}.", plimsoll.__name__))
    ]
    for module in ours:
        if getattr(module, "datetime", None) is dt.datetime:
            module.datetime = Clock  # type: ignore[attr-defined]
    time.time = lambda: real() + by.total_seconds()
    wrong = dt.datetime.fromisoformat(sys.modules["tasks.records"].utc_now())
    assert abs(wrong - dt.datetime.fromtimestamp(real(), dt.UTC) - by) < dt.timedelta(minutes=1)
    work()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
