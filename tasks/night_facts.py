"""What one night's decision rests on: what the batch and the losses so far show, and where the model stands."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from plimsoll.belated import why_past
from plimsoll.errors import DataError
from plimsoll.ledger import Entry
from plimsoll.night_verdict import LateVerdict, NightVerdict, judge_late, judge_night
from plimsoll.outcomes import late_facts, refused_words
from plimsoll.pooling import waiting_dates
from plimsoll.retrain import Decision, RetrainFacts, decide
from plimsoll.standing import Standing, Version
from tasks.bundles import fetch_bundle
from tasks.evidently_report import report_name
from tasks.observed import observed_nights
from tasks.outcomes_feed import late_losses
from tasks.records import Run, utc_now
from tasks.retrain_starts import in_flight, trained_days
from tasks.stage import get_run_logger
from tasks.thresholds import kept_curves

QUIET_NIGHTS = 14  # an alarm after so many quiet nights is news, and gets a report


def judge_batch(run: Run, standing: Standing, batch: Entry, date: str) -> dict[str, Any]:
    """Return the facts of a decision about a batch, and all that it follows from."""
    config, rejected = run.config, batch.kind == "batch_rejected"
    number = standing.champion if rejected else _champion(batch)
    version = _version(standing, number) if number else None
    if version is None:
        facts = _facts(run, standing, batch, None, None)
        return _told(batch, facts, decide(facts, config.retrain))
    bundle = fetch_bundle(run.workspace, config.model, version.number, version.bundle)
    late = late_losses(run.workspace, config, standing, version.number, date, run.outcomes)
    curves, delay = kept_curves(run.workspace.archive), config.outcome.delay_days
    known = config.drift, bundle.reference, bundle.trained_through
    found: LateVerdict
    if rejected:
        found = judge_late(*known, date, late, curves, delay)
    else:
        nights = observed_nights(run.workspace, config, standing, bundle, version.number, date)
        waiting = waiting_dates([e.facts for e in standing.of_kind("drift_decided")], version.number)
        found = judge_night(*known, nights, late, curves, waiting, delay)
    facts = _facts(run, standing, batch, found, version)
    decision = decide(facts, config.retrain)
    body = {"version": version.number, **_with_refused(found.to_json(), run.outcomes.refused), "late": late_facts(late)}
    report = report_name(config.model, batch) if _report_wanted(run, standing, date, found, decision.retrain) else ""
    return _told(batch, facts, decision, **body, report=report)


def _told(batch: Entry, facts: RetrainFacts, decision: Decision, **more: Any) -> dict[str, Any]:
    about = {"date": batch.facts["date"], "batch": batch.kind, "batch_entry": batch.n}
    return {**about, **more, "controller": asdict(facts), "decision": vars(decision)}


def _with_refused(body: dict[str, Any], refused: Mapping[str, str]) -> dict[str, Any]:
    """Say of which dates the outcomes cannot be used, and why of the first."""
    if not refused:
        return body
    said = refused_words(refused)
    get_run_logger().warning(said)
    return {**body, "diagnosis": f"{body.get('diagnosis', '')} {said}".strip(), "outcomes_refused": dict(refused)}


def _champion(batch: Entry) -> int:
    return next(int(v) for v, role in batch.facts["versions"].items() if role == "champion")


def _version(standing: Standing, number: int) -> Version:
    version = standing.version(number)
    if version is None:
        model = standing.model
        raise DataError(f"{model} v{number} is not in the ledger. See: plimsoll history {model}")
    return version


def _facts(
    run: Run, standing: Standing, batch: Entry, found: LateVerdict | None, version: Version | None
) -> RetrainFacts:
    today, of = dt.date.fromisoformat(str(batch.facts["date"])), run.config.retrain.persistence_of
    night = found if isinstance(found, NightVerdict) else None
    asked, by_hand = trained_days(run, standing, today)
    last = max([*asked, *by_hand], default=None)
    return RetrainFacts(
        date=str(today),
        batch="rejected" if batch.kind == "batch_rejected" else "committed",
        batch_reason=str(batch.facts.get("reason", "")),
        input_alarm=bool(night and night.input_alarm),
        quality_alarms=found.quality_alarms[-of:] if found else (),
        recent_alarm=bool(night and night.recent.alarm),
        estimate_alarms=night.estimate_alarms[-of:] if night else (),
        alarmed_slices=found.alarmed_slices if found else (),
        losses_rose_from=found.losses_rose_from if found else None,
        model_age_days=max((today - dt.date.fromisoformat(version.trained.as_of)).days, 0) if version else 0,
        days_since_last_retrain=(today - last).days if last else None,
        retrains_last_30_days=sum((today - day).days < 30 for day in asked),
        in_flight=in_flight(run, standing),
        awaiting_approval=_awaiting(standing),
        backfill=why_past(standing, version, str(today)) if version else "",
        successor=standing.champion if version and version.number != standing.champion else None,
    )


def _awaiting(standing: Standing) -> int | None:
    """Return a version that waits for a person; an expired request waits for nobody."""
    requests = {e.facts["version"]: e.facts["expires_at"] for e in standing.of_kind("promotion_requested")}
    waiting = [v.number for v in standing.versions if v.state == "requested" and requests[v.number] > utc_now()]
    return next((number for number in waiting if not standing.approvals(number)), None)


def _report_wanted(run: Run, standing: Standing, date: str, found: LateVerdict, retrain: bool) -> bool:
    """Return whether the policy asks for Evidently's report about this night."""
    if not isinstance(found, NightVerdict):
        return False
    before = [entry.facts for night, entry in standing.nights().items() if night < date]
    past = [facts.get("inputs") or {} for facts in before[-QUIET_NIGHTS:]]
    news = found.input_alarm and not any(verdict.get("alarm") for verdict in past)
    return {"always": True, "never": False, "on_change": retrain or news}[run.config.drift.report]
