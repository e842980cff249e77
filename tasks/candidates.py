"""Candidates: from a snapshot to a version that asks to be champion."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from plimsoll.bundle import Bundle
from plimsoll.gate_result import in_short
from plimsoll.ledger import Kind
from plimsoll.model_config import Approval
from plimsoll.retirement import retired_entry
from plimsoll.row_parts import Rows
from plimsoll.run_record import require_record
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.store import put_json
from plimsoll.training import train_bundle
from tasks.bundles import keep_bundle
from tasks.champion import mirror_challenger
from tasks.champion_features import champion_config, note_champion_features
from tasks.features import keep_feature_files
from tasks.foreign_model import adopted_model
from tasks.judging import Report
from tasks.mlflow_lineage import data_seen, link_version, run_tags
from tasks.mlflow_registry import FOLDER, log_run
from tasks.mlflow_roles import register, require_numbers
from tasks.mlflow_trials import log_trials
from tasks.records import Run
from tasks.requests import require_approvers
from tasks.settling import said_of_settings
from tasks.stage import get_run_logger, stage
from tasks.trainers import booster_of
from tasks.training_rows import assemble_training_rows


@stage
def require_promotable(run: Run, requested_by: str) -> None:
    """Refuse to train what nobody could promote, and keep the feature function that it is about to train with."""
    require_approvers(run.workspace, run.config, requested_by)
    keep_feature_files(run.workspace, run.config)


@stage
def read_valid_rows(run: Run, snapshot: Snapshot, scratch: Path) -> Rows:
    """Return the snapshot's rows that passed validation, with outcomes; broken dates are left out and noted.

    Where they are many they lie in scratch while they train; the run's record says so.
    """
    beside = champion_config(run)
    valid = assemble_training_rows(run.workspace, run.config, snapshot, scratch, beside=beside)
    note_champion_features(run, beside, valid)
    run.outputs |= {"rows": len(valid.rows), "rows_digest": valid.digest, "training_memory": valid.memory}
    run.outputs |= {"excluded_dates": valid.excluded, "quarantined_rows": valid.quarantined, "held_rows": valid.held}
    run.outputs["rows_with_outcome"] = int((~np.isnan(valid.rows.outcome)).sum())
    left_out = valid.excluded or "none"
    get_run_logger().info("%d rows of %d dates are valid; left out: %s", len(valid.rows), valid.dates, left_out)
    if warning := valid.warning:
        get_run_logger().warning(warning)
    return valid.rows


@stage
def fit_candidate(run: Run, rows: Rows) -> Bundle:
    """Train on the earlier days and keep a reference of them all."""
    with booster_of(run) as booster:
        bundle = train_bundle(rows, run.config, adopted_model(run.workspace, run.config), booster)
    get_run_logger().info("Trained %s, bundle %s", run.config.estimator.kind, bundle.digest[:12])
    return bundle


@stage
def register_candidate(run: Run, bundle: Bundle, report: Report, cause: str, cause_key: str) -> int:
    """Log the candidate in MLflow, register it, and enter it and its gates in the ledger."""
    workspace, config = run.workspace, run.config
    require_record(run.workspace.archive, run.id)
    require_numbers(workspace, config.model, max((v.number for v in run.standing().versions), default=None))
    run.parents += [str(e.facts["run"]) for e in run.standing().of_kind("retrain_started") if cause_key == e.key]
    gate_report = put_json(run.store, report.to_json())
    tags = run_tags(run, bundle, gate_report)
    params = {**config.estimator.params, "estimator": config.estimator.kind, "rounds": config.estimator.rounds}
    files = {f"{FOLDER}/{name}": data for name, data in keep_bundle(workspace, bundle).items()}
    name, metrics = f"{config.model} as of {run.as_of}", report.evaluation.metrics
    data = data_seen(run, load_snapshot(run.store, run.snapshots[-1]))
    mlflow_run = log_run(workspace, config.model, name, files, params=params, metrics=metrics, tags=tags, data=data)
    log_trials(run, mlflow_run)
    version = register(workspace, config.model, mlflow_run, tags, config.purpose)
    facts = {
        "version": version,
        "bundle": bundle.digest,
        "probe": run.outputs["probe"],
        "snapshot": run.snapshots[-1],
        "mlflow_run": mlflow_run,
        "trained_through": bundle.trained_through,
        "rows": run.outputs["rows"],
        "cause": cause,
        "cause_key": cause_key,
    }
    link_version(run, version, mlflow_run, run.decide("trained", facts))
    kind: Kind = "gates_passed" if report.passed else "gates_failed"
    gates = [gate.to_json() for gate in report.gates]
    run.decide(kind, {"version": version, "gate_report": gate_report, "gates": gates})
    run.outputs |= {"version": version, "bundle": bundle.digest, "gate_report": gate_report, "mlflow_run": mlflow_run}
    get_run_logger().info("Registered %s v%d", config.model, version)
    return version


@stage
def request_promotion(run: Run, version: int, report: Report, requested_by: str) -> str:
    """Ask for a person's decision about fixed evidence, or say which gate refused; return the sentence."""
    model, approval = run.config.model, run.config.approval
    if not report.passed:
        failed = "; ".join(gate.sentence for gate in report.gates if not gate.passed)
        run.sentence = (
            f"Gates refused {model} v{version}: {failed}.{said_of_settings(run)} Page: {page_path(run, version)}"
        )
        return run.sentence
    evidence = {
        "bundle": run.outputs["bundle"],
        "snapshot": run.snapshots[-1],
        "code": run.start.code.tree,
        "config": run.start.config,
        "gate_report": run.outputs["gate_report"],
    }
    expires = datetime.now(UTC) + timedelta(days=approval.expires_days)
    facts = {
        "version": version,
        "evidence": evidence,
        "requested_by": requested_by,
        "expires_at": expires.isoformat(timespec="seconds"),
        "policy": approval.model_dump(mode="json"),
        "summary": _summary(run, version, report),
    }
    if retired := retired_entry(run.standing().entries, version):
        run.sentence = f"{model} v{version} was retired by {retired.by} before it could ask to be champion."
        return run.sentence
    run.decide("promotion_requested", facts, by=requested_by)
    mirror_challenger(run.workspace, model)
    run.sentence = f"{model} v{version} {in_short(report.gates)} and waits for {waits_for(approval, model, version)}"
    run.sentence += f".{said_of_settings(run)}" if "settings" in run.outputs else ""
    return run.sentence


def waits_for(approval: Approval, model: str, version: int) -> str:
    """Return in words what a request waits for: the policy, which is asked next, or a person."""
    person = f"a decision: plimsoll approve {model} {version} --as NAME"
    return "approval.policy, which is automatic" if approval.policy == "automatic" else person


def page_path(run: Run, version: int) -> Path:
    """Return where the page about a version is kept."""
    return run.workspace.reports / run.config.model / f"v{version}.html"


def _summary(run: Run, version: int, report: Report) -> dict[str, Any]:
    rival = report.champion_evaluation
    body = report.to_json()
    return {
        "rows": run.outputs["rows"],
        "judged_on": {
            "rows": report.evaluation.rows,
            "from": report.evaluation.dates[0],
            "to": report.evaluation.dates[-1],
        },
        "metrics": body["candidate"]["metrics"],
        "champion": {"version": report.champion.number, "metrics": body["champion"]["metrics"]}
        if rival and report.champion
        else None,
        "gates": [{"verdict": gate.verdict, "sentence": gate.sentence} for gate in report.gates],
        "excluded_dates": report.excluded,
        **({"settings": run.outputs["settings"]["sentence"]} if "settings" in run.outputs else {}),
        "page": f"{run.config.model}/v{version}.html",
        "card": f"{run.config.model}/v{version}-card.html",
    }
