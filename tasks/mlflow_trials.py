"""MLflow: every trial of a search as a child of the training run that it was made for."""

from typing import Any

from plimsoll.store import get_json
from tasks.mlflow_registry import connected, open_experiment
from tasks.records import Run

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
PARENT = "mlflow.parentRunId"


def log_trials(run: Run, mlflow_run: str) -> int:
    """Log the trials of a run's search under its MLflow run, three calls each, and return how many there were."""
    told = run.outputs.get("search")
    if not told:
        return 0
    trials = get_json(run.store, told["trials"])
    with connected(run.workspace, f"log the trials of {run.config.model}") as client:
        experiment = open_experiment(run.workspace, run.config.model)
        for trial in trials:
            _log(client, experiment, mlflow_run, trial, {"plimsoll.run": run.id, "plimsoll.search": told["key"]})
    return len(trials)


def _log(client: Any, experiment: str, parent: str, trial: dict[str, Any], tags: dict[str, str]) -> None:
    from mlflow.entities import Metric, Param

    name = f"trial {trial['number']:03d}"
    about = {**tags, PARENT: parent, "plimsoll.state": trial["state"]}
    about |= {"plimsoll.error": trial["error"]} if trial["error"] else {}
    started = client.create_run(experiment, run_name=name, tags=about)
    now, run_id = started.info.start_time, started.info.run_id
    metrics = [Metric("loss_so_far", loss, now, fold) for fold, loss in enumerate(trial["losses"])]
    metrics += [Metric("loss", trial["losses"][-1], now, 0)] if trial["losses"] else []
    metrics += [Metric("seconds", trial["seconds"], now, 0)]
    client.log_batch(run_id, metrics=metrics, params=[Param(k, str(v)[:500]) for k, v in trial["settings"].items()])
    client.set_terminated(run_id, status=STATUS[trial["state"]])
