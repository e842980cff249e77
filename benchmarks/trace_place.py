"""Where traces are measured: a project with one trained version, one real night of 100,000 flights, a long ledger."""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.children import ROOT
from benchmarks.flights import MODEL, Flights
from benchmarks.ledger import decision
from benchmarks.predictions import DAY_ROWS, FIRST
from plimsoll.bundle import Bundle
from plimsoll.ledger import Entry, _encode, entry_key, mark_head, parse_entry, read_ledger
from tasks.workspace import Workspace

NIGHT = "2013-06-03"
GATE = {
    "gate": "auc",
    "verdict": "pass",
    "passed": True,
    "value": 0.7,
    "threshold": 0.62,
    "sentence": "auc is 0.7, asked 0.62",
}


def copy_project(folder: Path) -> None:
    """Copy configs, suites and the lock, with a suite that lets a night of DAY_ROWS pass."""
    for part in ("configs", "great_expectations"):
        shutil.copytree(ROOT / part, folder / "root" / part, ignore=shutil.ignore_patterns("uncommitted", "__py*"))
    shutil.copy(ROOT / "requirements.lock", folder / "root")
    suite = folder / f"root/great_expectations/expectations/{MODEL}.json"
    body = json.loads(suite.read_text())
    for one in body["expectations"]:
        if one["type"] == "expect_table_row_count_to_be_between":
            one["kwargs"]["max_value"] = DAY_ROWS
    suite.write_text(json.dumps(body, indent=2))


def write_night(flights: Flights, folder: Path) -> None:
    """Write NIGHT's export and outcomes with DAY_ROWS flights at their times of day."""
    landing = folder / "data"
    rows = flights.rows.iloc[np.arange(DAY_ROWS)].reset_index(drop=True)
    ids = rows["flight_id"] + "#" + rows.index.astype("str")
    of_day = rows["scheduled_departure_local"] - rows["scheduled_departure_local"].dt.normalize()
    local = (pd.Timestamp(NIGHT) + of_day).dt.as_unit("us")
    utc = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    columns = pd.read_parquet(landing / f"flights/{NIGHT}.parquet").columns
    times = {"scheduled_departure_local": local, "scheduled_departure": utc}
    rows[list(columns)].assign(**times, flight_id=ids, flight_date=NIGHT).to_parquet(
        landing / f"flights/{NIGHT}.parquet", index=False
    )
    known = pd.read_parquet(landing / f"outcomes/{NIGHT}.parquet")
    known.iloc[np.arange(DAY_ROWS) % len(known)].assign(flight_id=ids.to_numpy()).to_parquet(
        landing / f"outcomes/{NIGHT}.parquet", index=False
    )


def score_night(workspace: Workspace, bundle: Bundle) -> str:
    """Enter a version as trained and approved, score NIGHT with it, and return one of the keys."""
    from plimsoll.predictions import Served
    from tasks.bundles import keep_bundle
    from tasks.delta import read_predictions
    from tasks.landing import keep_snapshot, landed_dates
    from tasks.records import recording
    from tasks.score_date import score_date

    with recording("train_model", MODEL, dt.date(2013, 3, 1), {}) as run:
        winter = [date for date in landed_dates(workspace, run.config) if date < "2013-03-01"]
        snapshot = keep_snapshot(run, winter, outcomes=True).id
        keep_bundle(workspace, bundle)
        evidence = {"bundle": bundle.digest, "snapshot": snapshot}
        facts: dict[str, Any] = {"version": 1, **evidence, "rows": 50_000, "cause": "a benchmark", "cause_key": ""}
        run.decide("trained", {**facts, "mlflow_run": "", "trained_through": "2013-02-28"})
        run.decide("gates_passed", {"version": 1, "gate_report": snapshot, "gates": [GATE]})
        run.decide("promotion_requested", {"version": 1, "evidence": evidence, "requested_by": "ada"})
        run.decide("approved", {"version": 1, "evidence": evidence, "comment": ""}, by="grace")
        run.decide("promoted", {"version": 1, "approval": 3}, by="grace")
    with recording("score_batch", MODEL, dt.date.fromisoformat(NIGHT), {}) as run:
        result = score_date(run, [Served(1, "champion", bundle)], NIGHT)
    assert result.state == "committed", result.sentence
    return str(read_predictions(workspace, MODEL, date=NIGHT, columns=["key"])["key"].iloc[DAY_ROWS // 2])


def fill_ledger(workspace: Workspace, days: int) -> None:
    """Append a batch and a decision for each day, chained as append chains them but without its reads."""
    archive = workspace.archive
    before = read_ledger(archive, MODEL)[-1]
    n, previous = before.n + 1, before.link
    for at in range(2 * days):
        kind, facts = decision(at)
        facts |= {"date": (FIRST + dt.timedelta(days=at // 2)).isoformat(), "quarantined": []}
        entry = Entry(n + at, MODEL, kind, facts["date"], "2026-11-21T05:00:00.000+00:00", "flow", facts, "", previous)
        data = _encode(entry, archive)
        archive.store.put_if_absent(entry_key(MODEL, entry.n), data)
        written = parse_entry(data, entry_key(MODEL, entry.n))
        previous = written.link
    mark_head(archive, written)
