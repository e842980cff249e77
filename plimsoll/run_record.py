"""The run record: what a run saw, written before it may change anything, and how it ended.

A record has two halves. `start` says which code, environment, config and parameters the run has; without a
complete one nothing can be registered, promoted or committed. `end` says which data it read, what it made
and how it went. A run with no `end` was killed.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from plimsoll.digest import canonical_json
from plimsoll.errors import IntegrityError, PlimsollError
from plimsoll.store import Store

Result = Literal["done", "refused", "failed", "waiting"]


@dataclass(frozen=True)
class CodeVersion:
    """Which source code ran."""

    commit: str  # empty outside git
    remote: str
    diff: str  # digest of the object that holds uncommitted changes and untracked source; empty when clean
    tree: str  # digest of the source files as they lay on disk


@dataclass(frozen=True)
class Environment:
    """Which interpreter, packages and machine ran it."""

    lock: str  # digest of requirements.lock
    python: str
    platform: str
    cpu: str
    threads: int


@dataclass(frozen=True)
class RunStart:
    """The first half of a run record."""

    run_id: str
    flow: str
    model: str
    as_of: str
    started_at: str
    parameters: dict[str, Any]
    config: str  # digest of the effective model config, an object
    code: CodeVersion
    environment: Environment
    prefect_run_id: str


@dataclass(frozen=True)
class RunEnd:
    """The second half of a run record."""

    run_id: str
    finished_at: str
    result: Result
    sentence: str
    snapshots: tuple[str, ...]
    parents: tuple[str, ...]  # runs whose results this one built upon
    outputs: dict[str, Any]


def start_key(run_id: str) -> str:
    """Return where the first half of a record is stored."""
    return f"records/{run_id}/start.json"


def end_key(run_id: str) -> str:
    """Return where the second half of a record is stored."""
    return f"records/{run_id}/end.json"


def write_start(store: Store, start: RunStart) -> None:
    """Store the first half; PlimsollError when a field that proves something is empty."""
    empty = [n for n in ("run_id", "flow", "model", "config", "started_at") if not getattr(start, n)]
    empty += [f"environment.{n}" for n in ("lock", "python") if not getattr(start.environment, n)]
    if not start.code.tree:
        empty.append("code.tree")
    if empty:
        raise PlimsollError(
            f"The record of run {start.run_id} is incomplete: {', '.join(empty)} unknown. Nothing was run."
        )
    store.put_if_absent(start_key(start.run_id), canonical_json(asdict(start)))


def write_end(store: Store, end: RunEnd) -> None:
    """Store the second half, once."""
    store.put_if_absent(end_key(end.run_id), canonical_json(asdict(end)))


def require_record(store: Store, run_id: str) -> None:
    """Raise IntegrityError unless a run's first half is stored: without it nothing may be committed."""
    if store.get(start_key(run_id)) is None:
        raise IntegrityError(f"Run {run_id} has no record, so it did not happen: nothing it made is accepted.")


def read_record(store: Store, run_id: str) -> dict[str, Any] | None:
    """Return a run's record as JSON, `end` null when the run was killed or is running."""
    if (start := store.get(start_key(run_id))) is None:
        return None
    end = store.get(end_key(run_id))
    return {**json.loads(start), "end": json.loads(end) if end else None}


def list_runs(store: Store) -> list[str]:
    """Return all run ids, oldest first (ids start with the time)."""
    return [key.split("/")[1] for key in store.keys("records/") if key.endswith("/start.json")]
