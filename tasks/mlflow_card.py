"""What a person reads about a version, beside its run in MLflow: card, page and evidence."""

from collections.abc import Mapping

from tasks.mlflow_registry import connected, log_files
from tasks.records import Run


def log_reading(run: Run, files: Mapping[str, bytes]) -> None:
    """Copy files to the artifacts of the run's MLflow run, where it has one."""
    mlflow_run = str(run.outputs.get("mlflow_run", ""))
    if mlflow_run:
        with connected(run.workspace, f"keep the card of {run.config.model}") as client:
            log_files(client, mlflow_run, files)
