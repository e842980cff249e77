"""Fleet

`plimsoll fleet` over a family, each of its models with a champion, a challenger beside it and so many nights of
batches, decisions and late losses in the store: 50 and 100 models of 40 nights, of a year with `--full`. Folded anew is
what the first look costs when no line was kept; kept is what every look costs when nothing has happened since, as
after a night that was checked. Linear means that twice the models take at most twice the seconds and no more memory.
"""

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.children import environment, in_child, peak_rss_mib, seconds_of
from benchmarks.families import FAMILY, make_project
from benchmarks.figures import Figure, at_most, plain

FEW, MANY = 50, 100
SINCE = dt.date(2013, 1, 1)
NIGHTS, YEAR = 40, 360
LINEAR, SAME = 2.2, 1.25
KEPT_SECONDS = 5.0
LOOKS = 5


def measure(full: bool) -> Iterator[Figure]:
    """Yield the seconds and the peak memory of the fleet's page for few and for twice as many models."""
    nights = YEAR if full else NIGHTS
    found = fleets_of((FEW, MANY), nights)
    for models, (anew, kept, peak) in found.items():
        yield plain(f"{models} models of {nights} nights: folded anew", anew, "s")
        name = f"{models} models of {nights} nights: kept"
        yield at_most(name, kept, "s", KEPT_SECONDS) if models == MANY else plain(name, kept, "s")
        yield plain(f"{models} models of {nights} nights: peak memory", peak, "MiB")
    for name, at, goal in (("folded anew", 0, LINEAR), ("kept", 1, LINEAR), ("peak memory", 2, SAME)):
        yield at_most(f"{MANY} models over {FEW}: {name}", found[MANY][at] / found[FEW][at], "×", goal)


def fleets_of(counts: tuple[int, ...], nights: int) -> dict[int, tuple[float, float, float]]:
    """Return by number of models the seconds of a first and of a second look, and the peak memory (MiB).

    All have the ledgers of the most models; the configs of fewer name some of them.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for models in counts:
            make_project(folder / f"project-{models}", models)
        places = {"HOME": folder / "home", "DATA": folder / "data", "ROOT": folder / f"project-{max(counts)}"}
        with environment({**os.environ, **{f"PLIMSOLL_{name}": str(path) for name, path in places.items()}}):
            in_child(live, nights)
            return {models: look_of(folder, models) for models in counts}


def look_of(folder: Path, models: int) -> tuple[float, float, float]:
    """Return what a fresh process measures about so many models, of which no line is kept."""
    shutil.rmtree(folder / "home/reports", ignore_errors=True)
    with environment({**os.environ, "PLIMSOLL_ROOT": str(folder / f"project-{models}")}):
        return in_child(look)


def look() -> tuple[float, float, float]:
    """Return the seconds of a first look, of the quickest of those after it, and the peak memory of this process."""
    from tasks.index_page import publish_fleet
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    lines: list[Any] = []
    anew = seconds_of(lambda: lines.extend(publish_fleet(workspace)[1]))
    assert all(line.contenders[1].gain and line.contenders[1].lasting for line in lines), lines[0]
    kept = min(seconds_of(lambda: publish_fleet(workspace)) for _ in range(LOOKS))
    return anew, kept, peak_rss_mib()


def live(nights: int) -> None:
    """Give every model of the family a ledger of so many nights, with outcomes and late losses of two versions."""
    from tasks.landing import keep_outcomes
    from tasks.workspace import open_workspace

    os.fsync = lambda _: None  # of this process, which only lays out what is measured afterwards
    workspace = open_workspace()
    dates = [(SINCE + dt.timedelta(days=n)).isoformat() for n in range(nights)]
    deliver_outcomes(workspace.data / "outcomes", dates)
    members = workspace.members(FAMILY)
    kept = keep_outcomes(workspace, workspace.model(members[0]), dates)
    for model in members:
        write_ledger(workspace, model, dates)
        keep_losses(workspace, model, {date: ref.digest for date, ref in kept.items()})


def deliver_outcomes(folder: Path, dates: list[str]) -> None:
    """Put an outcome file of every date where the config looks for it."""
    import pandas as pd

    folder.mkdir(parents=True)
    for date in dates:
        names = {"flight_id": [f"{date}/EV1/EWR"], "arrival_delay_minutes": [1.0]}
        pd.DataFrame(names).to_parquet(folder / f"{date}.parquet", index=False)


def write_ledger(workspace: Any, model: str, dates: list[str]) -> None:
    """Write a ledger: two versions are trained, the first is champion, and both score every night."""
    from plimsoll.ledger import Entry, append

    known: list[Entry] = []

    def add(kind: Any, as_of: str, **facts: Any) -> Entry:
        clock = f"{as_of}T05:00:00+00:00"
        entry = append(
            workspace.archive, model, kind, facts=facts, as_of=as_of, recorded_at=clock, by="benchmark", known=known
        )
        known.append(entry)
        return entry

    policy = {"policy": "person", "approvals": 1}
    asked = {"evidence": {}, "requested_by": "benchmark", "expires_at": "2013-02-01T00:00:00+00:00", "policy": policy}
    for version in (1, 2):
        add("trained", dates[0], version=version, bundle=f"{version:064x}", trained_through="2012-12-31", rows=1)
        add("promotion_requested", dates[0], version=version, **asked)
    add("approved", dates[0], version=1)
    add("promoted", dates[0], version=1)
    for date in dates:
        both = {"1": "champion", "2": "challenger"}
        batch = add("batch_committed", date, date=date, versions=both, rows=900, scored_by="benchmark")
        decision = {"retrain": False, "rule": "nothing", "sentence": "Nothing alarms."}
        add("drift_decided", date, date=date, batch_entry=batch.n, version=1, decision=decision)


def keep_losses(workspace: Any, model: str, outcomes: dict[str, str]) -> None:
    """Store the late losses of both versions, as the nightly check does."""
    import numpy as np

    from plimsoll.archive import put_sealed
    from plimsoll.outcomes import NightlyQuality

    chance = np.random.default_rng(len(model))
    slices = workspace.model(model).drift.slices
    apart = f"-by-{'-'.join(slices)}" if slices else ""
    for date, digest in outcomes.items():
        for version in (1, 2):
            night = NightlyQuality(date, version, 0.5 + 0.05 * float(chance.normal()), 900, 900, 0)
            key = f"quality/{model}/v{version}/{date}/{digest}{apart}.json"
            put_sealed(workspace.archive, key, night.to_json())
