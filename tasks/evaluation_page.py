"""The page about a candidate."""

from typing import Any

from plimsoll.bundle import Bundle
from plimsoll.candidate import Candidate
from plimsoll.candidate_page import render_candidate
from plimsoll.estimators import Boosted
from plimsoll.model_config import ModelConfig
from plimsoll.references import OF_A_SEARCH
from plimsoll.snapshot import load_snapshot
from plimsoll.store import get_json
from tasks.candidates import page_path
from tasks.judging import TOLD, Report
from tasks.pages import report_url, write_page
from tasks.prefect_api import publish_markdown
from tasks.records import Run
from tasks.stage import stage


@stage
def publish_candidate(run: Run, version: int, bundle: Bundle, report: Report) -> str:
    """Write the candidate's page and return its path."""
    html = render_candidate(gather_candidate(run, version, bundle, report))
    path = write_page(page_path(run, version), html)
    gates = "\n".join(f"- {TOLD[gate.verdict]}: {gate.sentence}" for gate in report.gates)
    link = f"[The page about v{version}]({report_url(run.workspace, path)}) is served while `make up` runs."
    name = run.config.model.replace("_", "-")
    publish_markdown(f"{name}-candidate", f"# {run.config.model} v{version}\n\n{gates}\n\n{link}", run.config.purpose)
    return str(path)


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
            "config": start.config,
        },
        code=start.code,
        environment=start.environment,
        mlflow_run=str(outputs.get("mlflow_run", "")),
        champion_trained_through=str(champion.trained.facts.get("trained_through", "")) if champion else "",
        importance=_importance(bundle),
        tuning=_tuning(run),
    )


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


def _importance(bundle: Bundle) -> dict[str, float]:
    """Return each feature's share of the gain of all splits; only trees have one."""
    if not isinstance(bundle.fitted, Boosted):
        return {}
    gains = bundle.fitted.booster.get_score(importance_type="total_gain")
    total = sum(gains.values()) or 1.0
    names = dict(zip((f"f{n}" for n in range(len(bundle.encoder.columns))), bundle.encoder.columns, strict=True))
    return {names.get(name, name): gain / total for name, gain in gains.items()}
