"""A night

One night of flight_delay, 950 flights, scored and checked by the real flows against a real Prefect server on SQLite:
warm in a process that has done a night before, as a worker's subprocess or a replay does, and cold as
`plimsoll score` and `plimsoll check`, two new processes that import everything anew. Medians over nights of March
2013; a night that draws an Evidently report (the first alarm in a fortnight) is the slowest.
"""

import datetime as dt
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.children import environment, in_child, run_command, seconds_of
from benchmarks.figures import Figure, plain
from benchmarks.flights import MODEL

FIRST = dt.date(2013, 3, 1)
DAY = dt.timedelta(days=1)


def measure(full: bool) -> Iterator[Figure]:
    """Yield the seconds of a warm and of a cold night, whole and by part."""
    warm_nights, cold_nights = (21, 7) if full else (8, 3)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)):
        warm = in_child(live_warm, warm_nights + 1)[1:]
        cold = [run_cold(FIRST + DAY * n) for n in range(warm_nights + 1, warm_nights + 1 + cold_nights)]
    yield from told("warm", warm)
    yield plain("warm: slowest night, score and check", max(s + c for s, c in warm), "s")
    yield from told("cold", cold)


def told(how: str, nights: list[tuple[float, float]]) -> Iterator[Figure]:
    """Yield the medians over nights of (score, check) seconds."""
    yield plain(f"{how}: score and check", statistics.median(s + c for s, c in nights), "s")
    yield plain(f"{how}, of it: score", statistics.median(s for s, _ in nights), "s")
    yield plain(f"{how}, of it: check", statistics.median(c for _, c in nights), "s")


@contextmanager
def server(folder: Path) -> Iterator[None]:
    """Lay the data out in a temporary home and run a Prefect server on a free port around the block."""
    from flows.demo_data import lay_out_flights
    from tasks.processes import Fleet, free_port
    from tasks.servers import drain, prefect_server, quiet_console
    from tasks.workspace import open_workspace

    port = free_port()
    places = {"PLIMSOLL_HOME": str(folder / "home"), "PLIMSOLL_PREFECT__PORT": str(port)}
    with environment({**places, **quiet_console(), "PREFECT_HOME": str(folder / "home/prefect")}):
        workspace = open_workspace()
        lay_out_flights(workspace.data)
        ships = Fleet(workspace.home)
        try:
            ships.start(prefect_server(workspace))
            with environment({"PREFECT_API_URL": workspace.platform.api_url}):
                yield
        finally:
            ships.stop(partial(drain, workspace.platform.api_url))


def live_warm(nights: int) -> list[tuple[float, float]]:
    """Train and approve a champion, then live nights in this process; return (score, check) seconds of each."""
    from flows.demo_people import FIRST as WHO
    from flows.demo_people import Phone
    from tasks.approvals import submit_decision
    from tasks.workspace import open_workspace

    trained, workspace = run_flow("train_model", as_of=FIRST, requested_by="benchmark"), open_workspace()
    code, day = Phone(workspace, WHO).code(), str(FIRST)
    outcome = submit_decision(workspace, MODEL, trained["version"], "approve", WHO, "a benchmark", as_of=day, code=code)
    assert outcome.accepted, outcome.sentence
    days = [FIRST + DAY * n for n in range(nights)]
    return [(night_part("score_batch", day), night_part("check_drift", day)) for day in days]


def night_part(flow: str, day: dt.date) -> float:
    """Return the seconds of one flow over one day."""
    action: Callable[[], object] = partial(run_flow, flow, start=day, end=day, as_of=day)
    return seconds_of(action)


def run_flow(name: str, **parameters: Any) -> dict[str, Any]:
    """Run a flow in this process; raise what it raised."""
    from flows.running import run_here

    state, result = run_here(name, {"model": MODEL, **parameters})
    if isinstance(result, BaseException) or not state.is_completed():
        raise RuntimeError(f"{name}: {state.message}") from result
    return dict(result or {})


def run_cold(day: dt.date) -> tuple[float, float]:
    """Return the seconds of the two commands of one night."""
    dates = ("--date", str(day), "--as-of", str(day), "--json")
    return run_command("score", MODEL, *dates)[0], run_command("check", MODEL, *dates)[0]
