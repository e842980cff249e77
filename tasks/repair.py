"""Repair: what follows from the ledger and was not done is done now. Nothing is decided, and damage is not touched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from plimsoll.digest import canonical_json
from plimsoll.errors import ConfigError, DataError, IntegrityError
from plimsoll.ledger import mark_head, read_ledger
from plimsoll.people import PEOPLE
from plimsoll.predictions import Served
from plimsoll.run_record import read_record
from plimsoll.standing import Version
from plimsoll.store import get_object
from plimsoll.verification import Finding, Owed, Verification
from tasks.approvals import settle
from tasks.bundles import fetch_bundle
from tasks.champion import mirror_aliases, standing_of
from tasks.clear_rows import finish_clears
from tasks.delta import Committed
from tasks.delta_layout import partitions
from tasks.mlflow_lineage import RECORD
from tasks.mlflow_registry import connected, log_files
from tasks.mlflow_roles import candidates_of, promoted_versions
from tasks.pages import write_page
from tasks.prediction_files import committed_versions, live_files, runs_there
from tasks.promoted_card import promoted_tags
from tasks.records import Recorded, Run, recording, recording_platform
from tasks.score_date import score_date
from tasks.shown_pages import kept_pages
from tasks.table_notes import note_table
from tasks.verify import Progress, verify
from tasks.verify_mirrors import expected_tags
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Repairs:
    """What was put right, or in a dry run what would be."""

    sentences: tuple[str, ...]
    runs: tuple[str, ...]  # their records
    dry_run: bool

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        if not self.sentences:
            return "Nothing to repair: everything is as the ledger says."
        things = f"{len(self.sentences)} thing{'s' if len(self.sentences) > 1 else ''}"
        return f"{things} would be put right." if self.dry_run else f"{things} put right."

    def to_json(self) -> dict[str, Any]:
        """Return what was done as JSON."""
        done = {"sentence": self.sentence, "repairs": list(self.sentences), "runs": list(self.runs)}
        return {**done, "dry_run": self.dry_run}


def repair(
    workspace: Workspace, model: str | None = None, *, dry_run: bool = False, progress: Progress = lambda _: None
) -> Repairs:
    """Put right what verify finds owed, each model in a run with a record of its own.

    Raises IntegrityError that names the first damage, before anything is changed.
    """
    seen = verify(workspace, model, quick=True, progress=progress)
    if seen.damage:
        raise IntegrityError(f"{seen.sentence} Nothing was repaired: put back from a backup first what only it holds.")
    plan = _by_model(seen)
    if dry_run or not plan:
        return Repairs(tuple(f.sentence for owed in plan.values() for f in owed), (), dry_run)
    said: list[str] = []
    runs: list[str] = []
    for name, owed in plan.items():
        with _recorded(workspace, name) as run:
            for finding in owed:
                progress(f"Repairing {finding.where}")
                said.append(_ACTS[finding.owed](run, finding))
                run.outputs.setdefault("repaired", []).append(said[-1])
            run.sentence = " ".join(run.outputs["repaired"])
            runs.append(run.id)
    return Repairs(tuple(said), tuple(runs), dry_run)


def _by_model(seen: Verification) -> dict[str, list[Finding]]:
    """Return what is owed by model, notes of the table last: what is repaired before may write more of them."""
    plan: dict[str, list[Finding]] = {}
    for finding in sorted(seen.owed, key=lambda finding: (finding.owed == "notes", finding.model)):
        plan.setdefault(finding.model, []).append(finding)
    return plan


def _recorded(workspace: Workspace, model: str) -> Any:
    if model in ("", PEOPLE):
        return recording_platform("repair", None, {})
    if model not in workspace.listed:
        raise ConfigError(
            f"Something of {model} is to be repaired, but it has no config. Put configs/models/{model}.yaml back."
        )
    return recording("repair", model, None, {})


def _put_alias(run: Run, finding: Finding) -> str:
    mirror_aliases(run.workspace, finding.model)
    return f"{finding.where} says again what the ledger says."


def _put_mark(run: Run, finding: Finding) -> str:
    entry = read_ledger(run.workspace.archive, finding.model)[int(finding.about)]
    mark_head(run.workspace.archive, entry)
    return f"{finding.where} marks ledger entry {entry.n} again."


def _put_tags(run: Run, finding: Finding) -> str:
    standing = standing_of(run.workspace, finding.model)
    version = _version(run, int(finding.about))
    tags, name = expected_tags(standing, version), candidates_of(finding.model)
    of_copies = tags | promoted_tags(standing, version.number)
    with connected(run.workspace, f"tag {name} v{version.number}") as client:
        copies = [p.number for p in promoted_versions(client, finding.model) if p.version == version.number]
        there = [(name, version.number, tags), *((finding.model, number, of_copies) for number in copies)]
        for registered, number, wanted in there:
            for tag, value in wanted.items():
                client.set_model_version_tag(registered, str(number), tag, value)
    return f"{finding.where} say again what the ledger says."


def _put_copy(run: Run, finding: Finding) -> str:
    facts = _version(run, int(finding.about)).trained.facts
    record = read_record(run.workspace.archive, str(facts["run"]))
    with connected(run.workspace, f"copy the record of {facts['run']}") as client:
        log_files(client, str(facts["mlflow_run"]), {RECORD: canonical_json(record)})
    return f"{finding.where} is there again."


def _put_page(run: Run, finding: Finding) -> str:
    trained_by, name = str(_version(run, int(finding.about)).trained.facts["run"]), finding.where.rpartition("/")[2]
    kept = get_object(run.store, kept_pages(run.workspace, trained_by)[name])
    write_page(run.workspace.reports / finding.model / name, kept.decode())
    return f"{finding.where} is again as run {trained_by} wrote it."


def _promote(run: Run, finding: Finding) -> str:
    settle(run.workspace, finding.model, int(finding.about))
    return f"{finding.model} v{finding.about} was promoted, as its approval says."


def _finish_batch(run: Run, finding: Finding) -> str:
    """Enter a batch whose rows are visible in the ledger, once for each run that committed some of it."""
    standing = run.standing()
    entered = {
        v
        for e in standing.of_kind("batch_committed")
        if e.facts["date"] == finding.about
        for v in map(int, e.facts["versions"])
    }
    visible = committed_versions(run.workspace, finding.model, finding.about)
    open_runs = dict.fromkeys(there.run for number, there in visible.items() if number not in entered)
    for made_by in open_runs:
        numbers = sorted(
            (n for n, there in visible.items() if there.run == made_by and n not in entered),
            key=lambda n: visible[n].role != "champion",
        )
        result = score_date(run, [_served(run, n, visible[n].role) for n in numbers], finding.about)
        if owed := [n for n in numbers if not run.standing().batch(finding.about, n)]:
            said = [result.sentence, *run.outputs.get("left_out", {}).values()]
            raise DataError(f"{finding.model} {finding.about} still has no entry for v{owed[0]}: {' '.join(said)}")
    _finish_clears(run, finding.about, visible)
    return f"The batch of {finding.model} {finding.about} has its ledger entry."


def _finish_clears(run: Run, date: str, visible: Mapping[int, Committed]) -> None:
    told = run.standing().told_runs()
    live = live_files(run.workspace)
    there = partitions(live) if live else []
    mine = [part for part in there if (part.model, part.batch_date) == (run.config.model, date)]
    known = {part.version: told.get((date, part.version), set()) for part in mine}
    owed = [p.version for p in mine if live and any(runs_there(live, f) - known[p.version] for f in p.files)]
    finish_clears(run, [_served(run, number, visible[number].role) for number in owed], date)


def _served(run: Run, number: int, role: Any) -> Served:
    version = _version(run, number)
    run.parents.append(str(version.trained.facts["run"]))
    return Served(number, role, fetch_bundle(run.workspace, run.config.model, number, version.bundle))


def _version(run: Run, number: int) -> Version:
    if (version := run.standing().version(number)) is None:
        raise IntegrityError(
            f"{run.config.model} v{number} is named, but no ledger entry trained it. Restore the ledger from a backup."
        )
    return version


def _write_notes(run: Recorded, finding: Finding) -> str:
    rows = [] if finding.about.startswith("_") else [finding.about]
    note_table(run.workspace, rows)
    return f"{finding.where} has a note of its digest."


_ACTS: dict[Owed, Callable[[Any, Finding], str]] = {
    "alias": _put_alias,
    "mark": _put_mark,
    "tags": _put_tags,
    "copy": _put_copy,
    "page": _put_page,
    "promotion": _promote,
    "batch": _finish_batch,
    "notes": _write_notes,
}
