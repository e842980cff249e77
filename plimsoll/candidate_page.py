"""The page about one version: the evidence that a person decides on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plimsoll.axes import is_date
from plimsoll.candidate import Candidate
from plimsoll.candidate_origin import config_section, data_section, features_section, origin_section
from plimsoll.changes_section import changes_section
from plimsoll.charts import reliability_diagram
from plimsoll.evidence_sections import evidence_sections
from plimsoll.gate_sections import gate_sections
from plimsoll.gates_config import HIGHER_IS_BETTER
from plimsoll.gates_table import gates_table, metric_number
from plimsoll.model_config import ModelConfig
from plimsoll.page import (
    Child,
    Html,
    badge,
    el,
    join,
    link,
    render_page,
    section,
    table,
    tiles,
)
from plimsoll.settings_sections import settings_sections
from plimsoll.time_chart import Line, TimeChart, time_chart

NAMES = {"auc": "AUC", "log_loss": "Log loss", "brier": "Brier score", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
LOSS = {"classification": "mean log loss", "regression": "mean absolute error"}


def render_candidate(candidate: Candidate) -> str:
    """Return the evidence page of one version as HTML, self-contained."""
    config = candidate.config
    return render_page(
        f"{config.model}, version {candidate.version}",
        [
            _tiles(candidate),
            _gates(candidate),
            _metrics(candidate),
            *_losses(candidate),
            *_reliability(candidate),
            *evidence_sections(candidate.evidence, candidate.config.task, _names(candidate), _base(candidate)),
            *gate_sections(candidate.report.get("shown") or {}, candidate.champion or "Champion"),
            *settings_sections(candidate.tuning),
            changes_section(candidate.evidence.get("changes") or {}),
            data_section(candidate),
            features_section(config),
            origin_section(candidate),
            config_section(config),
        ],
        kicker=join(link("../index.html", "All models"), link("index.html", config.model)),
        lead=config.purpose,
        aside=el("p", f"Owned by {config.owner}", *_readings(candidate), class_="soft"),
        foot=join(f"Written by run {candidate.run}. What became of it: ", link("index.html", config.model)),
    )


def _readings(candidate: Candidate) -> Iterable[Html]:
    if candidate.card:
        yield join(" · ", link(f"v{candidate.version}-card.html", "Model card"))
        yield join(" · ", link(f"v{candidate.version}.json", "as JSON"))


def _tiles(candidate: Candidate) -> Html:
    gates, judged = candidate.report["gates"], candidate.report["candidate"]
    failed = sum(not gate["passed"] for gate in gates)
    dates = judged["dates"]
    span = f"{dates[0]} to {dates[-1]}" if dates and is_date(dates[0]) else "dealt by key, no time axis"
    return tiles(
        [
            (
                "Gates",
                _verdict(gates, failed),
                "no promotion is possible" if failed else _who_decides(candidate.config),
            ),
            ("Judged on", f"{judged['rows']:,} rows", span),
            ("Asked by", candidate.requested_by, f"as of {candidate.as_of}"),
            (
                "Compared with",
                candidate.champion or "Nothing",
                "the champion" if candidate.champion else "no champion yet",
            ),
        ]
    )


def _verdict(gates: Sequence[Mapping[str, Any]], failed: int) -> Html:
    if failed:
        return badge("bad", f"{failed} of {len(gates)} failed")
    warned = sum(gate.get("verdict") == "warn" for gate in gates)
    return badge("wait", f"{warned} of {len(gates)} warned") if warned else badge("good", f"All {len(gates)} passed")


def _who_decides(config: ModelConfig) -> str:
    return "a person decides" if config.approval.policy == "person" else "it is promoted by policy"


def _gates(candidate: Candidate) -> Html:
    lead = "Every gate runs, also after one has failed. One that only warns does so because the config says it."
    return section("Gates", gates_table(candidate.report["gates"]), lead=lead)


def _metrics(candidate: Candidate) -> Html:
    mine, champion = (
        candidate.report["candidate"]["metrics"],
        (candidate.report.get("champion") or {}).get("metrics", {}),
    )
    heads = ["Measure", f"Version {candidate.version}", candidate.champion or "Champion", "Difference"]
    rows = [
        (
            NAMES.get(name, name),
            metric_number(value),
            metric_number(champion.get(name)) if champion else "–",
            _gain(name, value, champion.get(name)),
        )
        for name, value in mine.items()
    ]
    shown = table(heads, rows, numbers=(1, 2, 3), empty="Nothing was measured.")
    return section("Measures", shown, lead=_fairness(candidate))


def _fairness(candidate: Candidate) -> Child:
    """Say what the comparison is worth: a champion that was trained on the judging days has seen the answers."""
    if not candidate.champion:
        return "On rows that it was not trained on."
    if candidate.champion_saw_the_answers:
        through = candidate.champion_trained_through
        return badge("wait", f"The champion was trained through {through} and has seen rows that it is judged on here.")
    return "Both on the same rows, which neither was trained on."


def _gain(name: str, mine: float | None, rival: float | None) -> Child:
    if mine is None or rival is None:
        return "–"
    gain = mine - rival if name in HIGHER_IS_BETTER else rival - mine
    if abs(gain) < 5e-5:
        return "equal"
    return badge(
        "good" if gain > 0 else "bad", f"{mine - rival:+.4f} {'better' if gain > 0 else 'worse'}".replace("-", "−")
    )


def _losses(candidate: Candidate) -> Iterable[Html]:
    if candidate.config.source.kind == "table":
        return
    report, unit = candidate.report, LOSS[candidate.config.task]
    parts = [
        (f"v{report.get('champion_version')}", report.get("champion"), 1),
        (f"v{candidate.version}", report["candidate"], 0),
    ]
    lines = [
        Line(
            name,
            tuple(p for p in part["loss_by_day"].items() if is_date(p[0])),
            colour,
            "plain" if colour else "main",
        )
        for name, part, colour in parts
        if part
    ]
    shown = time_chart(TimeChart("Loss by day", unit, tuple(lines)))
    yield section("Loss by day", shown, lead=f"The {unit} of each later day; lower is better.")


def _reliability(candidate: Candidate) -> Iterable[Html]:
    if candidate.config.task != "classification":
        return
    champion = candidate.report.get("champion") or {}
    bins = candidate.report["candidate"]["calibration"]
    shown = reliability_diagram(bins, champion.get("calibration", []), _names(candidate))
    lead = "Of rows with a score of 0.3, three in ten should come true: on the diagonal a score keeps its word."
    yield section("Reliability", shown, lead=lead)


def _names(candidate: Candidate) -> tuple[str, str]:
    return f"version {candidate.version}", f"{candidate.champion.lower()}, the champion"


def _base(candidate: Candidate) -> float | None:
    """Return the share of yes among the rows that judge, None for a number."""
    bins = candidate.report["candidate"]["calibration"]
    rows = sum(one["rows"] for one in bins)
    return (
        sum(one["rows"] * one["observed"] for one in bins) / rows
        if rows and candidate.config.task == "classification"
        else None
    )
