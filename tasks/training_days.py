"""Training days: the feature rows that a champion was trained and judged on, day by day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.config_loading import check_config
from plimsoll.config_part import Part
from plimsoll.errors import ConfigError, UserError
from plimsoll.families import Segment
from plimsoll.model_config import Features, ModelConfig, Outcome, Scoring
from plimsoll.row_parts import DATE, Rows
from plimsoll.run_record import read_record
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.source_config import Source
from plimsoll.split_config import Split
from plimsoll.standing import Version
from plimsoll.store import get_json
from tasks.champion import standing_of
from tasks.scratch import scratch_folder
from tasks.training_rows import assemble_training_rows
from tasks.workspace import Workspace

MADE_OF: dict[str, type[Part]] = {
    "source": Source,
    "outcome": Outcome,
    "features": Features,
    "scoring": Scoring,
    "split": Split,
}
MAX_ROWS = 20_000  # of a day that are kept in memory; of more a seeded sample


@dataclass(frozen=True, eq=False)
class TrainingDays:
    """A champion's days, and what its columns are."""

    version: int
    days: dict[str, pd.DataFrame]
    kinds: dict[str, str]  # number or category, by column
    sampled: int  # days of which only a part is looked at


def read_training_days(workspace: Workspace, model: str, seed: int) -> TrainingDays:
    """Return the days of the champion's training snapshot that passed validation, as that run assembled them.

    Raises UserError where there is no champion, ConfigError where its config has parts that rows are made of and that
    nobody here can read, IntegrityError where its snapshot is no longer whole.
    """
    champion = _champion(workspace, model)
    config, snapshot = trained_on(workspace, champion, model)
    kinds = {feature.name: str(feature.kind) for feature in config.features.columns}
    with scratch_folder(workspace) as scratch:
        rows = assemble_training_rows(workspace, config, snapshot, scratch).rows
        sizes = np.bincount(rows.day, minlength=len(rows.days))
        days = _days(rows, list(kinds), dict(zip(rows.days, sizes.tolist(), strict=True)), seed)
    return TrainingDays(champion.number, days, kinds, int(np.sum(sizes > MAX_ROWS)))


def trained_on(workspace: Workspace, version: Version, model: str) -> tuple[ModelConfig, Snapshot]:
    """Return the config and the snapshot that a version's training rows are made from again.

    Raises ConfigError where its config has parts that nobody here can read, IntegrityError where its snapshot is no
    longer whole.
    """
    record = read_record(workspace.archive, str(version.trained.facts["run"]))
    snapshot = load_snapshot(workspace.store, str(version.trained.facts["snapshot"]))
    config = workspace.model(model)
    if record is None:
        return config, snapshot
    recorded = get_json(workspace.store, record["config"])
    return as_recorded(config, recorded, f"config of {model} v{version.number}"), snapshot


def as_recorded(today: ModelConfig, recorded: Mapping[str, Any], where: str) -> ModelConfig:
    """Return today's config with what rows are made of as it was recorded: an older config may have parts of its own.

    Raises ConfigError when one of those parts cannot be read any more, with what to do.
    """
    share = {name: value for name, value in recorded.get("scoring", {}).items() if name == "max_quarantined_share"}
    parts = {**recorded, "scoring": share}
    try:
        made = {name: check_config(part, parts.get(name, {}), f"{where}, {name}") for name, part in MADE_OF.items()}
    except ConfigError as error:
        raise ConfigError(
            f"{error}\nIts rows were made as this version does not make them. Train a new one and approve it: "
            f"plimsoll train {today.model}"
        ) from None
    segment = recorded.get("segment")
    return today.model_copy(update={**made, "segment": Segment.model_validate(segment) if segment else None})


def _champion(workspace: Workspace, model: str) -> Version:
    standing = standing_of(workspace, model)
    found = standing.version(standing.champion) if standing.champion else None
    if found is None:
        raise UserError(
            f"{model} has no champion, so there are no reference days to test drift with. Train one and approve it: "
            f"plimsoll train {model}"
        )
    return found


def _days(rows: Rows, columns: list[str], sizes: dict[str, int], seed: int) -> dict[str, pd.DataFrame]:
    chance = np.random.default_rng(seed)
    parts: dict[str, list[pd.DataFrame]] = {}
    for date, part in _parts(rows, columns):
        few = part if sizes[date] <= MAX_ROWS else part[chance.random(len(part)) < MAX_ROWS / sizes[date]]
        parts.setdefault(date, []).append(few[columns])
    return {date: pd.concat(parts[date], ignore_index=True) for date in sorted(parts)}


def _parts(rows: Rows, columns: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    for frame in rows.frames(columns=[DATE, *columns]):
        for date, part in frame.groupby(DATE, sort=True):
            yield str(date), part
