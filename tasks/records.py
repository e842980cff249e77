"""Recording: every run of every flow leaves a record, whatever becomes of it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from plimsoll.business_date import last_day
from plimsoll.digest import canonical_json
from plimsoll.errors import PlimsollError, UserError
from plimsoll.ledger import Entry, Kind, append, read_ledger
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import Remembered
from plimsoll.run_record import (
    WROTE,
    CodeVersion,
    Environment,
    Result,
    RunEnd,
    RunStart,
    require_record,
    start_digest,
    write_end,
    write_start,
)
from plimsoll.standing import Standing, stand
from plimsoll.store import Store, put_object
from tasks.artifacts import mirror_record
from tasks.environment import read_environment
from tasks.git import read_code_version
from tasks.mlflow_registry import without_password
from tasks.secrecy import refuse_passwords, refuse_secrets, without_secrets
from tasks.sweep_lock import await_sweep
from tasks.workspace import Workspace, open_workspace

Opened = TypeVar("Opened", bound="Recorded")


def utc_now() -> str:
    """Return the wall clock, UTC, ISO, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(eq=False)
class Recorded:
    """One run of one flow and its record so far.

    Not frozen: it gathers what the run reads and makes, to be written once at its end.
    """

    workspace: Workspace
    start: RunStart
    snapshots: list[str] = field(default_factory=list, kw_only=True)
    parents: list[str] = field(default_factory=list, kw_only=True)
    outputs: dict[str, Any] = field(default_factory=dict, kw_only=True)
    entries: list[Entry] = field(default_factory=list, kw_only=True)  # of the ledger, written by this run
    sentence: str = field(default="", kw_only=True)
    result: Result = field(default="done", kw_only=True)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.start.run_id

    @property
    def store(self) -> Store:
        """The object store."""
        return self.workspace.store

    @property
    def as_of(self) -> str:
        """The business date, ISO."""
        return self.start.as_of


@dataclass(eq=False)
class Run(Recorded):
    """A run about one model."""

    config: ModelConfig
    outcomes: Remembered = field(default_factory=Remembered, kw_only=True)
    _known: tuple[Entry, ...] = field(default=(), kw_only=True)  # the ledger as far as this run has read it

    def standing(self) -> Standing:
        """Return where the model stands now; of the ledger only what is new to this run is read."""
        self._known = read_ledger(self.workspace.archive, self.config.model, self._known)
        return stand(self.config.model, self._known)

    def decide(self, kind: Kind, facts: dict[str, Any], *, key: str = "", by: str = "", as_of: str = "") -> Entry:
        """Append a ledger entry about this run's model, bound to the run's record; refused when it has none."""
        require_record(self.workspace.archive, self.id)
        entry = append(
            self.workspace.archive,
            self.config.model,
            kind,
            facts={"run": self.id, "record": start_digest(self.start), **without_secrets(facts)},
            as_of=as_of or self.as_of,
            recorded_at=utc_now(),
            by=by or f"flow:{self.start.flow}",
            key=key,
            known=self._known,
        )
        if entry.facts.get("run") == self.id and entry not in self.entries:  # else the key was another run's
            self.entries.append(entry)
        return entry


@contextmanager
def recording(flow: str, model: str, as_of: date | None, parameters: dict[str, Any]) -> Iterator[Run]:
    """Open the record of a run about a model, hand the run over, and close the record however the run ends.

    as_of defaults to today (UTC). A PlimsollError closes it as refused, a suspension as waiting, anything
    else as failed; the error goes on its way.
    """
    workspace = open_workspace()
    config = workspace.model(model)
    body, learner = config.model_dump(mode="json"), config.estimator
    start = _open(workspace, flow, model, as_of, parameters, body, learner.seed, learner.threads)
    with closing(Run(workspace, start, config)) as run:
        yield run


@contextmanager
def recording_platform(flow: str, as_of: date | None, parameters: dict[str, Any]) -> Iterator[Recorded]:
    """Open the record of a run about the whole platform, like `recording`; its config is the platform's."""
    workspace = open_workspace()
    body = workspace.platform.model_dump(mode="json")
    for part, name in (("mlflow", "tracking_uri"), ("prefect", "database_url")):
        body[part][name] = without_password(body[part][name])
    with closing(Recorded(workspace, _open(workspace, flow, "", as_of, parameters, body, None, None))) as run:
        yield run


@contextmanager
def closing(run: Opened) -> Iterator[Opened]:
    """Hand a run over and write the second half of its record however it ends."""
    try:
        yield run
    except PlimsollError as error:
        _close(run, "refused", str(error))
        raise
    except BaseException as error:
        if type(error).__name__ in {"Pause", "Suspend"}:
            _close(run, "waiting", run.sentence)
        else:
            _close(run, "failed", f"{type(error).__name__}: {error}")
        raise
    _close(run, run.result, run.sentence)


def _open(
    workspace: Workspace,
    flow: str,
    model: str,
    as_of: date | None,
    parameters: dict[str, Any],
    config: dict[str, Any],
    seed: int | None,
    threads: int | None,
) -> RunStart:
    """Write the first half of a run's record and return it."""
    now = datetime.now(UTC)
    if as_of and as_of > last_day(now):
        said = (
            f"Expected a business date (as_of) that has come, found {as_of}; today is {now.date()}. Nothing was done."
        )
        raise UserError(said)
    given = {name: _plain(value) for name, value in parameters.items()}
    asked = canonical_json([config, given])
    refuse_secrets(asked, where := f"The config of {model or 'the platform'} or a parameter")
    refuse_passwords(asked, where)
    sweep = await_sweep(workspace.archive)
    kept, code, environment = _keep(workspace, config)
    start = RunStart(
        run_id=f"{now:%Y%m%dT%H%M%S%f}Z-{flow}-{secrets.token_hex(3)}",
        flow=flow,
        model=model,
        as_of=(as_of or now.date()).isoformat(),
        started_at=now.isoformat(timespec="milliseconds"),
        parameters=given,
        config=kept,
        seed=seed,
        threads=threads,
        code=code,
        environment=environment,
        prefect_run_id=_prefect_run_id(),
    )
    write_start(workspace.archive, start)
    if await_sweep(workspace.archive) != sweep:  # it may have removed what was kept before the record named it
        _keep(workspace, config)
    return start


def _keep(workspace: Workspace, config: dict[str, Any]) -> tuple[str, CodeVersion, Environment]:
    """Keep config, code and environment as objects and return what a record says of them."""
    store = workspace.store
    environment = read_environment(workspace.root, store)  # first: it refuses a lock that holds a password
    code = read_code_version(workspace.root, store)
    return put_object(store, canonical_json(config)), code, environment


def _close(run: Recorded, result: Result, sentence: str) -> None:
    wrote = {str(entry.n): entry.digest for entry in run.entries}
    end = RunEnd(
        run_id=run.id,
        start=start_digest(run.start),
        finished_at=utc_now(),
        result=result,
        sentence=without_secrets(sentence),
        snapshots=tuple(run.snapshots),
        parents=tuple(dict.fromkeys(run.parents)),
        outputs=without_secrets(run.outputs) | ({WROTE: wrote} if wrote else {}),
    )
    write_end(run.workspace.archive, end)
    mirror_record(run, end)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _prefect_run_id() -> str:
    from prefect.runtime import flow_run

    return str(flow_run.id or "")
