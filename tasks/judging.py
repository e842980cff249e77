"""Judging: a candidate and the champion on the same later rows, and what every gate says of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle
from plimsoll.errors import IntegrityError
from plimsoll.gate_result import GateResult, together
from plimsoll.gates import run_gates
from plimsoll.holdout import Held
from plimsoll.judged_rows import judged_rows
from plimsoll.ledger import Entry
from plimsoll.newcomers import Newcomers, newcomers_of
from plimsoll.not_judged import judged_without_its_features, not_judged_alone
from plimsoll.operations_gate import Machine, measure_machine
from plimsoll.probe import PROBE_ROWS, make_probe
from plimsoll.row_parts import Mask, Rows
from plimsoll.snapshot import load_snapshot
from plimsoll.sources_gate import FILES, Sources, shares_of
from plimsoll.standing import Version
from plimsoll.store import get_json, object_digest, put_json
from plimsoll.trace_facts import gate_report_of
from plimsoll.training import Evaluation, evaluate_scores, scores_of, split_rows
from plimsoll.tries import TRIED, Judged, tried_facts, tries_on
from tasks.assemble import batch_partition
from tasks.bundles import fetch_bundle
from tasks.champion_features import judged_bundle
from tasks.evidence_object import keep_evidence
from tasks.frozen_rows import look_at_holdout
from tasks.records import Run
from tasks.stage import get_run_logger, stage

TIMED_ROWS = 20_000  # of those that judge, at most
TOLD = {"pass": "passed", "warn": "WARNED", "fail": "FAILED"}


@dataclass(eq=False)
class Report:
    """What a candidate is judged by; kept as one object, its digest is what an approval is bound to.

    Neither frozen nor compared: it is built once and handed on.
    """

    evaluation: Evaluation
    champion: Version | None
    champion_evaluation: Evaluation | None
    gates: tuple[GateResult, ...]
    excluded: dict[str, str]  # dates that validation stopped, with the reason
    shown: Mapping[str, Any]  # what gates were judged by, as JSON by gate
    evidence: str  # digest of what else a person should see: curves, importance, dependence, what changed

    @property
    def passed(self) -> bool:
        """Whether no gate refused it."""
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        champion = self.champion_evaluation
        return {
            "passed": self.passed,
            "gates": [gate.to_json() for gate in self.gates],
            "shown": dict(self.shown),
            "candidate": self.evaluation.to_json(),
            "champion": champion.to_json() if champion else None,
            "champion_version": self.champion.number if self.champion else None,
            "excluded_dates": self.excluded,
            "evidence": self.evidence,
        }


@stage
def judge_candidate(run: Run, bundle: Bundle, rows: Rows, holdout: Held | None = None) -> Report:
    """Evaluate candidate and champion on the same later rows, and on the holdout, and run every gate."""
    train, later = split_rows(rows, run.config)
    standing = run.standing()
    champion = standing.version(standing.champion) if standing.champion else None
    other = judged_bundle(run, champion, _bundle(run, champion)) if champion else None
    name = f"champion v{champion.number}" if champion else ""
    score, rival = scores_of(bundle, rows, later), scores_of(other, rows, later) if other else None
    mine = evaluate_scores(score, rows, later, bundle.task)
    tried = _enter_try(run, bundle, champion, mine.dates, holdout)
    tries = tries_on(run.standing().entries, tried, partial(_judged_on, run))
    judged = judged_rows(rows, later, run.config, score, rival, name, tries)
    machine = _machine(run, bundle, other, rows, later, name)
    newcomers, sources = _newcomers(run, bundle, champion, other, rows), _sources(run, rows, train, champion)
    held = look_at_holdout(run, holdout, bundle, champion, other, tried)
    found = run_gates(judged, mine.metrics, machine, newcomers, sources, held)
    if champion is None:
        found = together([found, not_judged_alone(run.config.gates)])
    found = together([found, judged_without_its_features(run.outputs.get("champion_features_missing", []))])
    for gate in found.results:
        get_run_logger().info("Gate %s: %s", TOLD[gate.verdict], gate.sentence)
    run.outputs["probe"] = _keep_probe(run, bundle, rows, later)
    theirs = evaluate_scores(rival, rows, later, bundle.task) if rival is not None else None
    excluded = dict(run.outputs.get("excluded_dates", {}))
    evidence = keep_evidence(run, judged, bundle, rows, later, champion)
    run.outputs["evidence"] = evidence
    return Report(mine, champion, theirs, found.results, excluded, found.shown, evidence)


def _bundle(run: Run, champion: Version) -> Bundle:
    return fetch_bundle(run.workspace, run.config.model, champion.number, champion.bundle)


def _enter_try(run: Run, bundle: Bundle, champion: Version | None, dates: tuple[str, ...], held: Held | None) -> Entry:
    """Enter that a challenger is judged; a run that dies, or that trains beside another one, has tried all the same."""
    facts = tried_facts(bundle.digest, champion.number if champion else None, dates, held.snapshot if held else None)
    return run.decide(TRIED, facts)  # type: ignore[arg-type]  # a kind


def _judged_on(run: Run, entry: Entry) -> Judged:
    """Return beside which champion, and on which dates, a version was judged, from its gate report."""
    report = get_json(run.store, entry.facts["gate_report"])
    return report.get("champion_version"), list(report["candidate"]["dates"])


def _machine(run: Run, bundle: Bundle, other: Bundle | None, rows: Rows, later: Mask, name: str) -> Machine | None:
    """Return what a bundle is on this machine, where the config asks for it."""
    asked = run.config.gates.operations
    if asked is None:
        return None
    rival = other if asked.max_slowdown is not None else None
    columns = dict.fromkeys([*bundle.encoder.columns, *(rival.encoder.columns if rival else ())])
    frame = rows.head(TIMED_ROWS, later, columns)
    return measure_machine(bundle, rival, frame, _kept_lock(run), name, time.perf_counter)


def _kept_lock(run: Run) -> str:
    """Return the digest of the environment's lock where it lies in the store as it was kept, else nothing."""
    lock = run.start.environment.lock
    try:
        return lock if object_digest(run.store, lock) == lock else ""
    except IntegrityError:
        return ""


def _newcomers(
    run: Run, bundle: Bundle, champion: Version | None, other: Bundle | None, rows: Rows
) -> Newcomers | None:
    """Return what came since the champion's snapshot, where the config asks for it and there is a champion."""
    gate = run.config.gates.trust
    if gate is None or champion is None or other is None:
        return None
    before = load_snapshot(run.store, str(champion.trained.facts["snapshot"]))
    now = load_snapshot(run.store, run.snapshots[-1])
    return newcomers_of(rows, bundle, other, before, now, run.config.estimator.seed, gate.label_columns)


def _sources(run: Run, rows: Rows, train: Mask, champion: Version | None) -> Sources | None:
    """Return where the training rows come from, where the config asks for it, beside the champion's."""
    gate = run.config.gates.trust
    if gate is None or (gate.max_share is None and gate.max_share_change is None):
        return None
    by, before = gate.source_column or FILES, None
    if champion and (digest := gate_report_of(run.standing(), champion.number)):
        kept = (get_json(run.store, digest).get("shown") or {}).get("sources") or {}
        before = kept.get("shares") if kept.get("by") == by else None
    name = f"champion v{champion.number}" if champion else ""
    return Sources(by, shares_of(rows, train, gate.source_column), int(train.sum()), before, name)


def _keep_probe(run: Run, bundle: Bundle, rows: Rows, later: Mask) -> str:
    """Store what a candidate says of the last rows that judge it; a rollback to it is proved by them."""
    last = rows.dates(later)[-1]
    mask = later & (rows.day == rows.day[later].max()) if run.config.source.kind == "dates" else later
    first = rows.head(PROBE_ROWS, mask, [KEY, *bundle.encoder.columns])
    return put_json(run.store, make_probe(bundle, first, batch_partition(run.config, last)).to_json())
