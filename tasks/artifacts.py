"""Prefect artifacts: beside every run, what it saw and what it made, with links to where that can be read."""

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from plimsoll.run_record import WROTE, RunEnd, start_digest
from tasks.pages import report_url

if TYPE_CHECKING:
    from tasks.records import Recorded

PLATFORM = "platform"  # in the key of a run about no single model
SHOWN = 8  # snapshots, of a backfill that read hundreds
LONGEST = 300
DIGEST = re.compile("[0-9a-f]{64}")


def mirror_record(run: "Recorded", end: RunEnd) -> None:
    """Show a run's record in Prefect, and keep a copy in MLflow where the run made one there.

    The record itself is written by then. A mirror that cannot follow is logged and fails nothing.
    """
    shown = ""
    try:
        if run.outputs.get("mlflow_run"):
            from tasks.mlflow_lineage import log_record

            shown = log_record(run)
    except Exception as error:  # whatever a server answers, the run is over and stands
        _logger().warning("MLflow has no copy of the record of %s: %s", run.id, error)
    try:
        _publish(run, record_markdown(run, end, shown))
    except Exception as error:
        _logger().warning("Prefect does not show the record of %s: %s", run.id, error)


def artifact_key(model: str) -> str:
    """Return the key under which Prefect lists the records of a model's runs."""
    return f"run-record-{(model or PLATFORM).replace('_', '-')}"


def record_markdown(run: "Recorded", end: RunEnd, mlflow_url: str = "") -> str:
    """Return a run's record for people: links first, then what it saw, where it ran and what it made."""
    start = run.start
    environment = start.environment
    code = f"`{start.code.commit[:12]}`" if start.code.commit else "outside git"
    changes = f", uncommitted changes `{start.code.diff[:12]}`" if start.code.diff else ""
    entries = [f"{entry.n} {entry.kind.replace('_', ' ')}" for entry in run.entries]
    saw = [
        ("Snapshots", _digests(end.snapshots)),
        ("Config", _digests([start.config])),
        ("Code", f"{code}{changes}, source tree `{start.code.tree[:12]}`"),
        ("Environment", f"Python {environment.python}, lock `{environment.lock[:12]}`, {environment.cpu}"),
        ("Built upon", ", ".join(f"`{parent}`" for parent in end.parents) or "no other run"),
    ]
    told = {name: value for name, value in end.outputs.items() if name != WROTE}
    made = [(name.replace("_", " ").capitalize(), _plain(value)) for name, value in told.items()]
    made += [("Ledger entries", ", ".join(entries) or "none")]
    head = [
        f"# Run record of {start.flow}",
        f"**{end.result}**: {end.sentence}" if end.sentence else f"**{end.result}**",
        _links(run, mlflow_url),
    ]
    about = [("Record", f"`{run.id}`, first half `{start_digest(start)[:12]}`"), ("Business date", run.as_of)]
    return "\n\n".join([*head, _table(about), "## What it saw", _table(saw), "## What it made", _table(made)])


def _links(run: "Recorded", mlflow_url: str) -> str:
    version = run.outputs.get("version")
    reports, model = run.workspace.reports, run.start.model
    pages = [("All models", reports / "index.html")]
    pages += [(f"About {model}", reports / model / "index.html")] if model else []
    pages += [(f"Version {version}", reports / model / f"v{version}.html")] if version else []
    links = [f"[{name}]({report_url(run.workspace, page)})" for name, page in pages if page.is_file()]
    links += [f"[MLflow run]({mlflow_url})"] if mlflow_url else []
    return " · ".join(links) or "No pages were written yet."


def _table(rows: list[tuple[str, str]]) -> str:
    cells = ((name, value.replace("|", "\\|").replace("\n", " ")) for name, value in rows)
    return "\n".join(["| what | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in cells)])


def _digests(found: "tuple[str, ...] | list[str]") -> str:
    shown = ", ".join(f"`{digest[:12]}`" for digest in found[:SHOWN])
    return (shown or "none") + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        value = "; ".join(f"{name}: {one}" for name, one in value.items()) or "none"
    text = str(value)
    if DIGEST.fullmatch(text):
        return f"`{text[:12]}`"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _publish(run: "Recorded", markdown: str) -> None:
    """Attach a page to the Prefect run that this is, when it is one and its server answers."""
    if not run.start.prefect_run_id:
        return
    from tasks.prefect_api import current_api_url, publish_markdown, server_answers

    if not server_answers(current_api_url()):
        _logger().warning("Prefect does not answer, so it does not show the record of %s", run.id)
        return
    publish_markdown(artifact_key(run.start.model), markdown, f"What run {run.id} saw and made")


def _logger() -> "logging.Logger | logging.LoggerAdapter[logging.Logger]":
    """Return the logger of the Prefect run, the module's own outside of one."""
    from prefect.exceptions import MissingContextError

    from tasks.stage import get_run_logger

    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger(__name__)
