"""Rows that a committed batch had set aside and the source has mended since: scored once, beside what is visible.

The n-th such commit of a version is a transaction of its own name, and a ledger entry of its own. Nothing that is
visible changes, and a row that came new in the delivery is not scored: a committed batch is complete.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.errors import DataError, FolderError, IntegrityError, PlimsollError, ServerError
from plimsoll.ledger import Entry
from plimsoll.predictions import BatchResult, Served
from plimsoll.run_record import require_record
from plimsoll.scoring import Pass, Sink, score_chunks
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing
from plimsoll.validation import quarantined_rows
from tasks.delta import Committed, cleared_name, commit_cleared
from tasks.landing import keep_snapshot
from tasks.mended_rows import Mended, count_new, mended
from tasks.night import Night, Rows
from tasks.prediction_files import batch_parts, commits_there, count_of_runs, live_files, rows_digest
from tasks.records import Run
from tasks.scratch import scratch_folder
from tasks.staging import Stage
from tasks.table_notes import note_table
from tasks.workspace import Workspace


class _Case(NamedTuple):
    """One version's result of a date, all that was said of it so far, and the number of the clear that comes next."""

    one: Served  # in the role of its rows
    batch: Entry
    last: Entry
    runs: frozenset[str]  # whose rows are known
    n: int


def clear_rows(night: Night, served: Sequence[Served], result: BatchResult) -> BatchResult:
    """Let each version score what it had set aside of a committed batch and the source has mended since.

    Returns result where nothing is cleared. A delivery that is broken clears nothing: the run says why, and what was
    committed stands. What goes wrong with a shadow is told and harms nobody.
    """
    said: list[tuple[int, Entry]] = []
    for one in served:
        try:
            said += [(one.version, entry)] if (entry := _clear(night, one, served[0])) else []
        except PlimsollError as error:
            if one is served[0] and not isinstance(error, DataError):
                raise
            why = f"{night.date}: nothing was cleared for v{one.version}, and what it committed stands. {error}"
            night.run.outputs.setdefault("left_out", {})[f"{night.date} v{one.version}"] = why
            if one is served[0]:
                break
    return _result(night.date, said) if said else result


def finish_clears(run: Run, served: Sequence[Served], date: str) -> None:
    """Write the entries that runs owe which cleared rows and died; IntegrityError for rows that nobody committed."""
    with scratch_folder(run.workspace) as scratch:
        for one in served:
            case = _case(run.standing(), one, date)
            if case and (there := open_clear(run.workspace, run.standing(), case.batch, one.version)):
                _finish(Night(run, date, scratch), case, there)
            elif case and (strange := _strange(run.workspace, case)):
                raise IntegrityError(
                    f"The predictions of {run.config.model} {date} by v{one.version} hold rows of "
                    f"{' and '.join(sorted(strange))}, which no ledger entry and no commit of cleared rows knows. "
                    "Restore the predictions table from a backup."
                )


def open_clear(workspace: Workspace, standing: Standing, batch: Entry, version: int) -> Committed | None:
    """Return what was cleared of a batch and is visible, but has no ledger entry yet; None when there is no such."""
    model, date = batch.model, str(batch.facts["date"])
    clears = standing.cleared(batch, version)
    live = live_files(workspace)
    name = cleared_name(model, date, version, len(clears) + 1)
    if live is None or live.table.transaction_version(name) is None:
        return None
    known = {str(entry.facts["scored_by"]) for entry in (batch, *clears)}
    found = [one for one in commits_there(live, model, date, version) if one.run not in known]
    if len(found) > 1:
        raise IntegrityError(f"The predictions of {model} {date} hold rows of runs that no ledger entry knows.")
    return found[0] if found else None


def _clear(night: Night, one: Served, leader: Served) -> Entry | None:
    """Return the entry about what was cleared for a version, None when there is nothing to clear.

    The leader looks at the source; the others take the delivery that it took last, to be compared on the same rows.
    """
    run, workspace = night.run, night.run.workspace
    case = _case(run.standing(), one, night.date)
    if case is None:
        return None
    if case.last.kind == "rows_cleared" and case.last.facts["run"] == run.id:
        return case.last  # by this very run, in a process that was killed thereafter
    live = live_files(workspace)
    there = live and any(v == one.version for v, _ in batch_parts(live, run.config.model, night.date))
    if run.id in case.runs or not quarantined_rows(case.last.facts) or not there:
        return None
    if opened := open_clear(workspace, run.standing(), case.batch, one.version):
        return _finish(night, case, opened)
    ahead = _case(run.standing(), leader, night.date) if leader.version != one.version else None
    rows = _newer(night, one, case.last, str(ahead.last.facts["snapshot"]) if ahead else None)
    if rows is None or not (found := mended(run.store, case.last, rows)).keys:
        return None
    return _score(night, case, leader, rows, found)


def _case(standing: Standing, one: Served, date: str) -> _Case | None:
    if (batch := standing.batch(date, one.version)) is None:
        return None
    entries = [batch, *standing.cleared(batch, one.version)]
    role = batch.facts["versions"][str(one.version)]
    runs = frozenset(str(entry.facts["scored_by"]) for entry in entries)
    return _Case(replace(one, role=role), batch, entries[-1], runs, len(entries))


def _newer(night: Night, one: Served, last: Entry, known: str | None) -> Rows | None:
    """Return the date's rows of a known snapshot, or as the source has them now; None for the bytes judged last.

    DataError when they are broken, or cannot be read: the batch itself needs them no more.
    """
    run = night.run
    try:
        snapshot = load_snapshot(run.store, known) if known else keep_snapshot(run, [night.date], outcomes=False)
        same = snapshot.digests == load_snapshot(run.store, str(last.facts["snapshot"])).digests
        return None if same else night.good_rows(one, snapshot.id)
    except (FolderError, ServerError) as error:
        raise DataError(f"The source could not be looked at: {error}") from None


def _score(night: Night, case: _Case, leader: Served, rows: Rows, found: Mended) -> Entry | None:
    run, one = night.run, case.one
    late = count_new(run.workspace, case.last, one.version, rows, found.keys | {row["key"] for row in found.left})
    stage = Stage(run.workspace, run.config.model, night.date, rows.snapshot.id, run.id, f"cleared{case.n}")
    try:
        stage.open([one])
        passed = _pass_over(rows, found, one, stage.write)
        parts = stage.close({one.version})
    except BaseException:
        stage.discard()
        raise
    require_record(run.workspace.archive, run.id)
    if not commit_cleared(run.workspace, parts, run.config.model, night.date, one.version, case.n):
        stage.discard()
        return _clear(night, one, leader)  # another run was faster: what it committed stands
    return _enter(night, case, rows, found, passed, run.id, late)


def _finish(night: Night, case: _Case, there: Committed) -> Entry:
    """Write the entry that a run which died owes: of the rows that it saw and committed."""
    run, number = night.run, case.one.version
    rows = night.rows(case.one, there.snapshot)
    found = mended(run.store, case.last, rows)
    passed = _pass_over(rows, found, case.one, lambda *_: None)
    live = live_files(run.workspace)
    parts = [path for v, path in batch_parts(live, run.config.model, night.date) if v == number] if live else []
    if live is None or passed.rows != sum(count_of_runs(live, path, {there.run}) for path in parts):
        raise DataError(
            f"Run {there.run} cleared rows and died before its ledger entry, which cannot be written now: with the "
            "code and the suite that are here other rows would be cleared. Run it with those of that run."
        )
    late = count_new(run.workspace, case.last, number, rows, found.keys | {row["key"] for row in found.left})
    return _enter(night, case, rows, found, passed, there.run, late)


def _pass_over(rows: Rows, found: Mended, one: Served, sink: Sink) -> Pass:
    chunks = (_only(chunk, found) for chunk in rows.chunks([one]))
    try:
        return score_chunks((chunk for chunk in chunks if len(chunk)), [one], sink)
    except PlimsollError:
        raise
    except Exception as error:  # whatever a learner raises
        raise DataError(f"v{one.version} could not score the mended rows: {type(error).__name__}: {error}") from error


def _only(chunk: pd.DataFrame, found: Mended) -> pd.DataFrame:
    return chunk[chunk[KEY].isin(found.keys)]


def _enter(night: Night, case: _Case, rows: Rows, found: Mended, passed: Pass, scored_by: str, late: int) -> Entry:
    run, date, number, model = night.run, night.date, case.one.version, night.run.config.model
    note_table(run.workspace)
    facts = {
        "date": date,
        "batch_entry": case.batch.n,
        "versions": {str(number): case.one.role},
        "scored_by": scored_by,
        "rows": passed.rows,
        **found.facts(run.store, rows.verdict),
        "came_late": late,
        "unseen": dict(passed.summaries[number].unseen),
        "snapshot": rows.snapshot.id,
        "scores": rows_digest(run.workspace, model, date, number, scored_by, night.scratch),
        "validation": rows.verdict.report,
    }
    return run.decide("rows_cleared", facts, key=f"cleared:{date}:v{number}:{case.n}", as_of=date)


def _strange(workspace: Workspace, case: _Case) -> set[str]:
    live, batch = live_files(workspace), case.batch
    found = commits_there(live, batch.model, str(batch.facts["date"]), case.one.version) if live else set[Committed]()
    return {one.run for one in found} - case.runs


def _result(date: str, said: Sequence[tuple[int, Entry]]) -> BatchResult:
    facts = said[0][1].facts
    by = " and ".join(f"v{version}" for version, _ in said)
    parts = [f"{_rows(facts['rows'])} that had been set aside, by {by}"]
    parts += [f"{left} still set aside"] if (left := quarantined_rows(facts)) else []
    parts += [f"not scored: {_rows(facts['came_late'])} that came new"] if facts["came_late"] else []
    return BatchResult(date, "cleared", int(facts["rows"]), "; ".join(parts))


def _rows(number: int) -> str:
    return f"{number} row{'s' if number != 1 else ''}"
