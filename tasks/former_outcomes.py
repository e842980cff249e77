"""Outcomes that were delivered again: the earlier delivery of a date, and what it said."""

from dataclasses import replace

from plimsoll.archive import get_sealed
from plimsoll.outcomes import Former
from plimsoll.snapshot import FileRef
from plimsoll.store import object_key
from tasks.workspace import Workspace


def former_delivery(workspace: Workspace, ref: FileRef, key: str) -> tuple[Former | None, FileRef | None]:
    """Return what a date's delivery before a new one said, and its file while that is kept; None at the first delivery.

    key is where the night's quality will be kept, beside those of earlier deliveries. How many outcomes it had
    otherwise is not known yet.
    """
    kept = workspace.store.entries(f"{key.rpartition('/')[0]}/")
    others = [one for one in kept if _digest(one.key) != ref.digest]
    if not others:
        return None, None
    latest = max(others, key=lambda one: (one.modified, one.key)).key
    night, digest = get_sealed(workspace.archive, latest) or {}, _digest(latest)
    there = workspace.store.size(object_key(digest)) is not None
    file = replace(ref, digest=digest, flaw="") if there else None
    return Former(digest, night.get("loss"), night.get("outcomes", 0), None), file


def _digest(key: str) -> str:
    """Return the digest of the outcomes that a kept night was made with."""
    return key.rpartition("/")[2].partition(".")[0].partition("-")[0]
