"""What a person reads about a version, beside its run in MLflow: card, page and evidence; and whether it is intact."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plimsoll.digest import sha256_hex
from plimsoll.errors import IntegrityError
from plimsoll.standing import Version
from plimsoll.verification import Finding
from tasks.mlflow_registry import connected, log_files
from tasks.mlflow_roles import candidates_of
from tasks.records import Run
from tasks.shown_pages import READING, kept_pages
from tasks.workspace import Workspace


def log_reading(run: Run, files: Mapping[str, bytes]) -> None:
    """Copy files to the artifacts of the run's MLflow run, where it has one."""
    mlflow_run = str(run.outputs.get("mlflow_run", ""))
    if mlflow_run:
        with connected(run.workspace, f"keep the card of {run.config.model}") as client:
            log_files(client, mlflow_run, {f"{READING}/{name}": data for name, data in files.items()})


def changed_reading(workspace: Workspace, model: str, version: Version) -> Iterator[Finding]:
    """Yield what is not what the run's record says that a person read; nothing for a run from before it did.

    Raises ServerError when MLflow does not answer.
    """
    try:
        asked = kept_pages(workspace, str(version.trained.facts["run"]))
    except IntegrityError:
        return  # found where records are checked
    if not asked:
        return
    with connected(workspace, f"read what was kept of {model} v{version.number}") as client:
        there = _files(client, str(version.trained.facts["mlflow_run"]))
    for name, digest in asked.items():
        found = there.get(name)
        if found is None or sha256_hex(found) != digest:
            where = f"MLflow {candidates_of(model)} v{version.number} {READING}/{name}"
            what = "is gone" if found is None else "was changed"
            yield Finding(
                where, f"{where} {what}. What people read is object {digest[:12]} in the store: copy it back."
            )


def _files(client: Any, mlflow_run: str) -> dict[str, bytes]:
    """Return the files of the folder by name, none where there is no such folder, or where MLflow lost the run."""
    from mlflow.exceptions import MlflowException

    try:
        there = {found.path for found in client.list_artifacts(mlflow_run)}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        there = set()
    if READING not in there:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(client.download_artifacts(mlflow_run, READING, folder))
        return {file.name: file.read_bytes() for file in path.iterdir()}
