"""How a drift decision becomes one training run: in this process, or through a deployment."""

import datetime as dt
from typing import Any

from plimsoll.errors import ServerError
from plimsoll.ledger import Entry
from tasks.decisions import Night
from tasks.keyed_runs import Keyed
from tasks.owed_retrains import held_back, owed_retrain
from tasks.records import Run
from tasks.requests import unpromotable
from tasks.retrain_starts import is_training, newest_start, worker_run
from tasks.this_process import process_name


def start_retrain(run: Run, nights: list[Night]) -> dict[str, Any] | None:
    """Start the training run that the last night asked for, once; None when none was asked for.

    So is one that an earlier check had decided on when it died, or whose training died, unless the newest night stops
    retrains. A worker is asked before the ledger says so: asked again with the same key it has the same run, and a
    death in between is made good by the next check.
    """
    night = nights[-1] if nights and nights[-1].retrain else owed_retrain(run)
    if night is None:
        return None
    key = f"retrain:{night.date}:{night.entry.n}"
    if any(e.facts.get("cause_key") == key for e in run.standing().of_kind("trained")):
        enter_start(run, night, key)
        said = {"key": key, "sentence": f"The retrain of {night.date} has been run already."}
    elif held := held_back(run, night):
        said = {"key": key, "sentence": f"The retrain of {night.date} was not started: {held}"}
    else:
        said = _start(run, night, key)
    return {"night": night.date, **said}


def _start(run: Run, night: Night, key: str) -> dict[str, Any]:
    begun = newest_start(run.standing(), key)
    if begun and begun.facts.get("process") and is_training(run, begun):
        return _begun(run, night, key, begun)
    given = {
        "model": run.config.model,
        "as_of": night.date,
        "start": night.train_from,
        "requested_by": "drift policy",
        "cause": night.sentence,
        "cause_key": key,
    }
    if unheard := unpromotable(run.workspace, run.config, "drift policy"):
        return {"key": key, "sentence": f"The retrain of {night.date} was not started: {unheard}"}
    if run.workspace.platform.dispatch == "inline":
        if begun and (found := worker_run(run, begun.key)) and not found.ended:
            return _at_work(night, key, found)
        own = key if begun is None else f"{key}:{begun.n}"  # taken over from a process that died
        entry = enter_start(run, night, own, process_name())
        return _begun(run, night, key, entry) if is_training(run, entry) else _in_process(given)
    own = f"{key}:{begun.n}" if begun and begun.facts.get("process") else key
    return _on_worker(run, night, own, given)


def _on_worker(run: Run, night: Night, own: str, given: dict[str, Any]) -> dict[str, Any]:
    """Ask a worker for the run that has not been asked for, after those that ended without a version."""
    key = str(given["cause_key"])
    while (found := worker_run(run, own)) and found.ended:
        own = f"{key}:{enter_start(run, night, own).n}"
    started = _at_work(night, key, found) if found else _by_deployment(run.config.deployment, given, own)
    enter_start(run, night, own)
    return started


def enter_start(run: Run, night: Night, key: str, process: str = "") -> Entry:
    """Enter in the ledger that a night's retrain was started, once, and return the entry of who was first.

    process is that which trains, where it is this run's own.
    """
    facts = {"date": night.date, "decision": night.entry.n, "cause": night.sentence}
    return run.decide("retrain_started", facts | ({"process": process} if process else {}), key=key, as_of=night.date)


def _begun(run: Run, night: Night, key: str, entry: Entry) -> dict[str, Any]:
    model = run.config.model
    sentence = (
        f"The retrain of {night.date} was started at {entry.recorded_at} by run {entry.facts['run']} and has left no "
        f"version yet, so no other is started. See: plimsoll runs {model}. If it was killed on another machine, train "
        f"by hand: plimsoll train {model} --as-of {night.date}"
    )
    return {"key": key, "sentence": sentence}


def _at_work(night: Night, key: str, found: Keyed) -> dict[str, Any]:
    sentence = (
        f"The retrain of {night.date} is training run {found.id}, which Prefect shows as {found.state}, so no other is "
        "started. If no process works on it any more, cancel it in Prefect; the next check starts another."
    )
    return {"key": key, "flow_run": found.id, "sentence": sentence}


def _in_process(given: dict[str, Any]) -> dict[str, Any]:
    from flows.train_model import train_model

    result: dict[str, Any] = train_model(**{**given, **_dates(given)})
    return result


def _dates(given: dict[str, Any]) -> dict[str, dt.date | None]:
    return {name: given[name] and dt.date.fromisoformat(given[name]) for name in ("as_of", "start")}


def _by_deployment(name: str, given: dict[str, Any], key: str) -> dict[str, Any]:
    from tasks.prefect_api import start_run

    model = given["model"]
    flow_run = start_run("train-model", name, given, f"{model}:{key}", ["retrain"], f"retrain {model} {given['as_of']}")
    if flow_run is None:
        raise ServerError(
            f"The retrain of {given['as_of']} was not started: Prefect has no deployment train-model/{name}. Make it: "
            f"plimsoll deploy. Then: plimsoll check {model} --date {given['as_of']}"
        )
    return {"key": key, "flow_run": flow_run, "sentence": f"Training run {flow_run} was started."}
