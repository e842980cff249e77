"""Trace: from one prediction back to everything that made it, and forward to what really happened."""

from typing import Any

import numpy as np

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.errors import DataError
from plimsoll.estimators import Boosted
from plimsoll.ledger import Entry
from plimsoll.run_record import read_record
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing, Version
from tasks.assemble import batch_partition, reassemble
from tasks.champion import standing_of
from tasks.delta import find_key, read_predictions
from tasks.mlflow_registry import fetch_bundle
from tasks.outcomes_feed import outcome_of
from tasks.workspace import Workspace

TOP_REASONS = 6


def trace_prediction(workspace: Workspace, model: str, key: str, date: str | None) -> dict[str, Any]:
    """Return prediction, version, approval, training, data, code, validation, reasons and outcome of one row.

    Raises DataError when the key was never scored.
    """
    config = workspace.model(model)
    rows = find_key(workspace, model, key, date)
    if rows.empty:
        on = f" on {date}" if date else ""
        raise DataError(f"{model} never scored a row named {key!r}{on}. Keys look like {_example(workspace, model)}.")
    champion = rows[rows["role"] == "champion"]
    row = (champion if len(champion) else rows).iloc[-1]
    standing = standing_of(workspace, model)
    version = standing.version(int(str(row["version"])))
    if version is None:
        raise DataError(f"{model} v{row['version']} is not in the ledger. See: plimsoll history {model} --all")
    day = row["batch_date"].isoformat()
    batch = standing.batch(day, version.number)
    others = rows[rows.index != row.name]
    return {
        "prediction": {"model": model, "key": key, "date": day, "score": float(row["score"]), "run": row["run"]},
        "also_scored": others[["version", "role", "score"]].to_dict("records"),
        "outcome": {OUTCOME.strip("_"): outcome_of(workspace, config, key, day), "meaning": _meaning(config.outcome)},
        "version": _version_facts(version),
        "approval": _approval(standing, version),
        "training_run": _run_facts(workspace, version.trained.facts["run"]),
        "scoring_run": _run_facts(workspace, str(row["run"])),
        "batch": _batch_facts(batch),
        "reasons": _reasons(workspace, version, batch, key, day),
    }


def _example(workspace: Workspace, model: str) -> str:
    """Return a key of the last batch, to show what keys look like."""
    last = standing_of(workspace, model).last("batch_committed")
    if last is None:
        return "nothing yet: no batch was scored"
    keys = read_predictions(workspace, model, date=str(last.facts["date"]), columns=["key"])["key"]
    return repr(str(keys.iloc[0]))


def _meaning(outcome: Any) -> str:
    return outcome.column if outcome.above is None else f"1 when {outcome.column} > {outcome.above:g}, else 0"


def _version_facts(version: Version) -> dict[str, Any]:
    facts = version.trained.facts
    kept = ("version", "bundle", "snapshot", "trained_through", "rows", "cause", "mlflow_run")
    return {"state": version.state, **{name: facts[name] for name in kept}}


def _approval(standing: Standing, version: Version) -> dict[str, Any] | None:
    """Return who approved a version, when, and on which evidence."""
    found = [e for e in standing.of_kind("approved") if e.facts["version"] == version.number]
    requests = [e for e in standing.of_kind("promotion_requested") if e.facts["version"] == version.number]
    if not found:
        return None
    last = found[-1]
    return {
        "by": last.by,
        "at": last.recorded_at,
        "as_of": last.as_of,
        "comment": last.facts.get("comment", ""),
        "entry": last.n,
        "evidence": requests[-1].facts["evidence"] if requests else {},
        "gates": requests[-1].facts["summary"]["gates"] if requests else [],
    }


def _run_facts(workspace: Workspace, run_id: str) -> dict[str, Any]:
    record = read_record(workspace.store, run_id)
    if record is None:
        return {"run": run_id, "record": "missing"}
    code, environment = record["code"], record["environment"]
    return {
        "run": run_id,
        "started_at": record["started_at"],
        "commit": code["commit"] or "outside git",
        "uncommitted_changes": code["diff"] or "none",
        "source_tree": code["tree"],
        "lock": environment["lock"],
        "python": environment["python"],
        "config": record["config"],
        "prefect_run": record["prefect_run_id"],
        "snapshots": (record["end"] or {}).get("snapshots", []),
    }


def _batch_facts(batch: Entry | None) -> dict[str, Any]:
    if batch is None:
        return {"entry": None}
    quarantined = len({row["key"] for row in batch.facts["quarantined"]})
    kept = {name: batch.facts[name] for name in ("rows", "snapshot", "scores", "validation")}
    return {"entry": batch.n, "passed_validation": True, "quarantined_rows": quarantined, **kept}


def _reasons(workspace: Workspace, version: Version, batch: Entry | None, key: str, date: str) -> list[dict[str, Any]]:
    """Return the strongest contributions to the score (log-odds or units of the outcome), by that very version."""
    if batch is None:
        return []
    bundle = fetch_bundle(workspace, version.trained.model, version.number, version.bundle)
    if not isinstance(bundle.fitted, Boosted):
        return []
    config = workspace.model(version.trained.model)
    snapshot = load_snapshot(workspace.store, batch.facts["snapshot"])
    frame = reassemble(workspace, config, snapshot, batch_partition(config, date))
    row = frame[frame[KEY] == key]
    parts = bundle.fitted.contributions(bundle.encoder.encode(row), bundle.encoder)[0][:-1]
    order = np.argsort(-np.abs(parts))[:TOP_REASONS]
    names = bundle.encoder.columns
    return [
        {"feature": names[j], "value": _plain(row[names[j]].iloc[0]), "contribution": round(float(parts[j]), 4)}
        for j in order
    ]


def _plain(value: Any) -> Any:
    found = value.item() if hasattr(value, "item") else value
    return None if found is None or found != found else found  # noqa: PLR0124  # NaN is not itself
