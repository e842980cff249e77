"""Outcomes that were delivered again: what an earlier delivery of a date said, and how many outcomes it corrects."""

from contextlib import suppress
from dataclasses import replace

import pandas as pd

from plimsoll.archive import get_sealed
from plimsoll.assembly import outcome_values, read_part
from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import Former, count_changed
from plimsoll.snapshot import FileRef
from plimsoll.store import object_key
from tasks.workspace import Workspace


def former_delivery(
    workspace: Workspace, config: ModelConfig, ref: FileRef, key: str, values: pd.Series, rows: pd.Series
) -> Former | None:
    """Return the delivery that a new one of the same date comes after, None when it is the first.

    key is where the night's quality will be kept, beside those of earlier deliveries; values are the new outcomes, rows
    the keys of the batch.
    """
    kept = workspace.store.entries(f"{key.rpartition('/')[0]}/")
    others = [one for one in kept if _digest(one.key) != ref.digest]
    if not others:
        return None
    latest = max(others, key=lambda one: (one.modified, one.key)).key
    night, digest = get_sealed(workspace.archive, latest) or {}, _digest(latest)
    changed = None
    if workspace.store.size(object_key(digest)) is not None:
        with suppress(DataError):  # it was delivered for another config, and cannot be compared
            table = read_part(workspace.store, replace(ref, digest=digest, flaw=""), f"former outcomes of {ref.name}")
            changed = count_changed(outcome_values(table, config), values, rows)
    return Former(digest, night.get("loss"), night.get("outcomes", 0), changed)


def _digest(key: str) -> str:
    """Return the digest of the outcomes that a kept night was made with."""
    return key.rpartition("/")[2].partition(".")[0].partition("-")[0]
