"""Backtests: history replayed under several policies, and what is told of it. Nothing about the model changes."""

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from plimsoll.backtest import foreseen, replay
from plimsoll.backtest_figures import Prices, Tally, sentences, tally
from plimsoll.backtest_page import BacktestStory, render_backtest
from plimsoll.backtest_parts import (
    Course,
    History,
    Model,
    Night,
    known_dates,
)
from plimsoll.backtest_policies import Policy, PolicyFile, policies_of, refuse_names, rival_names
from plimsoll.config_loading import check_config, parse_yaml
from plimsoll.digest import sha256_json
from plimsoll.errors import ConfigError, DataError
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import Snapshot
from plimsoll.store import put_json
from tasks.backtest_crew import Crew, result_of
from tasks.backtest_desk import DATES_TOGETHER, Desk, run_replays
from tasks.backtest_keys import Made
from tasks.backtest_work import Bench, assemble_dates
from tasks.landing import dates_between, landed_dates
from tasks.pages import report_url, write_page
from tasks.prefect_api import publish_markdown
from tasks.records import Run
from tasks.stage import get_run_logger, stage
from tasks.workspace import Workspace


@dataclass(eq=False)
class Replayed:
    """What a backtest gave. Neither frozen nor compared: it is built once and handed on."""

    policies: tuple[Policy, ...]
    history: History
    courses: tuple[Course, ...]
    models: dict[str, Model]


def read_policies(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Return what policy files say, by the names of the files; ConfigError for a file that is no policy."""
    refuse_names([path.stem for path in paths], rival_names())
    return {path.stem: _read_policy(path) for path in paths}


def _read_policy(path: Path) -> dict[str, Any]:
    try:
        body = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(
            f"--policy {path}: expected a YAML with drift:, retrain: or split:, found none ({why})."
        ) from None
    check_config(PolicyFile, body, str(path))
    return body


def dates_to_replay(run: Run, start: dt.date, end: dt.date, policies: Sequence[Policy]) -> list[str]:
    """Return every landed date that a backtest reads: its nights, and before them what trains the first model.

    Raises DataError where nothing is there to replay, or too little to train on.
    """
    config = run.config
    if config.source.kind == "table":
        raise DataError(f"{config.model}: a table without dates has no nights, so there is nothing to replay.")
    if config.estimator.external:
        raise DataError(f"{config.model} was trained elsewhere (estimator.kind external): no retrain would change it.")
    asked, landed = set(dates_between(start, end)), landed_dates(run.workspace, config)
    nights = [date for date in landed if date in asked]
    if not nights:
        there = f"{landed[0]} to {landed[-1]}" if landed else "no dates at all"
        raise DataError(f"{config.model}: no batch between {start} and {end}; {there} have landed.")
    first = known_dates(landed, _eve(nights), config.outcome.delay_days, config.split.window_days)
    if len(first) <= config.split.test_days:
        raise DataError(
            f"{config.model}: a backtest from {nights[0]} starts with a model trained the day before, on "
            f"{len(first)} landed dates with outcomes; expected more than split.test_days ({config.split.test_days}), "
            f"which judge. {_later(config, landed)}"
        )
    windows = [policy.window_days for policy in policies]
    widest = None if None in windows else max(window for window in windows if window)
    earliest = known_dates(landed, _eve(nights), config.outcome.delay_days, widest)[0]
    return [date for date in landed if earliest <= date <= nights[-1]]


def _later(config: ModelConfig, landed: Sequence[str]) -> str:
    enough = config.split.test_days + config.outcome.delay_days + 1
    return f"Begin at {landed[enough]} or later." if len(landed) > enough else "Land more dates first."


def _eve(nights: Sequence[str]) -> str:
    return History((Night(nights[0]),), 0).eve


def policies_to_compare(run: Run, files: Mapping[str, Mapping[str, Any]]) -> tuple[Policy, ...]:
    """Return the configured policy, those of files, and the rivals; ConfigError for a file that is no policy."""
    return policies_of(run.config, files)


@stage
def replay_policies(
    run: Run, policies: tuple[Policy, ...], snapshot: Snapshot, start: dt.date, approval_days: int, scratch: Path
) -> Replayed:
    """Replay every policy over the same nights; what takes long is made once for all of them, and kept."""
    require_outcomes(run.config.model, snapshot, start)
    place = Workspace(run.workspace.root, run.workspace.platform)  # without what is open in this process
    bench, made = Bench(place, run.config, snapshot, scratch), Made(run.workspace, run.config, snapshot)
    with Crew(len(os.sched_getaffinity(0))) as crew:
        stopped = _stopped(bench, made, crew)
        nights = tuple(Night(date, stopped.get(date, "")) for date in snapshot.dates if date >= start.isoformat())
        config = run.config
        window = config.split.window_days
        history = History(nights, config.outcome.delay_days, approval_days, window, snapshot.dates[0])
        desk = Desk(replace(bench, stopped=frozenset(stopped)), made, history, crew)
        _require_nights(run, history)
        ahead = sorted({date for policy in policies for date in foreseen(policy, history)})
        courses = run_replays(desk, {policy.name: replay(policy, history) for policy in policies}, ahead)
    told = {"made": dict(desk.kept.made), "found": dict(desk.kept.found)}
    run.outputs |= {**told, "excluded_dates": stopped}
    get_run_logger().info("Made anew: %s; found kept: %s", told["made"] or "nothing", told["found"] or "nothing")
    return Replayed(policies, history, tuple(courses[policy.name] for policy in policies), desk.models)


def require_outcomes(model: str, snapshot: Snapshot, start: dt.date) -> None:
    """Raise DataError where no outcomes have landed for any night: asked before anything is made."""
    nights = [date for date in snapshot.dates if date >= start.isoformat()]
    if not any(snapshot.file("outcome", date) for date in nights):
        raise DataError(
            f"{model}: no outcomes have landed for any night from {nights[0]} to {nights[-1]}, so no policy can be "
            "judged. Land outcomes, or replay earlier nights."
        )


def _stopped(bench: Bench, made: Made, crew: Crew) -> dict[str, str]:
    """Return the dates that validation stopped, with the reason; rows that were judged just now lie ready."""
    desk = Desk(bench, made, History((), 0), crew)
    if (kept := desk.kept.get("history", made.history())) is not None:
        return dict(kept)
    dates = [*bench.snapshot.dates]
    parts = [dates[n : n + DATES_TOGETHER] for n in range(0, len(dates), DATES_TOGETHER)]
    coming = [crew.pool.submit(assemble_dates, bench, part) for part in parts]
    stopped = {date: reason for future in coming for date, reason in result_of(future).items()}
    desk.kept.put("history", made.history(), stopped)
    return stopped


def _require_nights(run: Run, history: History) -> None:
    if all(night.stopped for night in history.nights):
        first = history.nights[0]
        raise DataError(
            f"{run.config.model}: validation stopped every night of the backtest, so no policy can be judged. "
            f"{first.date}: {first.stopped}"
        )


@stage
def weigh_policies(run: Run, replayed: Replayed, prices: Prices) -> tuple[Tally, ...]:
    """Count what each policy gave and cost, and keep every replayed night."""
    if not any(night.loss is not None for night in replayed.courses[0].nights):
        raise DataError(f"{run.config.model}: no night of the backtest has an outcome, so no policy can be judged.")
    tallies = tally(replayed.courses, replayed.models, prices)
    run.outputs |= {
        "policies": [one.to_json() for one in tallies],
        "prices": asdict(prices),
        "sentences": sentences(tallies),
        "retrains": {course.policy: [asdict(one) for one in course.retrains] for course in replayed.courses},
        "courses": put_json(run.store, [asdict(course) for course in replayed.courses]),
    }
    run.sentence = run.outputs["sentences"][1]
    return tallies


def page_name(policies: Sequence[Policy], history: History, prices: Prices) -> str:
    """Return the name of a backtest's page: of its dates, and of what else makes it another than one of these dates."""
    asked = [[asdict(one) | {"drift": one.drift.model_dump(), "retrain": one.retrain.model_dump()} for one in policies]]
    what = sha256_json([asked, asdict(prices), history.approval_days])[:8]
    return f"backtest-{history.nights[0].date}-{history.nights[-1].date}-{what}.html"


@stage
def publish_backtest(run: Run, replayed: Replayed, tallies: tuple[Tally, ...], prices: Prices) -> str:
    """Write the page about a backtest and return its path."""
    name = page_name(replayed.policies, replayed.history, prices)
    story = BacktestStory(run.config, run.id, replayed.policies, replayed.history, replayed.courses, tallies, prices)
    path = write_page(run.workspace.reports / run.config.model / name, render_backtest(story))
    link = f"[The page about this backtest]({report_url(run.workspace, path)}) is served while `make up` runs."
    model = run.config.model
    publish_markdown(f"{model.replace('_', '-')}-backtest", f"# {model}\n\n{run.sentence}\n\n{link}", "Backtest")
    run.outputs["page"] = str(path)
    return str(path)
