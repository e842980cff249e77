"""One partition of scoring: a batch date, scored whole by whichever process is handed it.

A date is exactly once by itself, so a process that is killed with it costs time and nothing else: another one takes
it over. What may go wrong comes back as a value, since not every error survives the way between processes.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache

from plimsoll import errors
from plimsoll.digest import sha256_file, sha256_json
from plimsoll.errors import ConfigError, PlimsollError
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.predictions import BatchResult, Role, Served
from plimsoll.run_record import RunStart
from tasks.bundles import fetch_bundle
from tasks.environment import LOCK, installed_packages, interpreter, processor
from tasks.git import source_files
from tasks.records import Run
from tasks.score_date import score_date
from tasks.workspace import Workspace, open_workspace

PLAIN = {  # what a person calls a part of the footing
    "code": "other code or configs",
    "lock": "another requirements.lock",
    "packages": "other packages",
    "python": "another Python",
    "data": "another landing folder",
    "store": "another store",
    "predictions": "another predictions table",
}
_LEDGERS: dict[str, tuple[Entry, ...]] = {}  # as far as this process has read them


@dataclass(frozen=True)
class Footing:
    """What a process must have in common with a run whose record names it."""

    code: str  # digest of the list of source files, configs and suites among them
    lock: str
    packages: str  # digest of the list of installed distributions
    python: str
    data: str
    store: str
    predictions: str


@dataclass(frozen=True)
class Job:
    """A date to score for a run, with all that another process needs for it."""

    start: RunStart
    config: ModelConfig
    footing: Footing
    served: tuple[tuple[int, Role, str], ...]  # version, role and digest of the bundle, the champion first
    date: str


@dataclass(frozen=True)
class Refusal:
    """An error of plimsoll.errors on its way between processes."""

    kind: str
    sentence: str

    def to_error(self) -> PlimsollError:
        """Return the error."""
        error: PlimsollError = getattr(errors, self.kind)(self.sentence)
        return error


@dataclass(frozen=True)
class Part:
    """What became of a date: its result or a refusal, and what the run's record is to say of it."""

    date: str
    result: BatchResult | None = None
    refusal: Refusal | None = None
    snapshots: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    host: str = ""
    cpu: str = ""


def jobs_of(run: Run, served: Sequence[Served], dates: Sequence[str]) -> list[Job]:
    """Return one job for each date of a run."""
    code, environment = run.start.code, run.start.environment
    footing = Footing(code.tree, environment.lock, environment.packages, environment.python, *_places(run.workspace))
    asked = tuple((one.version, one.role, one.bundle.digest) for one in served)
    return [Job(run.start, run.config, footing, asked, date) for date in dates]


def score_partition(job: Job) -> Part:
    """Score a date in this process, for a run of another one, and return what became of it.

    A process with other code, packages or places than the run's record names does not score.
    """
    try:
        require_footing(job.footing)
        workspace = workspace_here()
        run = Run(workspace, job.start, job.config, _known=_LEDGERS.get(job.config.model, ()))
        served = [Served(n, role, fetch_bundle(workspace, job.config.model, n, d)) for n, role, d in job.served]
    except PlimsollError as error:
        return refused(job.date, error)
    try:
        part = Part(job.date, _own(run, score_date(run, served, job.date), served[0].version))
    except PlimsollError as error:
        part = refused(job.date, error)
    _LEDGERS[job.config.model] = run._known
    told = {"host": socket.gethostname(), "cpu": processor(), "left_out": run.outputs.get("left_out", {})}
    return replace(part, snapshots=tuple(run.snapshots), **told)


def refused(date: str, error: PlimsollError) -> Part:
    """Return the part of a date that an error kept from being scored."""
    kind = next(one.__name__ for one in type(error).__mro__ if getattr(errors, one.__name__, None) is one)
    return Part(date, refusal=Refusal(kind, str(error)))


def require_footing(wanted: Footing) -> None:
    """Raise ConfigError that says in what this process differs from the one that opened the run."""
    here = asdict(footing_here())
    other = [f"{PLAIN[n]} ({_short(here[n])}, not {_short(v)})" for n, v in asdict(wanted).items() if here[n] != v]
    if other:
        raise ConfigError(
            f"Process {os.getpid()} on {socket.gethostname()} has {', '.join(other)} than the run that asks it to "
            "score. Give it the same checkout, packages and PLIMSOLL_ variables, and start it again."
        )


@cache
def footing_here() -> Footing:
    """Return what this process stands on: looked at once, as early as can be, since that is what it has loaded."""
    workspace = workspace_here()
    code = {name: sha256_file(path) for name, path in source_files(workspace.root).items()}
    lock = sha256_file(workspace.root / LOCK)
    return Footing(sha256_json(code), lock, sha256_json(installed_packages()), interpreter(), *_places(workspace))


@cache
def workspace_here() -> Workspace:
    """Return this process's own workspace; its variables do not change."""
    return open_workspace()


def _places(workspace: Workspace) -> tuple[str, str, str]:
    platform = workspace.platform
    return platform.data, platform.store.url, platform.predictions.url


def _own(run: Run, result: BatchResult, version: int) -> BatchResult:
    """Return a date that this very run committed, in a process that was killed thereafter, as committed."""
    entry = run.standing().batch(result.date, version) if result.state == "already" else None
    return replace(result, state="committed") if entry and entry.facts["run"] == run.id else result


def _short(value: str) -> str:
    return value[:12] if len(value) == 64 else value
