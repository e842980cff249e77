"""What stands behind one prediction, in facts: from ledger entries, run records and snapshots to JSON."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from plimsoll.business_date import business_dates
from plimsoll.judged_against import never_compared_then
from plimsoll.ledger import Entry
from plimsoll.snapshot import Snapshot
from plimsoll.standing import Standing, Version
from plimsoll.validation import quarantined_rows

NO_RECORD = "missing"


def version_facts(standing: Standing, version: Version) -> dict[str, Any]:
    """Return a version's number, state, digests and origin, and what ended its time as champion."""
    facts = version.trained.facts
    kept = ("version", "bundle", "snapshot", "trained_through", "rows", "cause", "mlflow_run")
    return {"state": version.state, **{name: facts[name] for name in kept}, "entry": version.trained.n} | {
        "departure": departure_facts(standing, version.number)
    }


def departure_facts(standing: Standing, number: int) -> dict[str, Any] | None:
    """Return the move that put another champion in a version's place; None while it stands, or when it never stood."""
    moves = standing.of_kind("promoted", "rolled_back")
    left = [after for before, after in pairwise(moves) if before.facts["version"] == number]
    if not left or standing.champion == number:
        return None
    move = left[-1]
    return {
        "how": "rolled back" if move.kind == "rolled_back" else "replaced",
        "to": move.facts["version"],
        "by": move.by,
        "as_of": business_dates(standing.entries)[move.n],
        "reason": move.facts.get("reason", ""),
        "entry": move.n,
    }


def arrival_facts(standing: Standing, number: int) -> dict[str, Any] | None:
    """Return the move that made a version champion last; None when it never was."""
    moves = [e for e in standing.of_kind("promoted", "rolled_back") if e.facts["version"] == number]
    if not moves:
        return None
    move = moves[-1]
    how = "made champion again" if move.kind == "rolled_back" else "made champion"
    return {"how": how, "by": move.by, "as_of": business_dates(standing.entries)[move.n], "entry": move.n}


def approval_facts(standing: Standing, number: int) -> dict[str, Any] | None:
    """Return who approved a version, when the last of them did, and on which evidence; None when nobody did.

    shown: digests of what each of them was shown, by name and ledger entry; warning: that the version was never
    compared with the champion that stood then.
    """
    approvals = standing.approvals(number)
    if not approvals:
        return None
    approved = approvals[-1]
    request, judged = _about(standing, number, "promotion_requested"), gate_facts(standing, number)
    facts = approved.facts
    return {
        "by": " and ".join(entry.by for entry in approvals),
        "at": approved.recorded_at,
        "as_of": business_dates(standing.entries)[approved.n],
        "comment": _comments(approvals),
        "warning": never_compared_then(approved),
        "shown": {f"{e.by} (entry {e.n})": str(e.facts["shown"]) for e in approvals if e.facts.get("shown")},
        "identity": facts.get("identity", ""),
        "entry": approved.n,
        "requested_by": request.facts["requested_by"] if request else "",
        "evidence": dict(facts.get("evidence") or (request.facts["evidence"] if request else {})),
        "gates": judged,
    }


def _comments(approvals: Sequence[Entry]) -> str:
    """Return what one person said, or what each of several did."""
    said = [(entry.by, str(entry.facts.get("comment", ""))) for entry in approvals]
    return said[0][1] if len(said) == 1 else "; ".join(f"{by}: {comment}" for by, comment in said if comment)


def gate_facts(standing: Standing, number: int) -> list[dict[str, Any]]:
    """Return every gate that a version went through: name, value, threshold, verdict and sentence."""
    judged = _about(standing, number, "gates_passed", "gates_failed")
    return list(judged.facts["gates"]) if judged else []


def gate_report_of(standing: Standing, number: int) -> str:
    """Return the digest of the report of the gates that a version went through, empty when it went through none."""
    judged = _about(standing, number, "gates_passed", "gates_failed")
    return str(judged.facts["gate_report"]) if judged else ""


def run_facts(run_id: str, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a run record says of code and environment."""
    if record is None:
        return {"run": run_id, "record": NO_RECORD}
    code, environment, end = record["code"], record["environment"], record["end"] or {}
    return {
        "run": run_id,
        "flow": record["flow"],
        "as_of": record["as_of"],
        "started_at": record["started_at"],
        "finished_at": end.get("finished_at", ""),
        "commit": code["commit"] or "outside git",
        "remote": code["remote"],
        "uncommitted_changes": code["diff"] or "none",
        "source_kept": bool(code.get("kept")),
        "source_tree": code["tree"],
        "lock": environment["lock"],
        "packages": environment.get("packages", ""),
        "python": environment["python"],
        "platform": environment["platform"],
        "cpu": environment["cpu"],
        "cores": environment.get("cores"),
        "seed": record.get("seed"),
        "threads": record.get("threads"),
        "config": record["config"],
        "settings": end.get("outputs", {}).get("settings", {}).get("sentence", ""),
        "prefect_run": record["prefect_run_id"],
        "snapshots": list(end.get("snapshots", [])),
    }


def data_facts(snapshot: Snapshot, rows: int | None = None) -> dict[str, Any]:
    """Return a snapshot's id, slice and files; rows are those that were used, where that is known."""
    files = [
        {"table": table, "name": ref.name, "digest": ref.digest, "bytes": ref.bytes, "rows": ref.rows}
        for table, refs in sorted(snapshot.tables.items())
        for ref in refs
    ]
    dates = sorted(snapshot.dates)
    span = {"from": dates[0], "to": dates[-1], "dates": len(dates)} if dates else {"from": "", "to": "", "dates": 0}
    return {"snapshot": snapshot.id, "outcomes_as_of": snapshot.as_of, **span, "rows": rows, "files": files}


def batch_facts(batch: Entry | None, expectations: int | None = None) -> dict[str, Any]:
    """Return what validation and the commit of a batch left in the ledger."""
    if batch is None:
        return {"entry": None}
    kept = {name: batch.facts[name] for name in ("date", "rows", "snapshot", "scores", "validation", "run")}
    return {
        "entry": batch.n,
        "recorded_at": batch.recorded_at,
        "passed_validation": True,
        "expectations": expectations,
        "quarantined_rows": quarantined_rows(batch.facts),
        **kept,
    }


def _about(standing: Standing, number: int, *kinds: str) -> Entry | None:
    """Return the latest entry of some kinds about a version."""
    found: Sequence[Entry] = [e for e in standing.of_kind(*kinds) if e.facts["version"] == number]
    return found[-1] if found else None
