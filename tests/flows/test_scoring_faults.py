"""Scoring raced, late, twice, out of order, on a full disk, with wrong clocks and on the nights clocks are changed."""

import asyncio
import datetime as dt
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow.parquet as pq
import pytest

from flows import demo_data
from tasks.assemble import reassemble
from tasks.records import recording
from tests.flows.places import MODEL, Answer, Place
from tests.full_disk import on_a_small_disk
from tests.scoring_faults import entries, visible

Cli = Callable[..., Answer]
ROOT = Path(__file__).parents[2]
NEW_YORK = ZoneInfo("America/New_York")
SPRING, AUTUMN = "2013-03-10", "2013-11-03"
SEED = "20261121"


def said_by(words: list[str]) -> Counter[str]:
    """Run a program of faults and return what it counted."""
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    return Counter(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.campaign
def test_runs_that_race_come_late_twice_or_by_a_wrong_clock_leave_each_batch_once(tmp_path: Path) -> None:
    told = said_by([sys.executable, "-m", "tests.scoring_races", str(tmp_path), SEED, "5"])
    assert told == {"schedulers": 1, "backfills": 1, "redelivered": 1, "clocks": 1, "overtaken": 1}


@pytest.mark.campaign
def test_a_full_disk_is_said_and_one_rerun_completes_the_batch(tmp_path: Path) -> None:
    told = said_by(on_a_small_disk(tmp_path, SEED, 2))
    assert sum(told.values()) == 6
    for part in ("predictions", "store", "scratch"):
        assert [name for name in told if name.startswith(f"{part}: FolderError")], told


@pytest.fixture(scope="module")
def raw() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every flight and every observation of the year, as the package has them."""
    return demo_data._read_flights(), demo_data._read_weather()


def deliver(place: Place, raw: tuple[pd.DataFrame, pd.DataFrame], date: str) -> None:
    """Put a date's flights and the weather of its day and of those beside it into the landing folder."""
    flights, weather = raw
    day = dt.date.fromisoformat(date)
    demo_data._write(demo_data._table(flights[flights["flight_date"] == date], demo_data.FLIGHTS), place.flights(day))
    for near in (day + dt.timedelta(days=n) for n in (-1, 0, 1)):
        rows = demo_data._table(weather[weather["observed_date"] == str(near)], demo_data.WEATHER)
        demo_data._write(rows, place.data / f"weather/{near}.parquet")


def known_temperature(flight: dict[str, Any], weather: dict[str, list[tuple[dt.datetime, float]]]) -> float | None:
    """Return what was published two hours before a flight's local time, at most six hours old, counted by hand."""
    asked = flight["scheduled_departure_local"].replace(tzinfo=NEW_YORK).astimezone(dt.UTC) - dt.timedelta(hours=2)
    known = [one for one in weather[flight["origin"]] if one[0] + dt.timedelta(hours=1) <= asked]
    latest = max(known, key=lambda one: one[0], default=None)
    return latest[1] if latest and asked - latest[0] <= dt.timedelta(hours=6) else None


@pytest.mark.parametrize("date", [SPRING, AUTUMN])
def test_the_night_the_clocks_are_changed_is_one_batch_and_sees_what_was_published(
    serving: Place, plimsoll: Cli, raw: tuple[pd.DataFrame, pd.DataFrame], date: str
) -> None:
    deliver(serving, raw, date)
    serving.configure("max_age_days: 60", "max_age_days: 400")  # in autumn it would be trained anew, on no days
    for _ in range(2):
        assert plimsoll("score", MODEL, "--date", date, "--as-of", date).code == 0
    files = {p.relative_to(serving.home).as_posix(): p.read_bytes() for p in serving.home.rglob("*") if p.is_file()}
    flights = pq.ParquetFile(serving.flights(dt.date.fromisoformat(date))).read().to_pylist()
    assert sorted(key for key, _ in visible(files, date)[1]) == sorted(one["flight_id"] for one in flights)
    assert entries(files, date) == {1: 1}
    snapshot = serving.ledger("batch_committed")[0]["facts"]["snapshot"]
    rows = frame_of(serving, snapshot, date)
    observed: dict[str, list[tuple[dt.datetime, float]]] = {}
    for one in raw[1][["origin", "observed_at", "temp"]].itertuples():
        if abs(one.observed_at.date() - dt.date.fromisoformat(date)) <= dt.timedelta(days=2):
            observed.setdefault(one.origin, []).append((one.observed_at, one.temp))
    expected = [known_temperature(flight, observed) for flight in flights]
    assert rows["temp"].tolist() == pytest.approx([float("nan") if t is None else t for t in expected], nan_ok=True)
    assert sum(t is not None for t in expected) > 700

    for _ in range(2):
        assert plimsoll("check", MODEL, "--as-of", date).code == 0
    (decided,) = serving.ledger("drift_decided")
    assert decided["facts"]["date"] == date, "a night of 23 or 25 hours is one night, decided about once"
    assert decided["facts"]["inputs"]["sentence"]


def frame_of(place: Place, snapshot: str, date: str) -> pd.DataFrame:
    """Return the rows of a date as they were scored."""
    from plimsoll.snapshot import load_snapshot

    workspace = place.workspace
    return reassemble(workspace, workspace.model(MODEL), load_snapshot(workspace.store, snapshot), date)


@pytest.fixture(params=["Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"])
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine in another zone: of the first two one has another date than UTC at any moment."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_the_business_date_is_the_utc_date_wherever_the_machine_stands(serving: Place, elsewhere: str) -> None:
    before = dt.datetime.now(dt.UTC).date()
    with recording("score_batch", MODEL, None, {}) as run:
        assert run.as_of in {str(before), str(dt.datetime.now(dt.UTC).date())}


def test_the_nightly_run_is_planned_once_a_day_when_the_clocks_are_changed(
    empty: Place, prefect_server: str, elsewhere: str
) -> None:
    from prefect.server.schemas.schedules import CronSchedule

    from flows.deploy import deploy
    from tasks.prefect_api import connected

    deploy(empty.workspace)
    with connected(prefect_server) as client:
        schedule: Any = client.read_deployment_by_name(f"score-batch/{MODEL}").schedules[0].schedule
    planner = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)  # as the server plans
    for date in (SPRING, AUTUMN):
        start = dt.datetime.fromisoformat(f"{date}T00:00:00+00:00") - dt.timedelta(days=2)
        planned = asyncio.run(planner.get_dates(n=5, start=start))
        assert [one.astimezone(dt.UTC).isoformat() for one in planned] == [
            (start + dt.timedelta(days=n, hours=5)).isoformat() for n in range(5)
        ]
