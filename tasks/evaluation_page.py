"""What a person reads about a candidate: its page, its model card, and both as JSON."""

from pathlib import Path
from typing import Any

from plimsoll.bundle import Bundle
from plimsoll.candidate import Candidate
from plimsoll.candidate_page import render_candidate
from plimsoll.card_page import render_card
from plimsoll.digest import canonical_json
from plimsoll.model_card import model_card
from plimsoll.model_config import ModelConfig
from plimsoll.references import OF_A_SEARCH
from plimsoll.snapshot import load_snapshot
from plimsoll.store import get_json, put_object
from tasks.candidates import page_path
from tasks.card_facts import card_facts
from tasks.judging import TOLD, Report
from tasks.mlflow_card import log_reading
from tasks.mlflow_lineage import describe
from tasks.pages import report_url, write_page
from tasks.prefect_api import publish_markdown
from tasks.records import Run
from tasks.shown_pages import READING
from tasks.stage import stage


@stage
def publish_candidate(run: Run, version: int, bundle: Bundle, report: Report) -> str:
    """Write the candidate's page, card and JSON, keep them as objects, and return the page's path."""
    found = gather_candidate(run, version, bundle, report)
    path = page_path(run, version)
    files = {
        path.name: render_candidate(found),
        f"{path.stem}-card.html": _card_page(run, version, found.card),
        f"{path.stem}-card.md": found.card,
        f"{path.stem}.json": canonical_json(as_json(found)).decode(),
    }
    written = {name: write_page(path.with_name(name), text) for name, text in files.items()}
    run.outputs[READING] = {name: put_object(run.store, text.encode()) for name, text in files.items()}
    log_reading(run, {name: text.encode() for name, text in files.items()})
    _describe(run, version, report_url(run.workspace, path), found.card)
    _publish(run, version, report, written, found.card)
    return str(path)


def _describe(run: Run, version: int, page: str, card: str) -> None:
    """Let MLflow's description of a version carry its card."""
    known, mlflow_run = run.standing().version(version), str(run.outputs.get("mlflow_run", ""))
    if known and mlflow_run:
        describe(run, version, mlflow_run, page, known.trained, card)


def gather_candidate(run: Run, version: int, bundle: Bundle, report: Report) -> Candidate:
    """Return what the page about a version shows, from its run."""
    start, outputs, snapshot, champion = run.start, run.outputs, run.snapshots[-1], report.champion
    return Candidate(
        config=_as_asked(run),
        version=version,
        report=report.to_json(),
        run=run.id,
        as_of=run.as_of,
        requested_by=str(start.parameters.get("requested_by", "")),
        cause=str(start.parameters.get("cause", "")),
        dates=load_snapshot(run.store, snapshot).dates,
        rows=int(outputs["rows"]),
        quarantined=int(outputs.get("quarantined_rows", 0)),
        digests={
            "snapshot": snapshot,
            "bundle": bundle.digest,
            "gate report": str(outputs.get("gate_report", "")),
            "evidence": report.evidence,
            "config": start.config,
        },
        code=start.code,
        environment=start.environment,
        mlflow_run=str(outputs.get("mlflow_run", "")),
        champion_trained_through=str(champion.trained.facts.get("trained_through", "")) if champion else "",
        evidence=get_json(run.store, report.evidence),
        card=_card(run, version),
        tuning=_tuning(run),
    )


def as_json(found: Candidate) -> dict[str, Any]:
    """Return what the page shows, for programs."""
    about = {name: getattr(found, name) for name in ("version", "run", "as_of", "requested_by", "cause")}
    return {
        "model": found.config.model,
        **about,
        "digests": dict(found.digests),
        "report": dict(found.report),
        "evidence": dict(found.evidence),
        "card": found.card,
        "tuning": dict(found.tuning),
    }


def _as_asked(run: Run) -> ModelConfig:
    """Return the config as it was written; what a search made of it has a section of its own."""
    if "settings" not in run.outputs:
        return run.config
    return ModelConfig.model_validate(get_json(run.store, run.start.config))


def _tuning(run: Run) -> dict[str, Any]:
    """Return how the run's settings came to be, with all trials and all sizes that were looked at."""
    told: dict[str, Any] = {name: dict(run.outputs[name]) for name in ("settings", *OF_A_SEARCH) if name in run.outputs}
    for name, part in OF_A_SEARCH.items():
        if name in told:
            told[name][part] = get_json(run.store, told[name][part])
    return told


def _card(run: Run, version: int) -> str:
    standing = run.standing()
    known = standing.version(version)
    return model_card(card_facts(run.workspace, standing, known, run.outputs)) if known else ""


def _card_page(run: Run, version: int, card: str) -> str:
    config, written = run.config, f"Written by run {run.id}, when it was trained."
    return render_card(card, config.model, version, config.owner, written)


def _publish(run: Run, version: int, report: Report, written: dict[str, Path], text: str) -> None:
    """Show in Prefect how the gates went, with links to what was written, and the card itself."""
    gates = "\n".join(f"- {TOLD[gate.verdict]}: {gate.sentence}" for gate in report.gates)
    page, card, _, body = (report_url(run.workspace, path) for path in written.values())
    links = f"[The page about v{version}]({page}) · [model card]({card}) · [as JSON]({body}), while `make up` runs."
    name = run.config.model.replace("_", "-")
    publish_markdown(f"{name}-candidate", f"# {run.config.model} v{version}\n\n{gates}\n\n{links}", run.config.purpose)
    publish_markdown(f"{name}-card", text, f"Model card of {run.config.model} v{version}")
