"""MLflow: its client, experiments, and a copy of bundles for people. Who writes what in its registry: mlflow_roles."""

import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from plimsoll.errors import FolderError, IntegrityError, ServerError
from tasks.mlflow_home import follow_home
from tasks.workspace import Workspace

QUIET = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
FOLDER = "bundle"


def connect(workspace: Workspace) -> Any:
    """Return an MLflow client for the configured tracking store, created when it is a local file."""
    config = workspace.platform.mlflow
    if config.tracking_uri.startswith("sqlite:///"):
        database = Path(config.tracking_uri.removeprefix("sqlite:///"))
        _make_folder(database.parent)
        if "://" not in config.artifacts and follow_home(database, Path(config.artifacts)):
            _forget_places()
    return _client(config.tracking_uri)


def _forget_places() -> None:
    """Let MLflow look anew where the artifacts of a run lie: it remembers that for the life of a process."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()


@contextmanager
def connected(workspace: Workspace, what: str) -> Iterator[Any]:
    """Hand over a client; ServerError that says what could not be done when MLflow refuses or does not answer."""
    client = connect(workspace)
    from mlflow.exceptions import MlflowException

    try:
        yield client
    except (MlflowException, OSError) as error:
        where = without_password(workspace.platform.mlflow.tracking_uri)
        raise ServerError(f"MLflow at {where} could not {what}: {first_line(error)}") from None


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"Cannot write MLflow's database in {path}: {error.strerror}.") from None


@cache
def _client(uri: str) -> Any:
    import logging

    os.environ.update(QUIET)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it says with a traceback, we say
    try:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise ServerError(f"MLflow at {without_password(uri)} does not answer: {first_line(error)}") from None
    return client


def without_password(uri: str) -> str:
    """Return a database address without its password."""
    scheme, found, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found and "@" in rest else uri


def open_experiment(workspace: Workspace, model: str) -> str:
    """Return the id of a model's experiment, made on first use."""
    client = connect(workspace)
    if (found := client.get_experiment_by_name(model)) is not None:
        return str(found.experiment_id)
    root = workspace.platform.mlflow.artifacts
    location = root if "://" in root else Path(root).as_uri()
    return str(client.create_experiment(model, artifact_location=f"{location}/{model}"))


def log_run(
    workspace: Workspace,
    model: str,
    name: str,
    files: Mapping[str, bytes],
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    data: Sequence[Any] = (),
) -> str:
    """Log one training run with its files and the data that it saw (MLflow's DatasetInputs), and return its id."""
    from mlflow.entities import Metric, Param, RunTag

    with connected(workspace, f"log a run of {model}") as client:
        started = client.create_run(open_experiment(workspace, model), run_name=name)
        run_id = str(started.info.run_id)
        now = started.info.start_time
        client.log_batch(
            run_id,
            metrics=[Metric(k, v, now, 0) for k, v in metrics.items() if math.isfinite(v)],
            params=[Param(k, str(v)[:500]) for k, v in params.items()],
            tags=[RunTag(k, v) for k, v in tags.items()],
        )
        client.log_inputs(run_id, datasets=list(data))
        log_files(client, run_id, files)
        client.set_terminated(run_id)
    return run_id


def log_files(client: Any, run_id: str, files: Mapping[str, bytes]) -> None:
    """Copy files, by their path in the run, to the artifacts of a run."""
    with tempfile.TemporaryDirectory() as folder:
        for file, data in files.items():
            path = Path(folder) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        client.log_artifacts(run_id, folder)


def read_files(client: Any, registered: str, number: int, where: str) -> dict[str, bytes]:
    """Return the bundle files of a version of a registered model as bytes; IntegrityError when they are gone."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        source = client.get_model_version(registered, str(number)).source
        with tempfile.TemporaryDirectory() as folder:
            path = Path(download_artifacts(artifact_uri=source, dst_path=folder))
            return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    except (MlflowException, OSError) as error:
        said = f"The bundle of {where} cannot be read: {first_line(error)}"
        raise IntegrityError(f"{said.rstrip('.:')}. Restore it from a backup.") from None


def first_line(error: Exception) -> str:
    """Return the first line of what MLflow complains of: SQL and tracebacks follow it."""
    return str(error).strip().partition("\n")[0]
