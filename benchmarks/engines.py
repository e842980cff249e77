"""Engines

Nights of 250,000 flights, a million each with `--full`, scored whole (read, join, validate, score, commit, enter) by
each engine: one after the other in the run's own process, by two processes, and by a Dask cluster of one worker and of
two. Engines take turns, two nights at a time or four, each time other ones of the same size; the processes' start,
some seconds of imports, is part of their time, that of the workers is not. A ratio is the plain loop's seconds over
the engine's: 2 is twice as fast. On two cores the plain loop is busy on both already, so no more than a little is to
be gained; what more machines bring, this cannot say.

Then one of two workers is killed with -9 after the first night is done: how many nights are scored twice. A night that
was committed, and of which the run had not heard yet, is looked up and not scored again.
"""

import datetime as dt
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.children import ROOT, environment, in_child
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL, open_bundle
from benchmarks.scoring_place import PART_ROWS, bundle_folder, prepare, write_night
from tasks.partition import Job, Part

KILLED = 4  # nights under way while a worker is killed
WARM = (1, 0, 1, 2)  # nights before the clock runs, by engine: whoever stays has scored one
FIRST = dt.date(2013, 6, 1)
FOUND = "found"  # told of a night that needed no scoring
TOLD = "BENCHMARK_BEGUN"  # names the file in which every begun night is noted


def measure(full: bool) -> Iterator[Figure]:
    """Yield each engine's rows per second and its ratio to the plain loop, and what a killed worker costs."""
    rows, nights, rounds = (4 * PART_ROWS, 4, 3) if full else (PART_ROWS, 2, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare, folder, rows)
        places = {"HOME": folder / "home", "DATA": folder / "landing", "ROOT": folder / "project"}
        variables = {f"PLIMSOLL_{place}": str(path) for place, path in places.items()}
        with environment(variables), clusters(folder) as engines:
            in_child(write_nights, folder, rows, sum(WARM) + nights * len(engines) * rounds + KILLED)
            seconds, twice = in_child(take_turns, folder, engines, nights, rounds)
        yield from told(rows * nights * rounds, seconds)
        yield at_most("kill -9 of one of two workers: nights scored twice", twice, "nights", 1)


def told(rows: int, seconds: Mapping[str, float]) -> Iterator[Figure]:
    """Yield the figures of the engines, the plain loop first."""
    loop = next(iter(seconds.values()))
    for engine, one in seconds.items():
        yield plain(f"{engine}: rows", rows / one, "per s")
        if one != loop:
            yield plain(f"{engine} against the plain loop", loop / one, "×")
    yield plain("Dask, two workers against one", seconds["Dask, one worker"] / seconds["Dask, two workers"], "×")


@contextmanager
def clusters(folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Start a cluster of one worker and one of two, and yield every engine's variables by its name."""
    from tasks.dask_servers import dask_scheduler, dask_variables, dask_workers
    from tasks.processes import Fleet, free_port
    from tasks.workspace import open_workspace

    engines = {"plain loop": {}, "two processes, started anew": {"PLIMSOLL_PROCESSES": "2"}}
    ships = Fleet(open_workspace().home)
    try:
        for count, said in ((1, "one worker"), (2, "two workers")):
            here = {"PYTHONPATH": str(ROOT), TOLD: str(folder / "begun")}
            with environment({"PLIMSOLL_DASK__PORT": str(free_port()), **here}):
                workspace = open_workspace()
                for server in (dask_scheduler(workspace), dask_workers(workspace, count)):
                    ships.start(replace(server, name=f"{server.name}-{count}"))
                engines[f"Dask, {said}"] = dask_variables(workspace)
        yield engines
    finally:
        ships.stop(lambda: None)


def night(number: int) -> str:
    """Return the date of a night."""
    return (FIRST + dt.timedelta(days=number)).isoformat()


def write_nights(folder: Path, rows: int, count: int) -> None:
    """Write so many nights' exports."""
    for number in range(count):
        write_night(folder, rows, night(number))


def take_turns(
    folder: Path, engines: dict[str, dict[str, str]], nights: int, rounds: int
) -> tuple[dict[str, float], int]:
    """Return the seconds of each engine, and how many nights were scored twice where a worker was killed."""
    seconds, dates = dict.fromkeys(engines, 0.0), map(night, range(10_000))
    for variables, warm in zip(engines.values(), WARM, strict=True):
        score(folder, variables, [next(dates) for _ in range(warm)])
    for _ in range(rounds):
        for engine, variables in engines.items():
            seconds[engine] += score(folder, variables, [next(dates) for _ in range(nights)])
    return seconds, kill_one(folder, engines["Dask, two workers"], [next(dates) for _ in range(KILLED)])


def score(folder: Path, variables: Mapping[str, str], dates: list[str]) -> float:
    """Score dates on the engine that variables name and return the seconds."""
    from plimsoll.predictions import Served
    from tasks.bundles import keep_bundle
    from tasks.engines import score_each
    from tasks.records import recording

    bundle = open_bundle(bundle_folder(folder))
    with environment(variables), recording("score_batch", MODEL, FIRST, {}) as run:
        keep_bundle(run.workspace, bundle)
        begun = time.perf_counter()
        for result in score_each(run, [Served(1, "champion", bundle)], dates):
            assert result.state == "committed", result.sentence
        return time.perf_counter() - begun


def kill_one(folder: Path, variables: Mapping[str, str], dates: list[str]) -> int:
    """Kill one of the workers once a night is done; return how many nights were scored more than once."""
    import threading

    from distributed import Client

    from tasks import dask_engine

    dask_engine.score_or_raise = score_telling
    with Client(variables["PLIMSOLL_DASK__SCHEDULER"], set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
    threading.Thread(target=kill_after_first, args=(folder / "begun", victim), daemon=True).start()
    score(folder, variables, dates)
    told = Counter((folder / "begun").read_text().split())
    assert set(told) - {FOUND} == set(dates)
    return told.total() - len(dates) - 2 * told[FOUND]


def kill_after_first(told_in: Path, victim: int) -> None:
    """Kill a process once more nights were begun than there are workers: one is done, and two are under way."""
    while not told_in.exists() or len(told_in.read_text().split()) < 3:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(victim, signal.SIGKILL)


def score_telling(job: Job) -> Part:
    """Do what Dask's workers do; tell that a night was begun, and at its end whether it was there already."""
    from tasks.partition import score_partition

    with Path(os.environ[TOLD]).open("a", buffering=1) as file:
        file.write(f"{job.date}\n")
        part = score_partition(job)
        if part.result and "scored it in run" in part.result.sentence:
            file.write(f"{FOUND}\n")
    return part
