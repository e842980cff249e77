"""Ledger, records and traces in words, for the terminal."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flows.output import print_facts, print_json, print_markdown, print_table, say
from plimsoll.champions import Reign
from plimsoll.judged_against import never_compared_then
from plimsoll.ledger import Entry

NIGHTLY = frozenset({"batch_committed", "drift_decided", "holdout_looked", "challenger_tried"})
SHORT = 12
STRONGEST = 6  # reasons shown in the terminal
DIGEST = re.compile(r"\b[0-9a-f]{32,64}\b")


def history_rows(entries: Sequence[Entry], everything: bool) -> list[list[Any]]:
    """Return the rows of a history table; quiet nights are left out unless everything is asked."""
    kept = [e for e in entries if everything or e.kind not in NIGHTLY or _loud(e)]
    return [[e.n, e.as_of, e.kind.replace("_", " "), e.by, describe(e)] for e in kept]


def _loud(entry: Entry) -> bool:
    return entry.kind == "drift_decided" and bool(entry.facts["decision"]["retrain"])


def describe(entry: Entry) -> str:
    """Return an entry's facts as one line."""
    facts = entry.facts
    if entry.kind == "trained":
        through = facts["trained_through"] or "all"
        return f"v{facts['version']} on {facts['rows']:,} rows through {through}; {facts['cause']}"
    if entry.kind in {"gates_passed", "gates_failed"}:
        return f"v{facts['version']}: " + "; ".join(gate["sentence"] for gate in facts["gates"])
    if entry.kind == "promotion_requested":
        return f"v{facts['version']}, asked by {facts['requested_by']}"
    if entry.kind == "rolled_back":
        return f"back to v{facts['version']} from v{facts['from']}{': ' + facts['reason'] if facts['reason'] else ''}"
    if entry.kind in {"batch_rejected", "retrain_started"}:
        return f"{facts['date']}: {facts.get('reason') or facts.get('cause')}"
    if entry.kind == "drift_decided":
        return str(facts["decision"]["sentence"])
    if entry.kind == "batch_committed":
        versions = ", ".join(f"v{version} ({role})" for version, role in facts["versions"].items())
        return f"{facts['date']}: {facts['rows']:,} rows by {versions}"
    if entry.kind == "rows_cleared":
        by, left = ", ".join(f"v{version}" for version in facts["versions"]), facts["quarantined_rows"]
        return f"{facts['date']}: {facts['rows']:,} rows that had been set aside, by {by}; {left:,} still set aside"
    if entry.kind in {"holdout_frozen", "holdout_looked", "challenger_tried"}:
        return str(facts["sentence"])
    if entry.kind == "approval_refused":
        return f"v{facts['version']}: {facts.get('decision', 'decision')} refused: {facts.get('sentence', '')}"
    told = [facts.get("comment") or facts.get("reason") or "", never_compared_then(entry)]
    said = " · ".join(part for part in told if part)
    return f"v{facts.get('version', '?')}{': ' + said if said else ''}"


def run_rows(records: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """Return the rows of a table of run records."""
    return [_run_row(record) for record in records]


def _run_row(record: dict[str, Any]) -> list[Any]:
    """Return a run's name above what it was about, and how it ended: narrow enough for 80 columns."""
    code, end = record["code"], record["end"]
    about = [record["model"] or "platform", f"as of {record['as_of']}"]
    commit = f"code {(code['commit'] or code['tree'])[:8]}{' and changes' if code['diff'] else ''}"
    if end is None:
        return ["\n".join([record["run_id"], ", ".join(about), commit]), "cut off, or running"]
    snapshot = f", data {end['snapshots'][-1][:SHORT]}" if end["snapshots"] else ""
    result = f"{end['result']}: {end['sentence']}" if end["sentence"] else end["result"]
    return ["\n".join([record["run_id"], ", ".join(about), f"{commit}{snapshot}"]), result]


def print_trace(found: dict[str, Any]) -> None:
    """Write a trace for a person; `--json` and `--html` hold more."""
    prediction = found["prediction"]
    at = f"{prediction['key']} on {prediction['date']}"
    if found["state"] == "quarantined":
        say(f"{at}: {prediction['model']} gave it no score. Validation set the row aside.")
        rows = [[row["says"], row["column"], row["value"]] for row in found["quarantine"]]
        print_table("Why", ["rule", "column", "found"], rows)
    else:
        say(f"{at}: {prediction['model']} v{found['version']['version']} said {prediction['score']:.4f}")
    outcome = found["outcome"]["outcome"]
    happened = "not known yet, or there will be none" if outcome is None else f"{outcome:g}"
    print_facts({"what happened": f"{happened} ({found['outcome']['meaning']})"})
    if found["state"] == "scored":
        _print_scored(found)
    _part("Batch", found["batch"])
    _part("Scored by", {name: value for name, value in found["scoring_run"].items() if name != "snapshots"})


def _print_scored(found: dict[str, Any]) -> None:
    for other in found["also_scored"]:
        said = f"v{other['version']} ({other['role']}) said {other['score']:.4f} on {other['date']}"
        print_facts({"also": said})
    _print_reasons(found["reasons"], found["explanation"])
    left = found["version"]["departure"]
    gone = f"{left['how']}, to v{left['to']}, by {left['by']} on {left['as_of']}. {left['reason']}" if left else ""
    _part("Model", {**found["version"], "departure": gone})
    approval = dict(found["approval"] or {"by": "nobody: it was never approved"})
    approval["gates"] = told_gates(approval.get("gates", []))
    _part("Approval", approval)
    data = dict(found["training_data"])
    data["files"] = f"{len(data['files'])} files, each with its digest in --json and --html"
    _part("Training data", data)
    _part("Trained by", found["training_run"])


def _print_reasons(reasons: list[dict[str, Any]], told: dict[str, Any]) -> None:
    if "missing" in told:
        return say(f"\nWhy this score: {told['missing']}")
    rest = sum(reason["contribution"] for reason in reasons[STRONGEST:])
    rows = [[r["feature"], r["value"], f"{r['contribution']:+.3f}"] for r in reasons[:STRONGEST]]
    rows += [[f"{len(reasons) - STRONGEST} others", "", f"{rest:+.3f}"]] if len(reasons) > STRONGEST else []
    rows += [["base", "", f"{told['base']:+.3f}"], ["total", f"= {told['gives']:.4f}", f"{told['total']:+.3f}"]]
    print_table(f"Why this score (in {told['unit']})", ["feature", "value", "push"], rows)
    if not told["same_bits"]:
        say(f"The row scores {told['score_now']!r} today: the code or config behind it has changed since.")
    return None


def print_reign(sentence: str, reign: Reign | None) -> None:
    """Write who was champion, by whose decision and on what evidence."""
    say(sentence)
    if reign is None:
        return
    facts = reign.to_json()
    approval = facts.pop("approval") or {"by": "nobody"}
    approval["gates"] = told_gates(approval.get("gates", []))
    _part("Champion", {name: value for name, value in facts.items() if value not in (None, "", {})})
    _part("Approval", approval)


def told_gates(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what gates said, one line each, the verdict first."""
    said = {"pass": "passed", "warn": "warned", "fail": "failed"}
    older = {True: "passed", False: "failed"}  # gates of earlier releases could not warn
    return [f"{said.get(g.get('verdict', '')) or older[bool(g['passed'])]}: {g['sentence']}" for g in gates]


def print_shown(entry: Entry, text: str, as_json: bool) -> None:
    """Write the evidence as whoever wrote an entry was shown it, below who that was and the digest it has."""
    digest = str(entry.facts["shown"])
    if as_json:
        about = {"entry": entry.n, "kind": entry.kind, "by": entry.by, "recorded_at": entry.recorded_at}
        return print_json({**about, "shown": digest, "markdown": text})
    what = f"{entry.kind.replace('_', ' ')}, {describe(entry)}"
    say(f"Entry {entry.n} of {entry.model}, by {entry.by} at {entry.recorded_at}: {what}")
    say(f"Shown before that, object {digest}, unchanged:\n")
    return print_markdown(text)


def _part(title: str, facts: dict[str, Any]) -> None:
    say(f"\n{title}")
    print_facts({name.replace("_", " "): _words(value) for name, value in facts.items() if value not in (None, "", {})})


def _words(value: Any) -> str:
    """Return a value for reading: digests by their first twelve digits, which `--json` gives whole."""
    if isinstance(value, dict):
        return "\n".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "\n".join(_words(item) for item in value)
    return DIGEST.sub(lambda found: found[0][:SHORT], str(value))
