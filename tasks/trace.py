"""Trace: from one prediction back to everything that made it, and forward to what really happened."""

from functools import lru_cache
from typing import Any

import pandas as pd

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.contributions import Explanation, explain, explainable
from plimsoll.errors import DataError
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.run_record import read_record
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing
from plimsoll.store import Store, get_json
from plimsoll.trace_facts import approval_facts, batch_facts, data_facts, run_facts, version_facts
from tasks.assemble import batch_partition, reassemble
from tasks.bundles import fetch_bundle
from tasks.committed_rows import committed_rows
from tasks.delta import read_predictions
from tasks.key_lookup import find_key
from tasks.outcomes_feed import outcome_of
from tasks.quarantine import find_bad_row
from tasks.scored_row import Scored, choose_row, one_model, remembered_standing
from tasks.version_config import own_config
from tasks.workspace import Workspace


def trace_prediction(
    workspace: Workspace, key: str, date: str | None = None, model: str | None = None
) -> dict[str, Any]:
    """Return prediction, version, approval, data, code, environment, validation, reasons and outcome of one row.

    Without a date the latest prediction is traced. A row that validation set aside is told of as such. Raises
    DataError when the key was never seen, or when several models scored it and none is named.
    """
    if model:
        workspace.model(model)
    rows = find_key(workspace, key, model=model, date=date)
    if rows.empty:
        return _set_aside(workspace, key, date, model)
    return _trace(workspace, key, rows, remembered_standing(workspace, one_model(key, rows)))


def _trace(workspace: Workspace, key: str, rows: pd.DataFrame, standing: Standing) -> dict[str, Any]:
    one = choose_row(workspace, rows, standing)
    facts, number = one.version.trained.facts, one.version.number
    config = workspace.model(standing.model)
    own = own_config(workspace, config, str(facts["run"]))
    explanation, why_not = _explain(workspace, own, one, key)
    training = load_snapshot(workspace.store, str(facts["snapshot"]))
    prediction = {name: one.row[name] for name in ("model", "key", "role", "run", "snapshot")}
    return {
        "state": "scored",
        "prediction": {**prediction, "date": one.date, "score": float(one.row["score"])},
        "also_scored": _others(rows, one),
        "outcome": outcome_facts(workspace, config, key, one.date),
        "version": version_facts(standing, one.version),
        "approval": approval_facts(standing, number),
        "training_run": _run(workspace, str(facts["run"])),
        "training_data": data_facts(training, int(facts["rows"])),
        "scoring_run": _run(workspace, str(one.row["run"])),
        "batch": batch_facts(one.batch, _expectations(workspace, one.batch)),
        "explanation": explanation.to_json(float(one.row["score"])) if explanation else {"missing": why_not},
        "reasons": list(explanation.parts) if explanation else [],
    }


def _others(rows: pd.DataFrame, one: Scored) -> list[dict[str, Any]]:
    """Return the other predictions of the same key."""
    named = [
        {"date": row["batch_date"].isoformat(), **{name: row[name] for name in ("version", "role", "score", "run")}}
        for row in rows.to_dict("records")
    ]
    return [row for row in named if (row["date"], row["version"]) != (one.date, one.row["version"])]


def _run(workspace: Workspace, run_id: str) -> dict[str, Any]:
    return run_facts(run_id, read_record(workspace.archive, run_id))


def outcome_facts(workspace: Workspace, config: ModelConfig, key: str, date: str) -> dict[str, Any]:
    """Return what really happened to a row, and what the number means."""
    asked = config.outcome
    meaning = asked.column if asked.above is None else f"1 when {asked.column} > {asked.above:g}, else 0"
    return {OUTCOME.strip("_"): outcome_of(workspace, config, key, date), "meaning": meaning}


def _expectations(workspace: Workspace, batch: Entry | None) -> int | None:
    """Return how many expectations judged a batch, from the suite's full result that the ledger names by digest."""
    digest = str(batch.facts["validation"]) if batch else ""
    return _count_results(workspace.store, digest) if digest else None


@lru_cache(maxsize=1024)
def _count_results(store: Store, digest: str) -> int:
    return len(get_json(store, digest)["results"])


def _explain(workspace: Workspace, config: ModelConfig, one: Scored, key: str) -> tuple[Explanation | None, str]:
    """Return what made the score, by that very version over that very row; None with the reason when it cannot.

    The row is assembled among a few, which is quick. Where that does not give the stored score bit for bit, a feature
    may depend on the other rows of the batch, and the whole batch is assembled.
    """
    if one.batch is None:
        return None, "The ledger has no entry about this batch yet: score the date again, which completes it."
    bundle = fetch_bundle(workspace, one.version.trained.model, one.version.number, one.version.bundle)
    if not explainable(bundle):
        estimate = f"plimsoll explain '{key}' --date {one.date} --model {config.model}"
        return None, f"Scores of this kind of model cannot be taken apart exactly. An estimate: {estimate}"
    snapshot = load_snapshot(workspace.store, str(one.row["snapshot"]))
    found, why_not = None, ""
    for only in (key, None):
        try:
            frame = reassemble(workspace, config, snapshot, batch_partition(config, one.date), only)
            found = explain(bundle, frame[frame[KEY] == key])
        except (DataError, IndexError, KeyError) as error:
            why_not = f"The row cannot be assembled with the code that is here now: {error}"
            continue
        if found.score == one.row["score"]:
            return found, ""
    committed_rows(workspace, one.batch)  # scores that were changed are no news about the code
    return found, "" if found else why_not


def _set_aside(workspace: Workspace, key: str, date: str | None, model: str | None) -> dict[str, Any]:
    """Return the trace of a row that validation set aside; DataError when no model ever saw the key."""
    for name in [model] if model else workspace.models:
        standing = remembered_standing(workspace, name)
        if there := find_bad_row(workspace.store, standing, key, date):
            entry, broken = there
            return {
                "state": "quarantined",
                "prediction": {"model": name, "key": key, "date": entry.facts["date"], "score": None},
                "quarantine": broken,
                "outcome": outcome_facts(workspace, workspace.model(name), key, str(entry.facts["date"])),
                "scoring_run": _run(workspace, str(entry.facts["run"])),
                "batch": batch_facts(entry, _expectations(workspace, entry)),
            }
    on = f" on {date}" if date else ""
    who = f"{model} never scored" if model else "No model ever scored"
    hint = _elsewhere(workspace, key) or _examples(workspace, model)
    raise DataError(f"{who} a row named {key!r}{on}, nor set one aside. {hint}")


def _elsewhere(workspace: Workspace, key: str) -> str:
    """Return which models scored a key on which dates, for whoever asked for another one."""
    rows = find_key(workspace, key)
    there = sorted({f"{row['model']} on {row['batch_date']}" for row in rows.to_dict("records")})
    return f"It was scored by {' and '.join(there)}." if there else ""


def _examples(workspace: Workspace, model: str | None) -> str:
    """Return what keys look like, from the last batch of each model."""
    said = []
    for name in [model] if model else workspace.models:
        if last := remembered_standing(workspace, name).last("batch_committed"):
            keys = read_predictions(workspace, name, date=str(last.facts["date"]), columns=["key"])["key"]
            said += [f"{str(keys.iloc[0])!r} ({name})"] if len(keys) else []
    return f"Keys look like {' or '.join(said)}." if said else "Nothing was scored yet."
