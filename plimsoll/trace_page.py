"""The page about one prediction, to be handed to an auditor: it stands alone and says how each claim is checked."""

from collections.abc import Iterator, Mapping
from typing import Any

from plimsoll.contribution_chart import contribution_chart, shown_value, signed
from plimsoll.gates_table import gates_table
from plimsoll.page import (
    Child,
    Html,
    badge,
    code,
    day,
    digest,
    el,
    facts,
    join,
    more,
    render_page,
    section,
    table,
    tiles,
)
from plimsoll.trace_origin import (
    WHOLE,
    Trace,
    checks_section,
    clock,
    run_section,
    trace_command,
    trained_on,
    validation_section,
    words_section,
)


def render_trace(trace: Trace, written: str, purpose: str) -> str:
    """Return the page as HTML; written says when and with what, purpose is the model's."""
    about = trace["prediction"]
    sections = list(_quarantined(trace) if trace["state"] == "quarantined" else _scored(trace))
    return render_page(
        f"{about['key']}",
        sections,
        kicker=join("Trace of one prediction", el("span", about["model"])),
        lead=_lead(trace),
        aside=el("p", purpose, class_="soft"),
        foot=join(f"{written} Every digest is a SHA-256. As JSON: ", code(trace_command(trace, "--json"))),
    )


def _lead(trace: Trace) -> Child:
    about = trace["prediction"]
    if trace["state"] == "quarantined":
        return join(f"{about['model']} did not score this row of ", day(about["date"]), ": validation set it aside.")
    number, recorded = trace["version"]["version"], trace["batch"].get("recorded_at")
    return join(
        "On ",
        day(about["date"]),
        f" version {number} of {about['model']}, as {ROLES[about['role']]}, gave this row a score of ",
        el("b", f"{about['score']:.4f}"),
        f". Recorded {clock(recorded)}." if recorded else ".",
    )


ROLES = {
    "champion": "champion",
    "challenger": "challenger",
    "previous": "the champion before",
    "backfill": "a version asked for by its number",
}


def _scored(trace: Trace) -> Iterator[Child]:
    version = trace["version"]
    yield _tiles(trace)
    yield from _rolled_back(version)
    yield _why(trace)
    yield from _also(trace)
    yield _approval(trace)
    yield trained_on(trace["training_data"], version)
    yield run_section("Code and environment that trained it", trace["training_run"])
    yield validation_section(trace)
    yield run_section("Code and environment that scored it", trace["scoring_run"])
    yield checks_section(trace)
    yield words_section(trace)


def _quarantined(trace: Trace) -> Iterator[Child]:
    rows = [
        (row["says"] or row["expectation"], code(row["column"]), code(row["value"]), code(row["expectation"]))
        for row in trace["quarantine"]
    ]
    heads = ["Rule that it broke", "Column", "Found", "Expectation"]
    lead = "A row that breaks a rule of the suite is set aside and gets no score. The rest of its batch is scored."
    yield section("Why it was set aside", table(heads, rows, empty="No rule is recorded."), lead=lead)
    yield validation_section(trace)
    yield run_section("Code and environment that judged it", trace["scoring_run"])
    yield checks_section(trace)
    yield words_section(trace)


def _tiles(trace: Trace) -> Html:
    about, version, approval, outcome = trace["prediction"], trace["version"], trace["approval"], trace["outcome"]
    known = outcome["outcome"] is not None
    happened = f"{outcome['outcome']:g}" if known else "Not known"
    who = approval["by"] if approval else "Nobody"
    when = approval["as_of"] if approval else "it was never approved"
    return tiles(
        [
            ("Score", f"{about['score']:.4f}", f"as {about['role']}"),
            ("What happened", happened, f"{'' if known else 'It has not come, or never will: '}{outcome['meaning']}"),
            ("Model", f"Version {version['version']}", _now(version)),
            ("Approved by", who, day(when) if approval else when),
        ]
    )


def _now(version: Mapping[str, Any]) -> Child:
    """Return what became of a version."""
    if left := version["departure"]:
        how = "rolled back to" if left["how"] == "rolled back" else "replaced by"
        return join(f"{how} version {left['to']} on ", day(left["as_of"]))
    state = str(version["state"])
    return {"champion": "champion today", "requested": "waits for approval"}.get(state, state)


def _rolled_back(version: Mapping[str, Any]) -> Iterator[Html]:
    left = version["departure"]
    if not left or left["how"] != "rolled back":
        return
    said = join(
        f"Version {version['version']} was rolled back to version {left['to']} on ",
        day(left["as_of"]),
        f" by {left['by']}{': ' + left['reason'] if left['reason'] else ''} (ledger entry {left['entry']}).",
    )
    yield el(
        "div", el("p", badge("bad", el("span", said))), el("p", "Its scores stand as recorded."), class_="notice stop"
    )


def _why(trace: Trace) -> Html:
    told, parts = trace["explanation"], trace["reasons"]
    if "missing" in told:
        return section("Why this score", el("p", told["missing"], class_="empty"))
    sums = facts(
        [
            ("Base", f"{signed(told['base'])} {told['unit']}, before any input"),
            ("All inputs", f"{signed(told['total'] - told['base'])} {told['unit']}"),
            ("Total", f"{signed(told['total'])} {told['unit']}, which is a score of {told['gives']:.4f}"),
            ("Scored again", _again(told, trace["prediction"]["score"])),
            ("Method", told["method"]),
        ]
    )
    rows = [(code(p["feature"]), shown_value(p["value"]), f"{p['contribution']:+.6f}") for p in parts]
    exact = more(
        "Every contribution, to six decimals",
        table(["Input", "Value", told["unit"]], rows, numbers=(2,), empty="None."),
    )
    lead = f"What each input added to the score, in {told['unit']}, by that very version: to the right raised it."
    return section("Why this score", contribution_chart(parts, told["unit"]), sums, exact, lead=lead)


def _again(told: Mapping[str, Any], score: float) -> Html:
    if told["same_bits"]:
        return badge("good", "The same bits today, from the kept bundle and the kept row")
    return badge(
        "bad",
        f"{told['score_now']!r} today, {score!r} then: the code or config behind its row has changed since. "
        "The contributions are those of today's row.",
    )


def _also(trace: Trace) -> Iterator[Html]:
    if not trace["also_scored"]:
        return
    rows = [
        (f"Version {r['version']}", ROLES[r["role"]], day(r["date"]), f"{r['score']:.4f}", code(r["run"]))
        for r in trace["also_scored"]
    ]
    heads = ["Version", "Role", "Batch date", "Score", "Run"]
    yield section("Other scores of this key", table(heads, rows, numbers=(3,), empty="None."))


def _approval(trace: Trace) -> Html:
    approval = trace["approval"]
    if approval is None:
        return section("Approval", el("p", "Nobody approved this version: it scored in a shadow.", class_="empty"))
    known = facts(
        [
            ("Approved by", approval["by"]),
            ("Identity", approval["identity"] or "not recorded"),
            ("On", join(day(approval["as_of"]), f", recorded {clock(approval['at'])}")),
            ("Comment", approval["comment"] or "none"),
            *((("Judged against another", badge("wait", approval["warning"])),) if approval["warning"] else ()),
            ("Asked by", approval["requested_by"] or "not recorded"),
            ("Ledger entry", approval["entry"]),
            *((name.replace("_", " ").capitalize(), digest(str(d), WHOLE)) for name, d in approval["evidence"].items()),
            *((f"Shown to {who}", digest(str(d), WHOLE)) for who, d in approval["shown"].items()),
        ]
    )
    lead = "The approval is bound to these digests: had one of them changed, it would have been void."
    return section("Approval and evidence", known, el("h3", "Gates"), gates_table(approval["gates"]), lead=lead)
