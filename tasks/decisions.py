"""Drift decisions: one a night and batch, with all its facts, also when the decision is not to act."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from plimsoll.errors import DataError, PlimsollError
from plimsoll.ledger import Entry
from plimsoll.retrain import STOPS
from plimsoll.standing import Standing, by_champion
from tasks.announce import announce
from tasks.evidently_report import draw_report
from tasks.landing import dates_between
from tasks.night_facts import judge_batch
from tasks.pages import report_url
from tasks.prefect_api import publish_markdown
from tasks.records import Run
from tasks.retrain_starts import owed
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


def owed_retrain(run: Run, nights: list[Night]) -> Night | None:
    """Return the night whose retrain nobody has started, or whose training died, because its process was killed.

    None when what was found tonight stops retrains, or when that night is more than a week ago: the world has moved on.
    """
    entry = owed(run)
    return None if entry is None or (nights and nights[-1].rule in STOPS) else Night(entry)


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
    facts = judge_batch(run, standing, batch, date)
    entry = run.decide("drift_decided", facts, key=f"check:{date}:{batch.n}", as_of=date)
    if entry.facts["run"] == run.id:  # else another run was quicker, and has told
        if entry.facts.get("report"):
            _draw(run, standing, batch)
        announce(run, entry, standing.last("drift_decided"))
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
    path = run.workspace.reports / report
    return f" [Evidently's report]({report_url(run.workspace, path)})" if report and path.is_file() else ""
