"""One batch: from its files to an atomic commit of the champion, then one of its shadows; each exactly once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plimsoll.contributions import explainable
from plimsoll.digest import sha256_json
from plimsoll.errors import DataError, PlimsollError
from plimsoll.explained import Explain
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.predictions import BatchResult, Served
from plimsoll.profile import to_json
from plimsoll.run_record import require_record
from plimsoll.scoring import Pass, Sink, Summary, score_chunks
from plimsoll.shadows import shadow_seconds
from plimsoll.store import put_json
from plimsoll.validation import quarantine_facts, too_many_unseen
from tasks.clear_rows import clear_rows
from tasks.contribution_rows import keep_explained
from tasks.delta import Committed, commit_batch
from tasks.night import BrokenBatchError, Night, Rows
from tasks.prediction_files import committed_versions, rows_digest
from tasks.quarantine import keep_bad_rows
from tasks.records import Run
from tasks.scored_anew import ScoredAnew
from tasks.scratch import scratch_folder
from tasks.staging import Stage
from tasks.table_notes import note_table

MOST_EXPLAINED = 100_000  # rows of a batch: they are held in memory


def score_date(run: Run, served: Sequence[Served], date: str) -> BatchResult:
    """Score one date exactly once: skip what is committed, repair what was cut off, reject what is broken.

    Of a date that is committed, rows that had been set aside and were mended at the source since are scored too.
    The first version's result is committed before its shadows begin, so that none can delay or harm it.
    """
    first = served if _are_shadows(served) else served[:1]  # a repair may have shadows alone to finish
    with scratch_folder(run.workspace) as scratch:
        night = Night(run, date, scratch)
        try:
            for alike in night.alike(first):
                result = _settle(night, alike)
        except BrokenBatchError as error:
            return _reject(night, error)
        if result.state != "rejected" and (missing := _missing(run, served[len(first) :], date)):
            _add_shadows(night, missing, run.standing().batch(date, first[0].version))
        return clear_rows(night, served, result) if result.state == "already" else result


def _missing(run: Run, served: Sequence[Served], date: str) -> list[Served]:
    standing = run.standing()
    return [one for one in served if not standing.batch(date, one.version)]


def _add_shadows(night: Night, shadows: Sequence[Served], beside: Entry | None) -> None:
    """Let shadows score the very rows that the champion scored; whatever goes wrong is told, and harms nobody.

    Those of other features share a pass and a commit of their own.
    """
    try:
        groups = night.alike(shadows)
    except PlimsollError as error:  # of a record that was damaged since the run began
        return _leave_out(night.run, night.date, {one.version: str(error) for one in shadows})
    for alike in groups:
        try:
            _settle(night, alike, str(beside.facts["snapshot"]) if beside else None)
        except PlimsollError as error:
            _leave_out(night.run, night.date, {one.version: str(error) for one in alike})
    return None


def _settle(night: Night, wanted: Sequence[Served], snapshot: str | None = None) -> BatchResult:
    """Bring versions to a commit, which they share, and to a ledger entry each."""
    run, date, first = night.run, night.date, wanted[0].version
    if not (missing := _missing(run, wanted, date)):
        facts = run.standing().batch(date, first).facts  # type: ignore[union-attr]
        return BatchResult(date, "already", int(facts["rows"]), f"v{first} scored it in run {facts['run']}")
    visible = committed_versions(run.workspace, run.config.model, date)
    result = BatchResult(date, "already", 0, "")
    for there, owed in _by_commit(missing, visible):  # a run died before its ledger entry, or is about to write it
        result = _enter(night, owed, there)
    if fresh := [one for one in missing if one.version not in visible]:
        result = _score(night, fresh, snapshot)
    return result


def _by_commit(served: Sequence[Served], visible: Mapping[int, Committed]) -> Iterator[tuple[Committed, list[Served]]]:
    """Yield each commit and the versions that it made visible, in the roles that they had then."""
    there = {visible[one.version].run: visible[one.version] for one in served if one.version in visible}
    for run_id, commit in there.items():
        mine = [one for one in served if one.version in visible and visible[one.version].run == run_id]
        yield commit, [replace(one, role=visible[one.version].role) for one in mine]


def _score(night: Night, served: Sequence[Served], snapshot: str | None) -> BatchResult:
    run, date, rows = night.run, night.date, night.good_rows(served[0], snapshot)
    stage = Stage(run.workspace, run.config.model, date, rows.snapshot.id, run.id)
    try:
        stage.open(served)
        passed = _pass_over(night, rows, served, stage.write)
        _check(passed, served, run.config)
        parts = stage.close(set(passed.summaries))
        if not passed.summaries:
            stage.discard()
            return BatchResult(date, "already", 0, "no shadow scored it")
    except DataError as error:
        stage.discard()
        raise BrokenBatchError(str(error), rows.snapshot, rows.verdict) from None
    except BaseException:
        stage.discard()
        raise
    require_record(run.workspace.archive, run.id)
    if not commit_batch(run.workspace, parts, run.config.model, date, list(passed.summaries)):
        stage.discard()
        return _settle(night, served, snapshot)  # another run was faster: what it committed stands
    return _entered(night, rows, served, passed, run.id)


def _enter(night: Night, served: Sequence[Served], there: Committed) -> BatchResult:
    """Write the ledger entry that a run which died owes: of the rows that it saw and committed."""
    try:
        rows = night.rows(served[0], there.snapshot)
        with ScoredAnew(night.scratch, served) as anew:
            passed = _pass_over(night, rows, served, anew.write)
        for one in served:
            _require_same(night, one, there, anew, passed)
    except DataError as error:
        owed = f"run {there.run} committed it and died before its ledger entry, which cannot be written now: {error}"
        return BatchResult(night.date, "rejected", 0, owed)
    return _entered(night, rows, served, passed, there.run)


def _require_same(night: Night, one: Served, there: Committed, anew: ScoredAnew, passed: Pass) -> None:
    """Raise DataError unless a version says today of the rows what it said then: an entry is about what is there."""
    run = night.run
    if one.version in passed.failed:
        raise DataError(passed.failed[one.version])
    found = rows_digest(run.workspace, run.config.model, night.date, one.version, there.run, night.scratch)
    if anew.digest(one.version) != found:
        raise DataError(
            f"today's suite, feature function or config gives other rows or scores for v{one.version}. Check out the "
            "code of that run and score the date with it: plimsoll runs"
        )


def _pass_over(night: Night, rows: Rows, served: Sequence[Served], sink: Sink) -> Pass:
    shadows = _are_shadows(served)
    limit = shadow_seconds(night.predicted, night.run.config.scoring.shadow_limit) if shadows else None
    good = (rows.verdict.keep_good(chunk) for chunk in rows.chunks(served))
    passed = score_chunks(good, served, sink, may_fail=shadows, limit=limit, explain=_asked(night, rows, served))
    _leave_out(night.run, night.date, passed.failed)
    if not shadows:
        night.predicted = passed.seconds[served[0].version]
    return passed


def _check(passed: Pass, served: Sequence[Served], config: ModelConfig) -> None:
    """Raise DataError when no row is left, or when too many are strange to the champion."""
    if not passed.rows:
        raise DataError("No row is left: every row was set aside.")
    if not _are_shadows(served):
        unseen = passed.summaries[served[0].version].unseen
        if stop := too_many_unseen(unseen, passed.rows, config.scoring.max_unseen_share):
            raise DataError(stop)


def _are_shadows(served: Sequence[Served]) -> bool:
    return served[0].role not in ("champion", "backfill")


def _asked(night: Night, rows: Rows, served: Sequence[Served]) -> Explain | None:
    """Return which scores are to be taken apart: those of a champion whose learner can be, and not too many."""
    scoring = night.run.config.scoring
    if not scoring.explain_share or _are_shadows(served) or not explainable(served[0].bundle):
        return None
    return Explain(min(scoring.explain_share, MOST_EXPLAINED / max(rows.assembled.rows, 1)), scoring.explain_top)


def _leave_out(run: Run, date: str, failed: Mapping[int, str]) -> None:
    for number, said in failed.items():
        run.outputs.setdefault("left_out", {})[f"{date} v{number}"] = f"{date}: v{number} did not score: {said}"


def _entered(night: Night, rows: Rows, served: Sequence[Served], passed: Pass, scored_by: str) -> BatchResult:
    """Write an entry for each version, so that whoever finishes one of a commit's versions leaves the others open."""
    run, date = night.run, night.date
    kept = [one for one in served if one.version in passed.summaries]
    note_table(run.workspace)
    about = {
        "date": date,
        "scored_by": scored_by,
        "rows": passed.rows,
        **quarantine_facts(rows.verdict, keep_bad_rows(run.store, rows.verdict)),
        "snapshot": rows.snapshot.id,
        "validation": rows.verdict.report,
        **keep_explained(run.store, passed.explained),
    }
    for one in kept:
        number, summary = one.version, passed.summaries[one.version]
        facts = {
            "versions": {str(number): one.role},
            "unseen": dict(summary.unseen),
            "scores": rows_digest(run.workspace, run.config.model, date, number, scored_by, night.scratch),
            "profiles": {str(number): _keep_summary(run, summary)},
            "predict_seconds": round(passed.seconds[number], 4),
        }
        entry = run.decide("batch_committed", {**about, **facts}, key=f"batch:{date}:v{number}", as_of=date)
        if entry.facts["run"] != run.id:
            return BatchResult(date, "already", passed.rows, f"v{number} scored it in run {entry.facts['run']}")
    aside = rows.verdict.rows - passed.rows
    set_aside = f", {aside} set aside" if aside else ""
    return BatchResult(date, "committed", passed.rows, f"{passed.rows} rows by v{kept[0].version}{set_aside}")


def _keep_summary(run: Run, summary: Summary) -> str:
    """Store what a version made of the batch and return the digest."""
    return put_json(run.store, {**to_json(summary.profile), "scores": summary.scores.to_json()})


def _reject(night: Night, error: BrokenBatchError) -> BatchResult:
    run, date, verdict = night.run, night.date, error.verdict
    facts: dict[str, Any] = {
        "date": date,
        "reason": str(error),
        "snapshot": error.snapshot.id,
        "rows": verdict.rows if verdict else 0,
        "validation": verdict.report if verdict else "",
    }
    if verdict and verdict.bad_rows:
        facts |= quarantine_facts(verdict, keep_bad_rows(run.store, verdict))
    what = sha256_json([error.snapshot.digests, str(error)])  # the same bytes on another night are no news
    entry: Entry = run.decide("batch_rejected", facts, key=f"rejected:{date}:{what}", as_of=date)
    return BatchResult(date, "rejected", 0, str(entry.facts["reason"]))
