"""The run record: what a run saw, written before it may change anything, and how it ended.

A record has two halves, both signed. `start` says which code, environment, config and parameters the run has;
without a complete one nothing can be registered, promoted or committed. `end` names its start by digest, and says
which data the run read, what it made and how it went. A run with no `end` was killed or is running. Together they
are one JSON, whose schema is docs/schemas/run_record.json.
"""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from plimsoll.archive import Archive, get_sealed, put_sealed
from plimsoll.digest import sha256_json
from plimsoll.errors import IntegrityError, PlimsollError
from plimsoll.store import Store

Result = Literal["done", "refused", "failed", "waiting"]
Half = TypeVar("Half", "RunStart", "RunEnd")
STRICT = {"extra": "forbid"}
WROTE = "ledger"  # among the outputs: digests of the ledger entries that the run wrote, by number


@dataclass(frozen=True)
class CodeVersion:
    """Which source code ran."""

    __pydantic_config__ = STRICT
    commit: str  # empty outside git
    remote: str  # without credentials
    diff: str  # digest of the object that holds uncommitted changes and untracked source; empty when clean
    tree: str  # digest of the object that lists every source file with its digest
    kept: bool  # whether every file of the tree is an object too: outside git nothing else could bring it back


@dataclass(frozen=True)
class Environment:
    """Which interpreter, packages and machine ran it."""

    __pydantic_config__ = STRICT
    lock: str  # digest of requirements.lock, an object
    packages: str  # digest of the object that lists every installed distribution with its version
    python: str
    platform: str
    cpu: str
    cores: int
    settings: dict[str, str]  # variables that change how numbers are computed: threads, hash seed, time zone
    variables: tuple[str, ...]  # names of the other relevant variables that were set; never their values


@dataclass(frozen=True)
class RunStart:
    """The first half of a run record."""

    __pydantic_config__ = STRICT
    run_id: str
    flow: str
    model: str  # empty for a run about the whole platform
    as_of: str
    started_at: str
    parameters: dict[str, Any]
    config: str  # digest of the effective config, an object
    seed: int | None  # of the estimator; none for a run that draws nothing
    threads: int | None  # of the estimator
    code: CodeVersion
    environment: Environment
    prefect_run_id: str


@dataclass(frozen=True)
class RunEnd:
    """The second half of a run record."""

    __pydantic_config__ = STRICT
    run_id: str
    start: str  # digest of the first half
    finished_at: str
    result: Result
    sentence: str
    snapshots: tuple[str, ...]
    parents: tuple[str, ...]  # runs whose results this one built upon
    outputs: dict[str, Any]


@dataclass(frozen=True)
class RunRecord(RunStart):
    """Both halves; `end` is null when the run was killed or is running."""

    end: RunEnd | None


def start_key(run_id: str) -> str:
    """Return where the first half of a record is stored."""
    return f"records/{run_id}/start.json"


def end_key(run_id: str) -> str:
    """Return where the second half of a record is stored."""
    return f"records/{run_id}/end.json"


def start_digest(start: RunStart) -> str:
    """Return the digest of a first half."""
    return sha256_json(asdict(start))


def write_start(archive: Archive, start: RunStart) -> None:
    """Store the first half; PlimsollError when a field that proves something is empty."""
    asked: dict[str, Any] = {
        **{name: getattr(start, name) for name in ("run_id", "flow", "config", "started_at")},
        "code.tree": start.code.tree,
        **{f"environment.{name}": getattr(start.environment, name) for name in ("lock", "packages", "python")},
    }
    if empty := [name for name, value in asked.items() if not value]:
        raise PlimsollError(
            f"The record of run {start.run_id} is incomplete: {', '.join(empty)} unknown. Nothing was run."
        )
    put_sealed(archive, start_key(start.run_id), asdict(start))


def write_end(archive: Archive, end: RunEnd) -> None:
    """Store the second half, once."""
    put_sealed(archive, end_key(end.run_id), asdict(end))


def require_record(archive: Archive, run_id: str) -> None:
    """Raise IntegrityError unless a run's first half is stored, whole and signed.

    Without it nothing may be registered, promoted or committed.
    """
    if _half(archive, start_key(run_id), RunStart) is None:
        raise IntegrityError(f"Run {run_id} has no record, so it did not happen: nothing it made is accepted.")


def read_record(archive: Archive, run_id: str) -> dict[str, Any] | None:
    """Return a run's record as JSON, `end` null when the run was killed or is running; None without a record.

    Raises IntegrityError that names the half that was changed, is unsigned, or does not belong to the other.
    """
    start = _half(archive, start_key(run_id), RunStart)
    if start is None:
        return None
    end = _half(archive, end_key(run_id), RunEnd)
    if end and end.start != start_digest(start):
        raise IntegrityError(f"{end_key(run_id)} belongs to another start than {start_key(run_id)}: one was replaced.")
    return {**asdict(start), "end": asdict(end) if end else None}


def list_runs(store: Store) -> list[str]:
    """Return all run ids, oldest first (ids start with the time)."""
    return [key.split("/")[1] for key in store.keys("records/") if key.endswith("/start.json")]


def record_schema() -> dict[str, Any]:
    """Return the JSON schema of a run record, both halves in one."""
    schema: dict[str, Any] = _adapter(RunRecord.__name__).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _half(archive: Archive, key: str, kind: type[Half]) -> Half | None:
    body = get_sealed(archive, key)
    if body is None:
        return None
    try:
        half: Half = _adapter(kind.__name__).validate_python(body)
    except ValueError as error:
        raise IntegrityError(
            f"{key} is not a run record as docs/schemas/run_record.json describes it: {error}"
        ) from None
    return half


@cache
def _adapter(name: str) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter({"RunStart": RunStart, "RunEnd": RunEnd, "RunRecord": RunRecord}[name])


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(record_schema(), indent=2) + "\n")
