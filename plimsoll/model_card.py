"""The model card: what a version is for, what it was made of, how good it is and where nobody knows; from records.

After Mitchell and others (2019). Nothing in it is written by hand but what the config says; the rest is read from the
ledger, run records, the gate report and the evidence, so it cannot say what was not measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plimsoll.card_dependence import moves_of
from plimsoll.card_limits import limits_of
from plimsoll.gates_table import metric_number

Body = Mapping[str, Any]
NAMED = 8  # slices, sources
RATES = 24  # of groups


@dataclass(frozen=True)
class CardFacts:
    """What is known of a version, as its records say it."""

    model: str
    version: int
    state: str  # candidate, requested, champion, former …
    config: Body  # as it was recorded
    trained: Body  # facts of the ledger's entry
    judged: Sequence[Body]  # gates, from the ledger
    report: Body  # the gate report; empty where it is gone
    evidence: Body  # empty for a version that was trained before evidence was kept
    snapshot: Body  # id, from, to, dates, outcomes_as_of
    outputs: Body  # of the training run
    code: str = ""  # commit, or source tree
    approval: Body | None = None
    departure: Body | None = None
    arrival: Body | None = None  # the move that made it champion last
    entry: int = 0  # the newest of the ledger that this was read from
    at_training: bool = False  # written by the training run, before anybody could decide
    missing: Sequence[str] = field(default_factory=tuple)  # what could not be read, in sentences


def model_card(facts: CardFacts) -> str:
    """Return the card of a version as markdown."""
    parts = [
        f"# Model card: {facts.model} v{facts.version}",
        " ".join(str(facts.config.get("purpose", "")).split()),
        _part("What it is for", _use(facts)),
        _part("Where it stands", _state(facts)),
        _part("Data", _data(facts)),
        _part("Inputs", _inputs(facts)),
        _part("How its score moves", moves_of(facts.evidence)),
        _part("How good it is", _quality(facts)),
        _part("Known slices and groups", _slices(facts)),
        _part("Limits", limits_of(facts)),
        _part("Gates", _gates(facts.judged)),
        _part("To make it again", _again(facts)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _part(title: str, lines: Iterator[str] | Sequence[str]) -> str:
    body = "\n".join(line for line in lines if line)
    return f"## {title}\n\n{body}" if body else ""


def _use(facts: CardFacts) -> Iterator[str]:
    said = facts.config.get("card") or {}
    outcome = facts.config["outcome"]
    number = outcome.get("above") is None
    meaning = f"`{outcome['column']}`" if number else f"`{outcome['column']} > {outcome['above']:g}`"
    yield f"- A score is {'a prediction of' if number else 'the probability that'} {meaning}."
    yield f"- Owner: {facts.config['owner']}"
    for name, title in (("intended_use", "Intended use"), ("not_for", "Not for"), ("contact", "Contact")):
        yield f"- {title}: {' '.join(said[name].split())}" if said.get(name) else ""
    if not said.get("not_for"):
        yield "- What it is not for, nobody has written down (`card.not_for` in its config)."


def _state(facts: CardFacts) -> Iterator[str]:
    approval, left, came = facts.approval, facts.departure, facts.arrival
    yield f"- State: {facts.state} at ledger entry {facts.entry}{', when it was trained' if facts.at_training else ''}"
    if approval:
        said = f": {approval['comment']}" if approval.get("comment") else ""
        who = f"{approval['by']} as of {approval['as_of']}, identity {approval['identity']}"
        yield f"- Approved by {who} (ledger entry {approval['entry']}){said}"
        bound = ", ".join(f"{name.replace('_', ' ')} `{str(d)[:12]}`" for name, d in approval["evidence"].items())
        yield f"- The approval is bound to {bound}"
        yield f"- **{approval['warning']}**" if approval.get("warning") else ""
        for whom, shown in (approval.get("shown") or {}).items():
            yield f"- Shown to {whom}: object `{str(shown)[:12]}`, `plimsoll history {facts.model} --shown ENTRY`"
    elif facts.at_training:
        today = f"plimsoll card {facts.model} {facts.version}"
        yield f"- Nobody could decide about it when this card was written. What was decided since: `{today}`"
    else:
        yield "- Nobody has approved it."
    if came:
        yield f"- {came['how'].capitalize()} as of {came['as_of']}, by {came['by']} (ledger entry {came['entry']})"
    if left:
        yield f"- {left['how'].capitalize()} by v{left['to']} as of {left['as_of']}, by {left['by']}. {left['reason']}"
    yield f"- Why it was trained: {facts.trained['cause']}"


def _data(facts: CardFacts) -> Iterator[str]:
    source, outcome, snapshot = facts.config["source"], facts.config["outcome"], facts.snapshot
    place = source.get("path") or next((k for k in ("sql", "delta") if source.get(k)), "")
    yield f"- Source: {place}, one row per {', '.join(source['key'])}"
    if segment := facts.config.get("segment"):
        yield f"- Only rows with {segment['column']} {segment['value']}: a segment of the batch"
    if lookups := [one["name"] for one in source.get("lookups", ())]:
        yield f"- Joined to it: {', '.join(lookups)}"
    dates = f"{snapshot['from']} to {snapshot['to']}, {snapshot['dates']} dates" if snapshot.get("dates") else ""
    yield f"- Dates: {dates or 'one table, no time axis'}; outcomes as known on {snapshot.get('outcomes_as_of', '?')}"
    yield f"- Valid rows: {facts.trained['rows']:,}; set aside {facts.outputs.get('quarantined_rows', 0):,}"
    for date, reason in (facts.report.get("excluded_dates") or {}).items():
        yield f"- Left out {date}: {reason}"
    if held := facts.outputs.get("holdout"):
        kept = f"{held['rows']:,} rows frozen in `{held['snapshot'][:12]}`"
        yield f"- Never trained on: the holdout {held['name']}, {kept}"
    yield f"- Rows without an outcome: {' '.join(str(outcome['no_outcome']).split())}"
    yield from _sources((facts.report.get("shown") or {}).get("sources"))
    yield f"- Snapshot `{facts.trained['snapshot']}`"


def _sources(shares: Body | None) -> Iterator[str]:
    if shares:
        named = list(shares["shares"].items())[:NAMED]
        said = ", ".join(f"{name} {share:.1%}" for name, share in named)
        yield f"- By source ({shares['by']}): {said}"


def _inputs(facts: CardFacts) -> Iterator[str]:
    order = {one["feature"]: one["rise"] for one in facts.evidence.get("importance", ())}
    columns = sorted(facts.config["features"]["columns"], key=lambda f: -order.get(f["name"], 0.0))
    heads = ["input", "kind", *(["importance"] if order else []), "known in time because"]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for one in columns:
        rise = [f"{order.get(one['name'], 0.0):.4f}"] if order else []
        yield "| " + " | ".join([f"`{one['name']}`", one["kind"], *rise, one["because"].replace("|", "\\|")]) + " |"
    if order:
        yield "\nImportance is the rise of the mean loss when the input is shuffled among rows it was not trained on."


def _quality(facts: CardFacts) -> Iterator[str]:
    report = facts.report
    if not report:
        return
    mine, rival = report["candidate"], report.get("champion") or {}
    dates = mine["dates"]
    span = f", {dates[0]} to {dates[-1]}" if dates else ""
    yield f"On {mine['rows']:,} rows that it was not trained on{span}:\n"
    name = f"v{report['champion_version']}, the champion then" if rival else "no champion then"
    yield f"| measure | v{facts.version} | 95 % interval | {name} |"
    yield "|---|---|---|---|"
    intervals = facts.evidence.get("metrics") or {}
    for metric, value in mine["metrics"].items():
        theirs = metric_number(rival["metrics"].get(metric)) if rival else "–"
        yield f"| {metric} | {metric_number(value)} | {_bounds(intervals.get(metric))} | {theirs} |"
    if intervals:
        yield f"\nIntervals count {facts.evidence['units']}."
    yield from _calibration((report.get("shown") or {}).get("calibration"))


def _bounds(interval: Body | None) -> str:
    if not interval or interval["low"] is None:
        return "not known"
    return f"{interval['low']:.4f} to {interval['high']:.4f}"


def _calibration(shown: Body | None) -> Iterator[str]:
    if shown:
        slope = "–" if shown["slope"] is None else f"{shown['slope']:.2f}"
        yield f"\nCalibration: mean score less mean outcome {shown['bias']:+.4f}, slope {slope} (1 is right)."


def _slices(facts: CardFacts) -> Iterator[str]:
    shown = facts.report.get("shown") or {}
    for one in (shown.get("slices") or {}).get("worst", ())[:NAMED]:
        yield f"- {one['name']}: loss {one['loss']:.4f}, {one['ratio']:.2f} times that of all, on {one['rows']:,} rows"
    rates = [one for one in shown.get("fairness") or () if one["judged"] and one["rate"] is not None]
    for rate in rates[:RATES]:
        yield f"- {rate['group']}: {rate['metric'].replace('_', ' ')} {rate['rate']:.3f} over {rate['rows']:,} rows"
    if len(rates) > RATES:
        yield f"- {len(rates) - RATES} more rates are on the page and in the gate report."


def _gates(judged: Sequence[Body]) -> Iterator[str]:
    words = {"pass": "passed", "warn": "**warned**", "fail": "**FAILED**"}
    for gate in judged:
        verdict = gate.get("verdict") or ("pass" if gate.get("passed") else "fail")
        yield f"- {words[verdict]}: {gate['sentence']}"


def _again(facts: CardFacts) -> Iterator[str]:
    yield f"- `plimsoll reproduce {facts.trained['run']}`"
    yield f"- Code {facts.code}, bundle `{facts.trained['bundle'][:12]}`, snapshot `{facts.trained['snapshot'][:12]}`"
    yield from (f"- {sentence}" for sentence in facts.missing)
