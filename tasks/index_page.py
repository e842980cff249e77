"""The pages about models: one each, and one that lists them, drawn anew from ledger and late losses."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plimsoll.business_date import reached
from plimsoll.fleet_line import FleetLine, in_order, together
from plimsoll.model_story import ModelStory
from plimsoll.outcomes import NightlyQuality, Remembered
from plimsoll.overview_page import render_overview
from plimsoll.standing import Standing
from plimsoll.store import Store, get_json
from plimsoll.timeline_page import render_timeline
from tasks.champion import standing_of
from tasks.fleet_lines import fleet_lines, keep_line
from tasks.outcomes_feed import late_losses
from tasks.pages import write_page, written_pages
from tasks.records import Run
from tasks.stage import stage
from tasks.workspace import Workspace


@stage
def publish_pages(run: Run) -> str:
    """Draw the pages of the run's model anew, and the list of models."""
    return str(publish_index(run.workspace, [run.config.model], run))


def publish_index(workspace: Workspace, model_names: Sequence[str] | None = None, run: Run | None = None) -> Path:
    """Write reports/<model>/index.html of the named models, or of all, and reports/index.html; return the last.

    The list always shows every model with a config. Pages are linked when they exist, so call this after
    whatever writes them. What run has read of its model is not read again.
    """
    for name in workspace.models if model_names is None else model_names:
        story = read_story(workspace, name, run)
        write_page(workspace.reports / name / "index.html", render_timeline(story))
        keep_line(workspace, story.standing, story.quality, story.refused)
    return publish_fleet(workspace, look=run is None)[0]


def publish_fleet(workspace: Workspace, *, look: bool = True) -> tuple[Path, list[FleetLine]]:
    """Write reports/index.html, the page about all models, and return it with its lines, the most urgent first.

    look is as in `fleet_lines`.
    """
    now = datetime.now(UTC)
    lines = in_order(together(line.at(now) for line in fleet_lines(workspace, look=look)))
    page = render_overview(lines, written_pages(workspace))
    return write_page(workspace.reports / "index.html", page), lines


def read_story(workspace: Workspace, name: str, run: Run | None = None) -> ModelStory:
    """Return all that a model's page shows."""
    run = run if run and run.config.model == name else None
    config, standing = workspace.model(name), run.standing() if run else standing_of(workspace, name)
    read = run.outcomes if run else Remembered()
    return ModelStory(
        model=name,
        purpose=config.purpose.strip(),
        owner=config.owner,
        task=config.task,
        standing=standing,
        now=datetime.now(UTC),
        quality=_quality(workspace, standing, read),
        refused=dict(read.refused),
        reports=_reports(workspace.store, standing),
        pages=written_pages(workspace),
    )


def _quality(workspace: Workspace, standing: Standing, read: Remembered) -> dict[int, tuple[NightlyQuality, ...]]:
    """Return late losses by version, of every version that scored, as of the last business date of the ledger."""
    if not standing.entries:
        return {}
    config, as_of = workspace.model(standing.model), reached(standing.entries)
    nights = {v.number: late_losses(workspace, config, standing, v.number, as_of, read) for v in standing.versions}
    return {number: tuple(found) for number, found in nights.items() if found}


def _reports(store: Store, standing: Standing) -> dict[int, dict[str, Any]]:
    judged = standing.of_kind("gates_passed", "gates_failed")
    return {int(entry.facts["version"]): get_json(store, entry.facts["gate_report"]) for entry in judged}
