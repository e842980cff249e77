"""Recording: every run of every flow leaves a record, whatever becomes of it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from plimsoll.digest import canonical_json
from plimsoll.errors import PlimsollError
from plimsoll.ledger import Entry, Kind, append, read_ledger
from plimsoll.model_config import ModelConfig
from plimsoll.run_record import Result, RunEnd, RunStart, require_record, write_end, write_start
from plimsoll.standing import Standing, stand
from plimsoll.store import Store, put_object
from tasks.environment import read_environment
from tasks.git import read_code_version
from tasks.workspace import Workspace, open_workspace


def utc_now() -> str:
    """Return the wall clock, UTC, ISO, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(eq=False)
class Run:
    """One run of one flow: its workspace, config and record so far.

    Not frozen: it gathers what the run reads and makes, to be written once at its end.
    """

    workspace: Workspace
    config: ModelConfig
    start: RunStart
    snapshots: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    sentence: str = ""
    result: Result = "done"

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

    def standing(self) -> Standing:
        """Return where the model stands now."""
        return stand(self.config.model, read_ledger(self.store, self.config.model))

    def decide(self, kind: Kind, facts: dict[str, Any], *, key: str = "", by: str = "", as_of: str = "") -> Entry:
        """Append a ledger entry about this run's model; refused when the run has no record."""
        require_record(self.store, self.id)
        return append(
            self.store,
            self.config.model,
            kind,
            facts={"run": self.id, **facts},
            as_of=as_of or self.as_of,
            recorded_at=utc_now(),
            by=by or f"flow:{self.start.flow}",
            key=key,
        )


@contextmanager
def recording(flow: str, model: str, as_of: date | None, parameters: dict[str, Any]) -> Iterator[Run]:
    """Open a run's record, hand the run over, and close the record however the run ends.

    as_of defaults to today (UTC). A PlimsollError closes it as refused, a suspension as waiting, anything
    else as failed; the error goes on its way.
    """
    run = open_run(flow, model, as_of, parameters)
    try:
        yield run
    except PlimsollError as error:
        _close(run, "refused", str(error))
        raise
    except BaseException as error:
        suspended = type(error).__name__ in {"Pause", "Suspend"}
        _close(run, "waiting" if suspended else "failed", "" if suspended else f"{type(error).__name__}: {error}")
        raise
    _close(run, run.result, run.sentence)


def open_run(flow: str, model: str, as_of: date | None, parameters: dict[str, Any]) -> Run:
    """Write the first half of a run's record and return the run."""
    workspace = open_workspace()
    config = workspace.model(model)
    store = workspace.store
    now = datetime.now(UTC)
    start = RunStart(
        run_id=f"{now:%Y%m%dT%H%M%S%f}Z-{flow}-{secrets.token_hex(3)}",
        flow=flow,
        model=model,
        as_of=(as_of or now.date()).isoformat(),
        started_at=now.isoformat(timespec="milliseconds"),
        parameters={name: _plain(value) for name, value in parameters.items()},
        config=put_object(store, canonical_json(config.model_dump(mode="json"))),
        code=read_code_version(workspace.root, store),
        environment=read_environment(workspace.root),
        prefect_run_id=_prefect_run_id(),
    )
    write_start(store, start)
    return Run(workspace, config, start)


def _close(run: Run, result: Result, sentence: str) -> None:
    end = RunEnd(
        run.id, utc_now(), result, sentence, tuple(run.snapshots), tuple(dict.fromkeys(run.parents)), run.outputs
    )
    write_end(run.store, end)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _prefect_run_id() -> str:
    from prefect.runtime import flow_run

    return str(flow_run.id or "")
