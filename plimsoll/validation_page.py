"""The pages about validation: what was asked of one batch, what was found, and why that matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plimsoll.axes import short_date
from plimsoll.page import (
    Child,
    Html,
    Tone,
    badge,
    code,
    day,
    digest,
    el,
    join,
    link,
    render_page,
    section,
    table,
    tiles,
)
from plimsoll.validation import quarantined_rows

Verdict = Literal["met", "rows set aside", "stops the batch"]
TONES: dict[Verdict, Tone] = {"met": "good", "rows set aside": "note", "stops the batch": "bad"}
ORDER: tuple[Verdict, ...] = ("stops the batch", "rows set aside", "met")
MOST = 5  # unexpected values, and keys, that a finding shows


@dataclass(frozen=True)
class Finding:
    """One expectation about one batch, in Great Expectations' words and ours."""

    verdict: Verdict
    column: str  # empty for the whole table
    asks: Html  # as Great Expectations says it
    found: str
    says: str  # why it is asked, from the suite
    values: tuple[tuple[str, int], ...] = ()  # unexpected ones and how often
    keys: tuple[str, ...] = ()  # of rows that hold them


@dataclass(frozen=True)
class Validation:
    """One batch as validation saw it."""

    model: str
    date: str
    batch: Mapping[str, Any]  # facts of its ledger entry
    findings: tuple[Finding, ...]
    suite: str
    release: str  # of Great Expectations

    @property
    def rejected(self) -> str:
        """Why the batch was rejected, empty when it was not."""
        return str(self.batch.get("reason", ""))

    @property
    def date_words(self) -> str:
        """The date for a reader."""
        return short_date(self.date, year=True)


def render_validation(one: Validation) -> str:
    """Return the page about one batch as HTML, self-contained."""
    up = f"../../{one.model}/index.html"
    return render_page(
        f"{one.model}, batch of {one.date_words}",
        [_tiles(one), *_reason(one), _findings(one), *_quarantine(one)],
        kicker=join(link(up, one.model), link("index.html", "Data Docs")),
        lead="What the suite asks of a batch before a model may see it, and what it found.",
        foot=f"Expectations run and worded by Great Expectations {one.release}, suite {one.suite}.",
    )


def _tiles(one: Validation) -> Html:
    counts = {verdict: sum(f.verdict == verdict for f in one.findings) for verdict in ORDER}
    verdict = badge("bad", "Rejected") if one.rejected else badge("good", "Accepted")
    aside = quarantined_rows(one.batch)
    return tiles(
        [
            ("Verdict", verdict, "nothing was scored from it" if one.rejected else "it was scored"),
            ("Rows", f"{one.batch.get('rows', 0):,}", f"{aside} more set aside" if aside else "none set aside"),
            (
                "Expectations",
                f"{counts['met']} of {len(one.findings)} met",
                f"{counts['stops the batch']} stop the batch",
            ),
            ("Full result", digest(str(one.batch.get("validation", ""))), "kept under this digest"),
        ]
    )


def _reason(one: Validation) -> list[Html]:
    if not one.rejected:
        return []
    said = badge("bad", "Why this batch was stopped")
    return [el("div", el("p", said), el("p", one.rejected), class_="notice stop")]


def _findings(one: Validation) -> Html:
    order = sorted(one.findings, key=lambda f: ORDER.index(f.verdict))
    rows = [
        [badge(TONES[f.verdict], f.verdict), code(f.column) if f.column else "whole batch", _asked(f), _found(f)]
        for f in order
    ]
    shown = table(["Verdict", "Column", "Asked", "Found"], rows, empty="The suite asks nothing.")
    return section(
        "Expectations", shown, lead="What stops a batch comes first, then rows set aside, then what was met."
    )


def _asked(finding: Finding) -> Html:
    return join(finding.asks, el("div", finding.says, class_="soft") if finding.says else None)


def _found(finding: Finding) -> Html:
    values = [join(code(value), f" × {count:,}") for value, count in finding.values[:MOST]]
    left = len(finding.values) - MOST
    rows = "in " + ", ".join(finding.keys[:MOST]) + (" …" if len(finding.keys) > MOST else "")
    return el(
        "div",
        el("div", finding.found),
        el("div", join(*values, by=", "), f" and {left} more" if left > 0 else None) if values else None,
        el("div", rows, class_="soft") if finding.keys else None,
        class_="found",
    )


def _quarantine(one: Validation) -> list[Html]:
    bad: Sequence[Mapping[str, Any]] = one.batch.get("quarantined", [])
    rows: list[list[Child]] = [[code(r["key"]), code(r["column"]), r["value"], r["says"]] for r in bad]
    if not rows:
        return []
    shown = table(["Row", "Column", "Value", "Asked"], rows, empty="")
    return [
        section("Rows set aside", shown, lead="They were not scored and do not train; the batch went on without them.")
    ]


def render_validation_index(model: str, pages: Sequence[tuple[str, str, bool, str]]) -> str:
    """Return the list of a model's validation pages; each is (date, file name, rejected, reason)."""
    rows = [
        [link(name, day(date)), badge("bad", "rejected") if rejected else badge("good", "accepted"), reason or "–"]
        for date, name, rejected, reason in pages
    ]
    shown = table(["Batch", "Verdict", "Why"], rows, empty="No batch has a page yet.")
    lead = "Batches whose validation was written out as a page; every result is kept in the object store."
    up = link(f"../../{model}/index.html", model)
    return render_page(f"Data Docs of {model}", [section("Batches", shown, lead=lead)], kicker=up)
