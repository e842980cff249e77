"""Who else learns of a drift decision: Prefect's automations by an event, people through notification blocks.

The ledger has the decision already. Whatever fails here is said in the run's log and record and changes nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from plimsoll.errors import PlimsollError
from plimsoll.ledger import Entry
from plimsoll.platform_config import NotifyConfig
from tasks.prefect_api import emit
from tasks.records import Run
from tasks.stage import get_run_logger

EVENT = "plimsoll.drift.decided"
SHOWN = ("date", "run", "version", "batch", "decision", "diagnosis")


def announce(run: Run, entry: Entry, before: Entry | None) -> None:
    """Send a new decision as an event, and to the notification blocks when it is news after the one before."""
    resource = f"plimsoll.model.{run.config.model}"
    payload = {"model": run.config.model, "entry": entry.n, **{k: entry.facts[k] for k in SHOWN if k in entry.facts}}
    _try(run, "the event", lambda: emit(EVENT, resource, {**payload, "alarms": alarms(entry.facts)}))
    if worth_telling(run.workspace.platform.notify, entry.facts, before.facts if before else {}):
        for name in run.workspace.platform.notify.blocks:
            _try(run, f"the block {name}", partial(_notify, name, run, entry))


def alarms(facts: dict[str, Any]) -> list[str]:
    """Return which questions a decision's facts answer with an alarm."""
    asked = ("inputs", "scores", "quality", "recent", "estimate")
    found = [name for name in asked if (facts.get(name) or {}).get("alarm")]
    found += ["slices"] if any(chart["alarm"] for chart in (facts.get("slices") or {}).values()) else []
    return found + (["batch"] if facts["batch"] == "batch_rejected" else [])


def worth_telling(policy: NotifyConfig, facts: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether people are told: of every decision, of alarms that were not there the night before, or of retrains."""
    if policy.about == "decisions" or facts["decision"]["retrain"]:
        return True
    new = set(alarms(facts)) - set(alarms(before) if before else [])
    return policy.about == "alarms" and bool(new)


def _notify(name: str, run: Run, entry: Entry) -> None:
    from prefect.blocks.core import Block

    facts = entry.facts
    lines = [facts["decision"]["sentence"], facts.get("diagnosis") or "", f"Ledger entry {entry.n}."]
    block: Any = Block.load(name)
    with block.raise_on_failure():
        block.notify("\n".join(line for line in lines if line), subject=f"{run.config.model} {facts['date']}")


def _try(run: Run, what: str, send: Callable[[], None]) -> None:
    try:
        send()
    except Exception as error:  # a block is anybody's code, and what it raises may hold the address with its secret
        why = str(error) if isinstance(error, PlimsollError) else type(error).__name__
        said = f"{what} about the decision was not sent: {why}"
        run.outputs.setdefault("not_announced", []).append(said)
        get_run_logger().warning(said)
