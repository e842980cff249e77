"""MLflow: experiments, the registry, and the bundles' bytes. The ledger is the truth; aliases mirror it."""

import math
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from plimsoll.bundle import Bundle, load_bundle
from plimsoll.errors import FolderError, IntegrityError, ServerError
from tasks.workspace import Workspace

QUIET = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
FOLDER = "bundle"


def connect(workspace: Workspace) -> Any:
    """Return an MLflow client for the configured tracking store, created when it is a local file."""
    config = workspace.platform.mlflow
    if config.tracking_uri.startswith("sqlite:///"):
        _make_folder(Path(config.tracking_uri.removeprefix("sqlite:///")).parent)
    return _client(config.tracking_uri)


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
    try:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise ServerError(f"MLflow at {without_password(uri)} does not answer: {error}") from None
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
) -> str:
    """Log one training run with its files and return its id."""
    from mlflow.entities import Metric, Param, RunTag

    client = connect(workspace)
    started = client.create_run(open_experiment(workspace, model), run_name=name)
    run_id = str(started.info.run_id)
    now = started.info.start_time
    client.log_batch(
        run_id,
        metrics=[Metric(k, v, now, 0) for k, v in metrics.items() if math.isfinite(v)],
        params=[Param(k, str(v)[:500]) for k, v in params.items()],
        tags=[RunTag(k, v) for k, v in tags.items()],
    )
    with tempfile.TemporaryDirectory() as folder:
        for file, data in files.items():
            path = Path(folder) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id)
    return run_id


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
    client = connect(workspace)
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


def fetch_bundle(workspace: Workspace, model: str, version: int, digest: str) -> Bundle:
    """Return a version's bundle, checked against the digest in the ledger before it is parsed."""
    return _fetch(workspace.platform.mlflow.tracking_uri, model, version, digest)


@cache
def _fetch(uri: str, model: str, version: int, digest: str) -> Bundle:
    where = f"MLflow {model} v{version}"
    return load_bundle(read_files(_client(uri), model, version, where), digest, where)


def read_files(client: Any, model: str, version: int, where: str) -> dict[str, bytes]:
    """Return a version's bundle files as bytes; IntegrityError when they are gone."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        source = client.get_model_version(model, str(version)).source
        with tempfile.TemporaryDirectory() as folder:
            path = Path(download_artifacts(artifact_uri=source, dst_path=folder))
            return {p.name: p.read_bytes() for p in sorted(path.iterdir()) if p.is_file()}
    except (MlflowException, OSError) as error:
        raise IntegrityError(f"The bundle of {where} cannot be read: {error}. Restore it from a backup.") from None
