"""MLflow: experiments, the registry, and a copy of bundles for people. The ledger is the truth; aliases mirror it."""

import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from plimsoll.archive import Head
from plimsoll.bundle import check_bundle
from plimsoll.errors import FolderError, IntegrityError, ServerError
from tasks.mlflow_home import follow_home
from tasks.workspace import Workspace

QUIET = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
FOLDER = "bundle"
HEAD = "plimsoll.ledger_head"  # tag of a registered model: a copy of the newest entry's digest outside the store


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
        raise ServerError(f"MLflow at {where} could not {what}: {_said(error)}") from None


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
        raise ServerError(f"MLflow at {without_password(uri)} does not answer: {_said(error)}") from None
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


def register(workspace: Workspace, model: str, run_id: str, tags: Mapping[str, str], description: str) -> int:
    """Register a logged run's bundle as the next version of its model and return the number."""
    from mlflow.exceptions import MlflowException

    client = connect(workspace)
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise ServerError(f"MLflow refused to create the registered model {model}: {error.message}") from None
    source = f"{client.get_run(run_id).info.artifact_uri}/{FOLDER}"
    version = client.create_model_version(model, source, run_id, tags=dict(tags), description=description)
    return int(version.version)


def mirror_alias(workspace: Workspace, model: str, alias: str, version: int | None) -> None:
    """Point an alias at a version, or take it away."""
    with connected(workspace, f"move the alias {alias} of {model}") as client:
        if version is None:
            client.delete_registered_model_alias(model, alias)
        else:
            client.set_registered_model_alias(model, alias, str(version))


def read_alias(workspace: Workspace, model: str, alias: str) -> int | None:
    """Return the version that an alias points at, None when there is no such alias."""
    from mlflow.exceptions import MlflowException

    try:
        return int(connect(workspace).get_model_version_by_alias(model, alias).version)
    except MlflowException:
        return None


def mirror_head(workspace: Workspace, model: str, head: Head) -> None:
    """Leave a copy of a ledger's head beside its model in MLflow, unless a further one lies there."""
    seen = read_head_tag(workspace, model)
    if seen is None or seen.n < head.n:
        with connected(workspace, f"tag {model}") as client:
            client.set_registered_model_tag(model, HEAD, f"{head.n}:{head.digest}")


def read_head_tag(workspace: Workspace, model: str) -> Head | None:
    """Return the furthest head of a model's ledger that MLflow has seen, None when it has seen none.

    Raises IntegrityError when the tag is no head: somebody wrote over it.
    """
    from mlflow.exceptions import MlflowException

    try:
        tags = connect(workspace).get_registered_model(model).tags
    except MlflowException:
        return None
    if HEAD not in tags:
        return None
    if not (found := re.fullmatch(r"([0-9]+):([0-9a-f]{64})", tags[HEAD])):
        raise IntegrityError(
            f"MLflow's tag {HEAD} of {model} should be an entry and its digest, found {tags[HEAD]!r}: it was changed "
            f"by hand. Look at the ledger with `plimsoll verify {model}`, then delete the tag."
        )
    return Head(int(found[1]), found[2])


def check_copy(workspace: Workspace, model: str, version: int, digest: str) -> None:
    """Raise IntegrityError unless MLflow's copy of a bundle is the one that the ledger names, signature and all."""
    where = f"MLflow {model} v{version}"
    check_bundle(read_files(connect(workspace), model, version, where), model, digest, workspace.archive.seal, where)


def read_files(client: Any, model: str, version: int, where: str) -> dict[str, bytes]:
    """Return a version's bundle files as bytes; IntegrityError when they are gone."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        source = client.get_model_version(model, str(version)).source
        with tempfile.TemporaryDirectory() as folder:
            path = Path(download_artifacts(artifact_uri=source, dst_path=folder))
            return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    except (MlflowException, OSError) as error:
        said = f"The bundle of {where} cannot be read: {_said(error)}"
        raise IntegrityError(f"{said.rstrip('.:')}. Restore it from a backup.") from None


def _said(error: Exception) -> str:
    """Return the first line of what MLflow complains of: SQL and tracebacks follow it."""
    return str(error).strip().partition("\n")[0]
