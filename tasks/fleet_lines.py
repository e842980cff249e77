"""The fleet's lines: kept beside the pages, folded anew where a ledger has gone on since."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from plimsoll.business_date import reached
from plimsoll.contenders import WINDOW_DAYS
from plimsoll.errors import PlimsollError
from plimsoll.fleet_line import FleetLine, fold_line, line_from_json, unknown_line
from plimsoll.ledger import entry_key, parse_entry
from plimsoll.outcomes import NightlyQuality, Remembered
from plimsoll.standing import Standing
from tasks.champion import standing_of
from tasks.outcomes_feed import late_losses
from tasks.pages import write_page
from tasks.workspace import Workspace

LIVING = ("champion", "former", "requested")


def fleet_lines(workspace: Workspace, *, look: bool = True) -> list[FleetLine]:
    """Return the line of every model with a config; one whose ledger did not go on is not folded again.

    Without look a kept line is taken as it is: a hundred nightly runs would else fold each other's, and each of them
    writes its own. A model that cannot be read is a line too, and harms no other.
    """
    return [_line(workspace, name, look) for name in workspace.listed]


def _line(workspace: Workspace, model: str, look: bool) -> FleetLine:
    try:
        line = _kept_line(workspace, model)
        if line and (not look or _is_new(workspace, line)):
            return line
        return keep_line(workspace, standing_of(workspace, model))
    except PlimsollError as error:
        return unknown_line(model, str(error))


def keep_line(
    workspace: Workspace,
    standing: Standing,
    quality: Mapping[int, Sequence[NightlyQuality]] | None = None,
    refused: Mapping[str, str] | None = None,
) -> FleetLine:
    """Fold a model's line and keep it; quality, and why some is refused, is read where the caller has not."""
    config, read = workspace.model(standing.model), Remembered()
    found = _quality(workspace, standing, read) if quality is None else quality
    line = fold_line(config, standing, found, read.refused if refused is None else refused)
    write_page(_place(workspace, standing.model), json.dumps(line.to_json()))
    return line


def _kept_line(workspace: Workspace, model: str) -> FleetLine | None:
    """Return the line that was kept, None without one, or where the config says something else by now."""
    try:
        line = line_from_json(json.loads(_place(workspace, model).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    config = workspace.model(model)
    asked = (model, config.purpose.strip(), config.owner, config.retrain.max_age_days)
    return line if line and (line.model, line.purpose, line.owner, line.max_age_days) == asked else None


def _is_new(workspace: Workspace, line: FleetLine) -> bool:
    """Return whether a line knows the newest entry of its ledger."""
    entries = sum(1 for _ in workspace.store.keys(f"ledger/{line.model}/"))
    if entries != line.entries:
        return False
    key = entry_key(line.model, entries - 1)
    return not entries or parse_entry(workspace.store.get(key) or b"", key).digest == line.head


def _quality(workspace: Workspace, standing: Standing, read: Remembered) -> dict[int, list[NightlyQuality]]:
    """Return the late losses of the champion and of versions that scored beside it of late, from their first night.

    That is how far back bounds go that hold however often somebody looks.
    """
    if not standing.entries or standing.champion is None:
        return {}
    config, last = workspace.model(standing.model), reached(standing.entries)
    window = (date.fromisoformat(last) - timedelta(days=WINDOW_DAYS)).isoformat()
    dates = {v.number: _dates_of(standing, v.number) for v in standing.versions if v.state in LIVING}
    late = {number: found[0] for number, found in dates.items() if found and found[-1] >= window}
    began = late.pop(standing.champion, window)
    since = min([window, *(max(first, began) for first in late.values())])
    return {n: late_losses(workspace, config, standing, n, last, read, since) for n in (standing.champion, *late)}


def _dates_of(standing: Standing, number: int) -> list[str]:
    batches = standing.of_kind("batch_committed")
    return sorted(str(e.facts["date"]) for e in batches if str(number) in e.facts["versions"])


def _place(workspace: Workspace, model: str) -> Path:
    return workspace.reports / model / "fleet.json"
