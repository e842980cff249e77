"""Rows that were assembled already: kept for some hours on this host, for every model and run that needs the same.

What they are made of names them: the files, the lookups, the features and the code that assembles. A note beside them,
signed, holds the digest of their bytes. Few rows are not kept: they are assembled faster than found.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from plimsoll.assembled import Assembled
from plimsoll.digest import sha256_file
from plimsoll.errors import IntegrityError
from plimsoll.seal import Seal, seal_json, unseal_json
from tasks.workspace import Workspace

KEPT_SECONDS = 6 * 3600  # a night's models and reruns
MOST_KEPT = 4  # the latest; a backfill does not fill the disk
ROOM = 4  # times their size has to be free


def shared_rows(workspace: Workspace, source: str, scratch: Path, assemble: Callable[[], Assembled]) -> Assembled:
    """Return the rows that are made of source: as another run has left them, else assembled now and left for others.

    What was left is used only byte for byte as it was written. It lies in scratch under a name of its own, so that
    nobody takes it away while it is read.
    """
    place = workspace.home / "scratch" / "shared"
    seal = workspace.archive.seal
    _forget_old(place)
    mine = scratch / f"shared-{uuid4().hex}.parquet"
    if found := _taken(place / source, mine, seal, source):
        return found
    made = assemble()
    if isinstance(made.held, Path):
        _leave(place / source, made.held, made, seal, source)
    return made


def _taken(kept: Path, mine: Path, seal: Seal, source: str) -> Assembled | None:
    """Return what was left, linked into scratch; None where there is nothing, or not what was written."""
    try:
        body: dict[str, Any] = unseal_json(seal, _key(source), kept.with_suffix(".json").read_bytes())
        os.link(kept.with_suffix(".parquet"), mine)
        if sha256_file(mine) == body["digest"]:
            return Assembled(body["rows"], mine, tuple((k, name, value) for k, name, value in body["infinite"]))
    except FileNotFoundError:
        return None
    except (IntegrityError, OSError):
        pass  # rows can be assembled again, from bytes that prove themselves
    _remove(kept)
    return None


def _leave(kept: Path, rows: Path, made: Assembled, seal: Seal, source: str) -> None:
    """Leave rows for others, where there is room; that they cannot be left harms nobody."""
    draft = kept.with_name(f"{uuid4().hex}.draft")
    try:
        if not _has_room(rows.stat().st_size, rows):
            return
        kept.parent.mkdir(exist_ok=True)
        os.link(rows, draft)
        draft.replace(kept.with_suffix(".parquet"))
        body = {"digest": sha256_file(rows), "rows": made.rows, "infinite": [list(one) for one in made.infinite]}
        draft.write_bytes(seal_json(seal, _key(source), body))
        draft.replace(kept.with_suffix(".json"))
    except OSError:
        _remove(kept)
    finally:
        draft.unlink(missing_ok=True)


def _forget_old(place: Path) -> None:
    """Remove what was kept long enough, what too many came after, and all of it where room is short."""
    try:
        kept = sorted(((path.stat().st_mtime, path) for path in place.glob("*.parquet")), reverse=True)
        roomy = not kept or _has_room(sum(path.stat().st_size for _, path in kept), place)
        drafts = [path for path in place.glob("*.draft") if time.time() - path.stat().st_mtime > KEPT_SECONDS]
    except OSError:  # another one removes it
        return
    for n, (left, path) in enumerate(kept):
        if n >= MOST_KEPT or not roomy or time.time() - left > KEPT_SECONDS:
            _remove(path.with_suffix(""))
    for path in drafts:  # of those that were killed
        path.unlink(missing_ok=True)


def _has_room(size: int, where: Path) -> bool:
    disk = os.statvfs(where)
    return size * ROOM <= disk.f_bavail * disk.f_frsize


def _remove(kept: Path) -> None:
    for ending in (".json", ".parquet"):
        kept.with_suffix(ending).unlink(missing_ok=True)


def _key(source: str) -> str:
    return f"scratch/shared/{source}"
