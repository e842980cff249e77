"""Drift decisions: one a night and batch, with all its facts, also when the decision is not to act."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from prefect.logging import get_run_logger

from plimsoll.bundle import Bundle
from plimsoll.errors import DataError
from plimsoll.ledger import Entry
from plimsoll.night_verdict import NightVerdict, judge_night
from plimsoll.outcomes import late_facts
from plimsoll.pooling import waiting_dates
from plimsoll.retrain import STOPS, RetrainFacts, decide
from plimsoll.standing import Standing, by_champion
from tasks.announce import announce
from tasks.bundles import fetch_bundle
from tasks.evidently_report import draw_report
from tasks.landing import dates_between
from tasks.observed import observed_nights
from tasks.outcomes_feed import late_losses
from tasks.pages import report_url
from tasks.prefect_api import publish_markdown
from tasks.records import Run, utc_now
from tasks.stage import stage
from tasks.thresholds import kept_curves

OWED_DAYS = 7  # a retrain that was never started is started no later
QUIET_NIGHTS = 14  # an alarm after so many quiet nights is news, and gets a report
IN_FLIGHT_HOURS = 24  # a training run that has left no version after a day is dead


@dataclass(frozen=True)
class Night:
    """What was found about one night."""

    entry: Entry

    @property
    def date(self) -> str:
        """The batch date."""
        return str(self.entry.facts["date"])

    @property
    def retrain(self) -> bool:
        """Whether the decision is to retrain."""
        return bool(self.entry.facts["decision"]["retrain"])

    @property
    def rule(self) -> str:
        """The slug of the rule that decided."""
        return str(self.entry.facts["decision"]["rule"])

    @property
    def train_from(self) -> str | None:
        """The first date that a retrain learns from, None for the configured window."""
        first: str | None = self.entry.facts["decision"].get("train_from")
        return first

    @property
    def sentence(self) -> str:
        """The decision in words."""
        return str(self.entry.facts["decision"]["sentence"])


def dates_to_check(run: Run, start: dt.date | None, end: dt.date | None) -> list[str]:
    """Return the asked dates; without a start, every batch that has no decision yet, oldest first.

    Raises DataError for a date whose batch was neither scored nor rejected.
    """
    standing = run.standing()
    if start is None:
        return [date for date in standing.undecided() if date <= min(run.as_of, str(end or run.as_of))]
    dates = dates_between(start, end)
    if missing := [date for date in dates if standing.batch(date) is None]:
        raise DataError(
            f"{run.config.model}: no batch of {missing[0]} was scored or rejected, so there is nothing to check. "
            f"Score it first: plimsoll score {run.config.model} --date {missing[0]}"
        )
    return dates


@stage
def decide_nights(run: Run, dates: list[str]) -> list[Night]:
    """Decide about each date in order, and stop after the first retrain: later nights belong to what follows."""
    nights: list[Night] = []
    for date in dates:
        nights.append(decide_night(run, date))
        get_run_logger().info(nights[-1].sentence)
        if nights[-1].retrain:
            break
    return nights


def owed_retrain(run: Run, nights: list[Night]) -> Night | None:
    """Return the night whose retrain nobody has started, because the check that decided on it died.

    None when what was found tonight stops retrains, or when that night is more than a week ago: the world has moved on.
    """
    owed = run.standing().owed_retrain()
    if owed is None or (nights and nights[-1].rule in STOPS):
        return None
    days = dt.date.fromisoformat(run.as_of) - dt.date.fromisoformat(str(owed.facts["date"]))
    return Night(owed) if days.days <= OWED_DAYS else None


def decide_night(run: Run, date: str) -> Night:
    """Return the one decision about a date's batch: the one in the ledger, or a new one."""
    standing = run.standing()
    batch = standing.batch(date)
    if batch is None:
        raise DataError(f"{run.config.model}: no batch of {date} was scored or rejected.")
    if batch.kind == "batch_committed" and not by_champion(batch):
        raise DataError(
            f"{run.config.model}: {date} was scored by no champion, only by a version asked for by its number, so "
            f"there is nothing to decide. Score it: plimsoll score {run.config.model} --date {date}"
        )
    run.parents.append(str(batch.facts["run"]))
    before = standing.decision(date)
    if before and before.facts["batch_entry"] == batch.n:
        return Night(before)
    facts = _judge(run, standing, batch, date)
    entry = run.decide("drift_decided", facts, key=f"check:{date}:{batch.n}", as_of=date)
    if entry.facts["run"] == run.id:  # else another run was quicker, and has told
        announce(run, entry, standing.last("drift_decided"))
    return Night(entry)


def _judge(run: Run, standing: Standing, batch: Entry, date: str) -> dict[str, Any]:
    config = run.config
    if batch.kind == "batch_rejected":
        decision = decide(_facts(run, standing, batch, date, None, None), config.retrain)
        return _as_facts(date, batch, decision=vars(decision))
    version = next(int(v) for v, role in batch.facts["versions"].items() if role == "champion")
    bundle = _bundle(run, standing, version)
    nights = observed_nights(run.workspace, config, standing, bundle, version, date)
    late = late_losses(run.workspace, config, standing, version, date, run.outcomes)
    curves = kept_curves(run.workspace.archive)
    waiting = waiting_dates([e.facts for e in standing.of_kind("drift_decided")], version)
    found = judge_night(config.drift, bundle.reference, bundle.trained_through, nights, late, curves, waiting)
    decision = decide(_facts(run, standing, batch, date, found, bundle), config.retrain)
    report = _report(run, standing, batch, bundle, found.input_alarm, decision.retrain)
    told = {"version": version, **found.to_json(), "late": late_facts(late), "decision": vars(decision)}
    return _as_facts(date, batch, **told, report=report)


def _as_facts(date: str, batch: Entry, **facts: Any) -> dict[str, Any]:
    return {"date": date, "batch": batch.kind, "batch_entry": batch.n, **facts}


def _facts(
    run: Run,
    standing: Standing,
    batch: Entry,
    date: str,
    found: NightVerdict | None,
    bundle: Bundle | None,
) -> RetrainFacts:
    today = dt.date.fromisoformat(date)
    started = [dt.date.fromisoformat(e.as_of) for e in standing.of_kind("retrain_started")]
    trained = next((v.trained for v in standing.versions if bundle and v.bundle == bundle.digest), None)
    of = run.config.retrain.persistence_of
    return RetrainFacts(
        date=date,
        batch="rejected" if batch.kind == "batch_rejected" else "committed",
        batch_reason=str(batch.facts.get("reason", "")),
        input_alarm=bool(found and found.input_alarm),
        quality_alarms=found.quality_alarms[-of:] if found else (),
        recent_alarm=bool(found and found.recent.alarm),
        estimate_alarms=found.estimate_alarms[-of:] if found else (),
        alarmed_slices=found.alarmed_slices if found else (),
        losses_rose_from=found.losses_rose_from if found else None,
        model_age_days=(today - dt.date.fromisoformat(trained.as_of)).days if trained else 0,
        days_since_last_retrain=(today - started[-1]).days if started else None,
        retrains_last_30_days=sum((today - day).days < 30 for day in started),
        in_flight=_in_flight(standing),
        awaiting_approval=_awaiting(standing),
    )


def _in_flight(standing: Standing) -> bool:
    started, trained = standing.last("retrain_started"), standing.last("trained")
    if started is None or (trained and trained.n > started.n):
        return False
    age = dt.datetime.fromisoformat(utc_now()) - dt.datetime.fromisoformat(started.recorded_at)
    return age < dt.timedelta(hours=IN_FLIGHT_HOURS)


def _awaiting(standing: Standing) -> int | None:
    """Return a version that waits for a person; an expired request waits for nobody."""
    requests = {e.facts["version"]: e.facts["expires_at"] for e in standing.of_kind("promotion_requested")}
    waiting = [v.number for v in standing.versions if v.state == "requested" and requests[v.number] > utc_now()]
    return next((number for number in waiting if not standing.approvals(number)), None)


def _bundle(run: Run, standing: Standing, number: int) -> Bundle:
    version = standing.version(number)
    if version is None:
        raise DataError(f"{run.config.model} v{number} is not in the ledger. See: plimsoll history {run.config.model}")
    return fetch_bundle(run.workspace, run.config.model, number, version.bundle)


def _report(run: Run, standing: Standing, batch: Entry, bundle: Bundle, alarm: bool, retrain: bool) -> str:
    """Draw the Evidently report when the policy asks for it, and return where it is kept."""
    past = [e.facts.get("inputs") or {} for e in standing.of_kind("drift_decided")[-QUIET_NIGHTS:]]
    news = alarm and not any(verdict.get("alarm") for verdict in past)
    wanted = {"always": True, "never": False, "on_change": retrain or news}[run.config.drift.report]
    return draw_report(run, standing, batch, bundle) if wanted else ""


def close_nights(run: Run, nights: list[Night], started: dict[str, Any] | None) -> dict[str, Any]:
    """Write the decisions into the record and return them."""
    run.outputs |= {"decisions": {night.date: night.sentence for night in nights}, "retrain": started}
    if nights:
        _publish(run, nights)
    run.sentence = nights[-1].sentence if nights else _nothing_to_decide(run)
    return {"run": run.id, "sentence": run.sentence, **run.outputs}


def _nothing_to_decide(run: Run) -> str:
    """Say that every batch has a decision, and whether tonight's batch is missing; or that nothing was scored yet."""
    standing = run.standing()
    model, last = run.config.model, standing.last("drift_decided")
    if not standing.of_kind("batch_committed", "batch_rejected"):
        if standing.champion is None:
            why = f"{model} has no champion, so nothing was scored and there is nothing to decide"
            return f"{why}. Train one and approve it: plimsoll train {model}"
        return f"{model}: nothing was scored yet, so there is nothing to decide. plimsoll score {model} --date DATE"
    said = f"{model}: every batch has a decision already"
    if last is None or str(last.facts["date"]) >= run.as_of:
        return f"{said}."
    score = f"plimsoll score {model} --date {run.as_of}"
    return f"{said}, the newest that of {last.facts['date']}. No batch of {run.as_of} was scored: {score}"


def _publish(run: Run, nights: list[Night]) -> None:
    """Show the decisions, with links to the reports, beside the run in Prefect."""
    lines = [f"- {night.sentence}{_link(run, night)}" for night in nights]
    model = run.config.model
    publish_markdown(f"{model.replace('_', '-')}-decisions", f"# {model}\n\n" + "\n".join(lines), "Drift decisions")


def _link(run: Run, night: Night) -> str:
    report = str(night.entry.facts.get("report") or "")
    return f" [Evidently's report]({report_url(run.workspace, run.workspace.reports / report)})" if report else ""
