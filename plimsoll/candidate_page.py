"""The page about one version: the evidence that a person decides on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from plimsoll.axes import is_date
from plimsoll.charts import bar_list, reliability_diagram
from plimsoll.metrics import HIGHER_IS_BETTER
from plimsoll.model_config import ModelConfig
from plimsoll.page import (
    Child,
    Html,
    badge,
    code,
    digest,
    el,
    facts,
    join,
    link,
    more,
    render_page,
    section,
    table,
    tiles,
)
from plimsoll.run_record import CodeVersion, Environment
from plimsoll.time_chart import Line, TimeChart, time_chart

NAMES = {"auc": "AUC", "log_loss": "Log loss", "brier": "Brier score", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
LOSS = {"classification": "mean log loss", "regression": "mean absolute error"}


@dataclass(frozen=True)
class Candidate:
    """All that the page about a version shows."""

    config: ModelConfig
    version: int
    report: Mapping[str, Any]  # gates, candidate, champion, champion_version, excluded_dates: what an approval binds
    run: str
    as_of: str
    requested_by: str
    cause: str
    dates: Sequence[str]  # of the snapshot
    rows: int
    quarantined: int
    digests: Mapping[str, str]  # snapshot, bundle, gate report, config …: full digests by name
    code: CodeVersion
    environment: Environment
    mlflow_run: str = ""
    champion_trained_through: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)  # share of gain by feature


def render_candidate(candidate: Candidate) -> str:
    """Return the evidence page of one version as HTML, self-contained."""
    config = candidate.config
    return render_page(
        f"{config.model}, version {candidate.version}",
        [
            _tiles(candidate),
            _gates(candidate),
            _metrics(candidate),
            _losses(candidate),
            *_reliability(candidate),
            *_importance(candidate),
            _data(candidate),
            _features(config),
            _origin(candidate),
            _config(config),
        ],
        kicker=join(link("../index.html", "All models"), link("index.html", config.model)),
        lead=config.purpose,
        aside=el("p", f"Owned by {config.owner}", class_="soft"),
        foot=join(f"Written by run {candidate.run}. What became of it: ", link("index.html", config.model)),
    )


def _tiles(candidate: Candidate) -> Html:
    gates, judged = candidate.report["gates"], candidate.report["candidate"]
    failed = sum(not gate["passed"] for gate in gates)
    verdict = badge("bad", f"{failed} of {len(gates)} failed") if failed else badge("good", f"All {len(gates)} passed")
    dates = judged["dates"]
    span = f"{dates[0]} to {dates[-1]}" if dates and is_date(dates[0]) else "dealt by key, no time axis"
    return tiles(
        [
            ("Gates", verdict, "no promotion is possible" if failed else _who_decides(candidate.config)),
            ("Judged on", f"{judged['rows']:,} rows", span),
            ("Asked by", candidate.requested_by, f"as of {candidate.as_of}"),
            (
                "Compared with",
                _champion(candidate) or "Nothing",
                "the champion" if _champion(candidate) else "no champion yet",
            ),
        ]
    )


def _who_decides(config: ModelConfig) -> str:
    return "a person decides" if config.approval.policy == "person" else "it is promoted by policy"


def _champion(candidate: Candidate) -> str:
    number = candidate.report.get("champion_version")
    return f"Version {number}" if number else ""


def _gates(candidate: Candidate) -> Html:
    rows: list[Sequence[Child]] = [
        (
            badge("good", "passed") if gate["passed"] else badge("bad", "failed"),
            gate["gate"],
            _number(gate["value"]),
            _number(gate["threshold"]),
            gate["sentence"],
        )
        for gate in candidate.report["gates"]
    ]
    heads = ["Verdict", "Gate", "Reached", "Load line", "In words"]
    lead = "Every gate runs, also after one has failed."
    return section("Gates", table(heads, rows, numbers=(2, 3), empty="No gate applied."), lead=lead)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _metrics(candidate: Candidate) -> Html:
    mine, champion = (
        candidate.report["candidate"]["metrics"],
        (candidate.report.get("champion") or {}).get("metrics", {}),
    )
    heads = ["Measure", f"Version {candidate.version}", _champion(candidate) or "Champion", "Difference"]
    rows = [
        (
            NAMES.get(name, name),
            _number(value),
            _number(champion.get(name)) if champion else "–",
            _gain(name, value, champion.get(name)),
        )
        for name, value in mine.items()
    ]
    shown = table(heads, rows, numbers=(1, 2, 3), empty="Nothing was measured.")
    return section("Measures", shown, lead=_fairness(candidate))


def _fairness(candidate: Candidate) -> Child:
    """Say what the comparison is worth: a champion that was trained on the judging days has seen the answers."""
    dates, through = candidate.report["candidate"]["dates"], candidate.champion_trained_through
    if not _champion(candidate):
        return "On rows that it was not trained on."
    if through and dates and dates[0] <= through:
        said = f"The champion was trained through {through} and has seen rows that it is judged on here."
        return badge("wait", said)
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


def _losses(candidate: Candidate) -> Html:
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
    return section("Loss by day", shown, lead=f"The {unit} of each later day; lower is better.")


def _reliability(candidate: Candidate) -> Iterable[Html]:
    if candidate.config.task != "classification":
        return
    champion = candidate.report.get("champion") or {}
    names = (f"version {candidate.version}", f"{_champion(candidate).lower()}, the champion")
    shown = reliability_diagram(candidate.report["candidate"]["calibration"], champion.get("calibration", []), names)
    lead = "Of rows with a score of 0.3, three in ten should come true: on the diagonal a score keeps its word."
    yield section("Reliability", shown, lead=lead)


def _importance(candidate: Candidate) -> Iterable[Html]:
    if candidate.importance:
        yield section(
            "What it looks at", bar_list(candidate.importance), lead="Share of the gain of all splits, by feature."
        )


def _data(candidate: Candidate) -> Html:
    dates, excluded = candidate.dates, candidate.report.get("excluded_dates") or {}
    span = f"{dates[0]} to {dates[-1]}, {len(dates)} dates" if dates else "one table, no time axis"
    known = facts(
        [
            ("Snapshot", digest(candidate.digests.get("snapshot", ""))),
            ("Dates", span),
            ("Valid rows", f"{candidate.rows:,}"),
            ("Set aside", f"{candidate.quarantined:,} rows that validation did not accept"),
        ]
    )
    left_out = table(["Date left out", "Reason"], list(excluded.items()), empty="No date was left out.")
    return section("Data", known, el("h3", "Dates left out"), left_out)


def _features(config: ModelConfig) -> Html:
    rows = [(code(f.name), f.kind, f.because) for f in config.features.columns]
    lead = "Nothing may be an input that is not known when the prediction is asked; each says why it is."
    return section("Features", table(["Feature", "Kind", "Known in time because"], rows, empty="None."), lead=lead)


def _origin(candidate: Candidate) -> Html:
    version, machine = candidate.code, candidate.environment
    state = badge("wait", "with uncommitted changes, kept") if version.diff else badge("good", "clean")
    commit = join(digest(version.commit), "  ", state) if version.commit else "outside git"
    pairs: list[tuple[str, Child]] = [
        ("Why", candidate.cause),
        ("Asked by", candidate.requested_by),
        ("Commit", commit),
        ("Source tree", digest(version.tree)),
        ("Lock file", digest(machine.lock)),
        ("Python", machine.python),
        ("Machine", f"{machine.cpu or machine.platform}, {machine.threads} threads"),
        *((name.capitalize(), digest(value)) for name, value in candidate.digests.items() if name != "snapshot"),
        ("MLflow run", code(candidate.mlflow_run) if candidate.mlflow_run else "–"),
        ("Run", code(candidate.run)),
    ]
    lead = "An approval is bound to these; if one changes, it is void."
    return section("Where it comes from", facts(pairs), lead=lead)


def _config(config: ModelConfig) -> Html:
    body = config.model_dump(mode="json", exclude={"features", "purpose"})
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
    shown = more(f"configs/models/{config.model}.yaml, with every default filled in", el("pre", text))
    return section("Config", shown)
