"""Batches: which versions score, and one date from its files to one atomic commit."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from plimsoll.bundle import Bundle
from plimsoll.digest import sha256_json
from plimsoll.errors import DataError, IntegrityError
from plimsoll.ledger import Entry
from plimsoll.predictions import BatchResult, Role, Served, score_rows, scores_digest, summarize
from plimsoll.profile import profile_batch, to_json
from plimsoll.run_record import require_record
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.standing import Standing
from plimsoll.store import put_json
from plimsoll.validation import Verdict, too_many_bad_rows
from tasks.assemble import assemble_batch, batch_partition
from tasks.bundles import fetch_bundle
from tasks.champion import alias_warning
from tasks.data_docs import build_data_docs
from tasks.delta import Committed, commit_batch, committed_versions
from tasks.landing import dates_between, keep_snapshot, landed_dates
from tasks.records import Run
from tasks.table_notes import note_table

RETRY_DAYS = 7


def dates_to_score(run: Run, start: dt.date | None, end: dt.date | None) -> list[str]:
    """Return the asked dates; without a start, all landed after the newest committed batch up to the business date,
    and the rejected ones of the last week, which may have been delivered again.

    A date that was asked but has not landed stays in the list, so that it is rejected, not forgotten.
    """
    if run.config.source.kind == "table":
        return [(start or dt.date.fromisoformat(run.as_of)).isoformat()]
    if start:
        return dates_between(start, end)
    standing, until = run.standing(), min(run.as_of, str(end or run.as_of))
    done = {str(entry.facts["date"]) for entry in standing.of_kind("batch_committed")}
    landed = [date for date in landed_dates(run.workspace, run.config) if date <= until]
    if not done:
        return landed[-1:]
    stopped = {str(entry.facts["date"]) for entry in standing.of_kind("batch_rejected")} - done
    since = (dt.date.fromisoformat(run.as_of) - dt.timedelta(days=RETRY_DAYS)).isoformat()
    again = {date for date in stopped if since <= date <= until}
    return sorted(again | {date for date in landed if date > max(done)})


@task(cache_policy=NO_CACHE)
def resolve_versions(run: Run) -> list[Served]:
    """Return the versions that score in this run, champion first: resolved once, whatever is promoted meanwhile.

    A damaged champion stops the run; a damaged shadow is left out and named, since it harms nobody.
    """
    standing, model = run.standing(), run.config.model
    if standing.champion is None:
        raise DataError(
            f"{model} has no champion yet, so nothing can be scored. Train and approve one: plimsoll train {model}"
        )
    if warning := alias_warning(run.workspace, model, standing.champion):
        run.outputs["alias_warning"] = warning
        get_run_logger().warning(warning)
    served = [one for n, role in _roles(run, standing, standing.champion) if (one := _serve(run, standing, n, role))]
    run.outputs["versions"] = {str(one.version): one.role for one in served}
    get_run_logger().info("Scoring with %s", ", ".join(f"v{s.version} ({s.role})" for s in served))
    return served


def _roles(run: Run, standing: Standing, champion: int) -> list[tuple[int, Role]]:
    roles: list[tuple[int, Role]] = [(champion, "champion")]
    roles += [(v.number, "challenger") for v in standing.versions if v.state == "requested"]
    if run.config.scoring.shadow_previous and standing.previous:
        roles.append((standing.previous, "previous"))
    return roles


def _serve(run: Run, standing: Standing, number: int, role: Role) -> Served | None:
    try:
        return Served(number, role, _bundle(run, standing, number))
    except IntegrityError as error:
        if role == "champion":
            raise
        run.outputs.setdefault("left_out", {})[str(number)] = f"v{number} ({role}) did not score: {error}"
        get_run_logger().warning(run.outputs["left_out"][str(number)])
        return None


def _bundle(run: Run, standing: Standing, number: int) -> Bundle:
    version = standing.version(number)
    if version is None:
        raise DataError(f"{run.config.model} v{number} is not in the ledger. See: plimsoll history {run.config.model}")
    run.parents.append(str(version.trained.facts["run"]))
    return fetch_bundle(run.workspace, run.config.model, number, version.bundle)


@task(cache_policy=NO_CACHE)
def score_dates(run: Run, served: list[Served], dates: list[str]) -> list[BatchResult]:
    """Score a shard of dates, each for itself: a broken one stops itself alone."""
    results = []
    for date in dates:
        result = score_date(run, served, date)
        get_run_logger().log(30 if result.state == "rejected" else 20, "%s %s: %s", date, result.state, result.sentence)
        results.append(result)
    return results


def score_date(run: Run, served: list[Served], date: str) -> BatchResult:
    """Score one date exactly once: skip what is committed, repair what was cut off, reject what is broken."""
    model = run.config.model
    champion = served[0].version
    if entry := run.standing().batch(date, champion):
        return BatchResult(
            date, "already", int(entry.facts["rows"]), f"v{champion} scored it in run {entry.facts['run']}"
        )
    visible = committed_versions(run.workspace, model, date)
    if champion in visible:  # a run died between its Delta commit and its ledger entry, or is about to write it
        served = _of_one_commit(served, visible, visible[champion].run)
        snapshot = load_snapshot(run.store, visible[champion].snapshot)
    else:  # what another champion's run committed stands as it was
        served = [one for one in served if one.version not in visible]
        snapshot = keep_snapshot(run, [date], outcomes=False)
    try:
        frame, verdict = assemble_batch(run.workspace, run.config, snapshot, batch_partition(run.config, date))
        stop = "; ".join(verdict.stops) or too_many_bad_rows(verdict, run.config.scoring.max_quarantined_share)
    except DataError as error:
        stop, verdict = str(error), None
    if stop or verdict is None:
        return _reject(run, date, snapshot, stop or "", verdict)
    good = verdict.keep_good(frame)
    table = score_rows(good, served, date, snapshot.id, run.id)
    numbers = [one.version for one in served]
    require_record(run.workspace.archive, run.id)
    if champion not in visible and not commit_batch(run.workspace, table, model, date, numbers):
        return score_date(run, served, date)  # another run was faster: what it committed stands
    note_table(run.workspace)
    profiles = {
        str(s.version): put_json(run.store, to_json(profile_batch(s.bundle.reference.plan, good))) for s in served
    }
    facts = {
        "date": date,
        "versions": {str(one.version): one.role for one in served},
        "scored_by": visible[champion].run if champion in visible else run.id,
        "rows": len(good),
        "quarantined": verdict.to_json()["bad_rows"],
        "unseen": served[0].bundle.encoder.unseen(good),
        "snapshot": snapshot.id,
        "scores": scores_digest(table),
        "profiles": profiles,
        "validation": verdict.report,
    }
    run.decide("batch_committed", facts, key=f"batch:{date}:v{champion}", as_of=date)
    set_aside = f", {len(frame) - len(good)} set aside" if len(frame) > len(good) else ""
    return BatchResult(date, "committed", len(good), f"{len(good)} rows by v{champion}{set_aside}")


def _of_one_commit(served: list[Served], visible: Mapping[int, Committed], run_id: str) -> list[Served]:
    """Return the versions that a run committed, in the roles that they had then."""
    found = ((one, visible.get(one.version)) for one in served)
    return [replace(one, role=there.role) for one, there in found if there and there.run == run_id]


def _reject(run: Run, date: str, snapshot: Snapshot, reason: str, verdict: Verdict | None) -> BatchResult:
    facts = {
        "date": date,
        "reason": reason,
        "snapshot": snapshot.id,
        "rows": verdict.rows if verdict else 0,
        "validation": verdict.report if verdict else "",
    }
    what = sha256_json([snapshot.digests, reason])  # the same bytes on another night are no news
    entry: Entry = run.decide("batch_rejected", facts, key=f"rejected:{date}:{what}", as_of=date)
    return BatchResult(date, "rejected", 0, str(entry.facts["reason"]))


def close_batches(run: Run, results: list[BatchResult]) -> State[Any]:
    """Write the counts into the record and return the run's state: failed by name when a batch was rejected."""
    counts = summarize(results)
    run.outputs |= counts
    alias = run.outputs.get("alias_warning", "")
    run.sentence = " ".join([_tally(counts), *run.outputs.get("left_out", {}).values(), *([alias] if alias else [])])
    if not counts["rejected"]:
        return Completed(message=run.sentence, data=counts)
    run.result = "refused"
    build_data_docs(run.workspace, run.config.model)
    reasons = "; ".join(f"{date}: {reason}" for date, reason in counts["rejected"].items())
    run.sentence = f"{run.sentence} {reasons}"
    return Failed(name="Rejected", message=run.sentence, data=counts)


def _tally(counts: dict[str, Any]) -> str:
    batches = "batch" if counts["committed"] == 1 else "batches"
    said = [f"Scored {counts['rows']:,} rows of {counts['committed']} {batches}"]
    said += [f"{counts['already']} committed before"] if counts["already"] else []
    said += [f"{len(counts['rejected'])} rejected"] if counts["rejected"] else []
    return "; ".join(said) + "."
