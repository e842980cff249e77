"""Drift decisions: one a night and batch, with all its facts, also when the decision is not to act."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from plimsoll.belated import missed_dates, told_gaps
from plimsoll.errors import DataError, PlimsollError
from plimsoll.ledger import Entry
from plimsoll.standing import Standing, by_champion, settles
from tasks.announce import announce
from tasks.evidently_report import draw_report
from tasks.landing import dates_between, landed_dates
from tasks.night_facts import judge_batch
from tasks.pages import report_url
from tasks.prefect_api import publish_markdown
from tasks.records import Run
from tasks.stage import get_run_logger, stage


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


def decide_night(run: Run, date: str) -> Night:
    """Return the one decision about a date: the one in the ledger, or a new one about its first result.

    What another version said of the date later changes nothing: that night was decided.
    """
    standing = run.standing()
    batch = standing.night_batch(date)
    if batch is None:
        raise DataError(f"{run.config.model}: no batch of {date} was scored or rejected.")
    if batch.kind == "batch_committed" and not by_champion(batch):
        raise DataError(
            f"{run.config.model}: {date} was scored by no champion, only by a version asked for by its number, so "
            f"there is nothing to decide. Score it: plimsoll score {run.config.model} --date {date}"
        )
    run.parents.append(str(batch.facts["run"]))
    nights = standing.nights()
    if settles(nights.get(date), batch):
        return Night(nights[date])
    facts = judge_batch(run, standing, batch, date)
    entry = run.decide("drift_decided", facts, key=f"check:{date}:{batch.n}", as_of=date)
    if entry.facts["run"] == run.id:  # else another run was quicker, and has told
        if entry.facts.get("report"):
            _draw(run, standing, batch)
        announce(run, entry, next((nights[night] for night in reversed(nights) if night < date), None))
    return Night(entry)


def _draw(run: Run, standing: Standing, batch: Entry) -> None:
    """Draw Evidently's report. The decision stands whatever becomes of it."""
    try:
        draw_report(run, standing, batch)
    except Exception as error:  # its code meets any data, and what it raises is its own
        why = str(error) if isinstance(error, PlimsollError) else f"{type(error).__name__}: {error}"
        said = f"Evidently's report about {batch.facts['date']} was not drawn: {why}"
        run.outputs.setdefault("not_drawn", []).append(said)
        get_run_logger().warning(said)


def close_nights(run: Run, nights: list[Night], started: dict[str, Any] | None) -> dict[str, Any]:
    """Write the decisions into the record and return them."""
    run.outputs |= {"decisions": {night.date: night.sentence for night in nights}, "retrain": started}
    if nights:
        _publish(run, nights)
    said = nights[-1].sentence if nights else _nothing_to_decide(run)
    if started and ("version" not in started or not nights or started["night"] != nights[-1].date):
        said = f"{said} Retrain that {started['night']} asked for: {started['sentence']}"
    if gaps := _gaps(run):
        run.outputs["gaps"] = gaps
    run.sentence = f"{said} {gaps}".strip()
    return {"run": run.id, "sentence": run.sentence, **run.outputs}


def _nothing_to_decide(run: Run) -> str:
    """Say that every batch has a decision, and whether tonight's batch is missing; or that nothing was scored yet."""
    standing = run.standing()
    model, last = run.config.model, next(reversed(standing.nights()), None)
    if not standing.of_kind("batch_committed", "batch_rejected"):
        if standing.champion is None:
            why = f"{model} has no champion, so nothing was scored and there is nothing to decide"
            return f"{why}. Train one and approve it: plimsoll train {model}"
        return f"{model}: nothing was scored yet, so there is nothing to decide. plimsoll score {model} --date DATE"
    said = f"{model}: every batch has a decision already"
    if last is None or run.as_of in standing.nights():
        return f"{said}."
    score = f"plimsoll score {model} --date {run.as_of}"
    return f"{said}, the newest that of {last}. No batch of {run.as_of} was scored: {score}"


def _gaps(run: Run) -> str:
    """Say which dates of the last week have no batch, and whether they have landed."""
    standing = run.standing()
    missed = missed_dates(standing, run.as_of) if run.config.source.kind == "dates" else []
    if not missed:
        return ""
    known = {str(e.facts["date"]) for e in standing.of_kind("batch_committed", "batch_rejected")}
    try:
        return told_gaps(run.config.model, missed, landed_dates(run.workspace, run.config), known)
    except PlimsollError as error:  # a check needs no landing folder
        return f"{', '.join(missed)} have no batch, and whether they have landed cannot be seen: {error}"


def _publish(run: Run, nights: list[Night]) -> None:
    """Show the decisions, with links to the reports, beside the run in Prefect."""
    lines = [f"- {night.sentence}{_link(run, night)}" for night in nights]
    model = run.config.model
    publish_markdown(f"{model.replace('_', '-')}-decisions", f"# {model}\n\n" + "\n".join(lines), "Drift decisions")


def _link(run: Run, night: Night) -> str:
    report = str(night.entry.facts.get("report") or "")
    path = run.workspace.reports / report
    return f" [Evidently's report]({report_url(run.workspace, path)})" if report and path.is_file() else ""
