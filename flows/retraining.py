"""How a drift decision becomes one training run: in this process, or through a deployment."""

import datetime as dt
from typing import Any

from tasks.decisions import Night
from tasks.records import Run


def start_retrain(run: Run, nights: list[Night]) -> dict[str, Any] | None:
    """Start the training run that the last night asked for, once; None when none was asked for."""
    night = nights[-1] if nights else None
    if night is None or not night.retrain:
        return None
    key = f"retrain:{night.date}:{night.entry.n}"
    already = any(e.facts.get("cause_key") == key for e in run.standing().of_kind("trained"))
    entry = run.decide(
        "retrain_started",
        {"date": night.date, "decision": night.entry.n, "cause": night.sentence},
        key=key,
        as_of=night.date,
    )
    if already:
        return {"key": key, "sentence": f"The retrain of {night.date} has been run already (entry {entry.n})."}
    given = {
        "model": run.config.model,
        "as_of": night.date,
        "requested_by": "drift policy",
        "cause": night.sentence,
        "cause_key": key,
    }
    return _in_process(given) if run.workspace.platform.dispatch == "inline" else _by_deployment(given, key)


def _in_process(given: dict[str, Any]) -> dict[str, Any]:
    from flows.train_model import train_model

    result: dict[str, Any] = train_model(**{**given, "as_of": dt.date.fromisoformat(given["as_of"])})
    return result


def _by_deployment(given: dict[str, Any], key: str) -> dict[str, Any]:
    from tasks.prefect_api import start_run

    model = given["model"]
    flow_run = start_run("train-model", model, given, key, ["retrain"], f"retrain {model} {given['as_of']}")
    return {"key": key, "flow_run": flow_run, "sentence": f"Training run {flow_run} was started."}
