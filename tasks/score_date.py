"""One batch: from its files to one atomic commit, exactly once."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect.logging import get_run_logger

from plimsoll.assembled import Assembled
from plimsoll.assembly import KEY
from plimsoll.digest import sha256_json
from plimsoll.errors import DataError
from plimsoll.ledger import Entry
from plimsoll.predictions import BatchResult, Served
from plimsoll.profile import to_json
from plimsoll.run_record import require_record
from plimsoll.scoring import Pass, Sink, score_chunks
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.store import put_json
from plimsoll.validation import Verdict, quarantine_facts, too_many_bad_rows, too_many_unseen
from tasks.assemble import assemble_batch, batch_partition
from tasks.delta import Committed, commit_batch
from tasks.landing import keep_snapshot
from tasks.prediction_files import committed_versions, rows_digest
from tasks.quarantine import keep_bad_rows
from tasks.records import Run
from tasks.scratch import scratch_folder
from tasks.staging import Stage
from tasks.table_notes import note_table


def score_date(run: Run, served: list[Served], date: str) -> BatchResult:
    """Score one date exactly once: skip what is committed, repair what was cut off, reject what is broken."""
    model, champion = run.config.model, served[0].version
    if entry := run.standing().batch(date, champion):
        return BatchResult(
            date, "already", int(entry.facts["rows"]), f"v{champion} scored it in run {entry.facts['run']}"
        )
    visible = committed_versions(run.workspace, model, date)
    with scratch_folder(run.workspace) as scratch:
        if champion in visible:  # a run died between its Delta commit and its ledger entry, or is about to write it
            return _enter(run, _of_one_commit(served, visible, visible[champion].run), date, visible[champion], scratch)
        # what another champion's run committed stands as it was
        return _score(run, [one for one in served if one.version not in visible], date, scratch)


def _score(run: Run, served: list[Served], date: str, scratch: Path) -> BatchResult:
    snapshot = keep_snapshot(run, [date], outcomes=False)
    try:
        rows, verdict = assemble_batch(run.workspace, run.config, snapshot, batch_partition(run.config, date), scratch)
        stop = "; ".join(verdict.stops) or too_many_bad_rows(verdict, run.config.scoring.max_quarantined_share)
    except DataError as error:
        return _reject(run, date, snapshot, str(error), None)
    if stop:
        return _reject(run, date, snapshot, stop, verdict)
    stage = Stage(run.workspace, run.config.model, date, snapshot.id, run.id)
    try:
        stage.open(served)
        passed = _pass_over(rows, verdict, served, stage.write)
        stop = too_many_unseen(passed.unseen, passed.rows, run.config.scoring.max_unseen_share)
        if stop or not passed.rows:
            stage.discard()
            return _reject(run, date, snapshot, stop or "No row is left: every row was set aside.", verdict)
        parts = stage.close(set(passed.summaries))
    except DataError as error:
        stage.discard()
        return _reject(run, date, snapshot, str(error), verdict)
    except BaseException:
        stage.discard()
        raise
    _leave_out(run, passed)
    require_record(run.workspace.archive, run.id)
    if not commit_batch(run.workspace, parts, run.config.model, date, list(passed.summaries)):
        stage.discard()
        return score_date(run, served, date)  # another run was faster: what it committed stands
    note_table(run.workspace)
    kept = [one for one in served if one.version in passed.summaries]
    return _entered(run, kept, date, snapshot, verdict, passed, run.id, scratch)


def _enter(run: Run, served: list[Served], date: str, there: Committed, scratch: Path) -> BatchResult:
    """Write the ledger entry that a run which died owes: of the rows that it saw and committed."""
    snapshot = load_snapshot(run.store, there.snapshot)
    partition = batch_partition(run.config, date)
    try:
        rows, verdict = assemble_batch(run.workspace, run.config, snapshot, partition, scratch)
        passed = _pass_over(rows, verdict, served, lambda *_: None)
    except DataError as error:
        owed = f"run {there.run} committed it and died before its ledger entry, which cannot be written now: {error}"
        return BatchResult(date, "rejected", 0, owed)
    note_table(run.workspace)
    served = [one for one in served if one.version in passed.summaries]
    return _entered(run, served, date, snapshot, verdict, passed, there.run, scratch)


def _pass_over(rows: Assembled, verdict: Verdict, served: list[Served], sink: Sink) -> Pass:
    needed = dict.fromkeys([KEY, *(name for one in served for name in _columns(one))])
    return score_chunks((verdict.keep_good(chunk) for chunk in rows.chunks([*needed])), served, sink)


def _columns(one: Served) -> list[str]:
    return [*one.bundle.encoder.columns, *(column.name for column in one.bundle.reference.plan)]


def _leave_out(run: Run, passed: Pass) -> None:
    for number, said in passed.failed.items():
        run.outputs.setdefault("left_out", {})[str(number)] = f"v{number} did not score: {said}"
        get_run_logger().warning(run.outputs["left_out"][str(number)])


def _entered(
    run: Run,
    served: list[Served],
    date: str,
    snapshot: Snapshot,
    verdict: Verdict,
    passed: Pass,
    scored_by: str,
    scratch: Path,
) -> BatchResult:
    model, champion = run.config.model, served[0].version
    versions = {one.version: one.role for one in served}
    facts = {
        "date": date,
        "versions": {str(version): role for version, role in versions.items()},
        "scored_by": scored_by,
        "rows": passed.rows,
        **quarantine_facts(verdict, keep_bad_rows(run.store, verdict)),
        "unseen": dict(passed.unseen),
        "snapshot": snapshot.id,
        "scores": rows_digest(run.workspace, model, date, [*versions], scratch),
        "profiles": _keep_summaries(run, passed),
        "validation": verdict.report,
    }
    run.decide("batch_committed", facts, key=f"batch:{date}:v{champion}", as_of=date)
    aside = verdict.rows - passed.rows
    set_aside = f", {aside} set aside" if aside else ""
    return BatchResult(date, "committed", passed.rows, f"{passed.rows} rows by v{champion}{set_aside}")


def _keep_summaries(run: Run, passed: Pass) -> dict[str, str]:
    """Store what each version made of the batch and return the digests by version."""
    bodies = {n: {**to_json(one.profile), "scores": one.scores.to_json()} for n, one in passed.summaries.items()}
    return {str(number): put_json(run.store, body) for number, body in bodies.items()}


def _of_one_commit(served: list[Served], visible: Mapping[int, Committed], run_id: str) -> list[Served]:
    """Return the versions that a run committed, in the roles that they had then."""
    found = ((one, visible.get(one.version)) for one in served)
    return [replace(one, role=there.role) for one, there in found if there and there.run == run_id]


def _reject(run: Run, date: str, snapshot: Snapshot, reason: str, verdict: Verdict | None) -> BatchResult:
    facts: dict[str, Any] = {
        "date": date,
        "reason": reason,
        "snapshot": snapshot.id,
        "rows": verdict.rows if verdict else 0,
        "validation": verdict.report if verdict else "",
    }
    if verdict and verdict.bad_rows:
        facts |= quarantine_facts(verdict, keep_bad_rows(run.store, verdict))
    what = sha256_json([snapshot.digests, reason])  # the same bytes on another night are no news
    entry: Entry = run.decide("batch_rejected", facts, key=f"rejected:{date}:{what}", as_of=date)
    return BatchResult(date, "rejected", 0, str(entry.facts["reason"]))
