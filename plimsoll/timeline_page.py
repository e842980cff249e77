"""The page about a model: how it stands, how well it does, and every decision with its reason."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from plimsoll.axes import short_date
from plimsoll.business_date import business_dates
from plimsoll.ledger import Entry
from plimsoll.model_story import Chapter, ModelStory, approval_of, chapters, metrics_of, newest_first, who
from plimsoll.page import (
    Child,
    Html,
    Tone,
    badge,
    code,
    day,
    el,
    icon,
    join,
    link,
    render_page,
    section,
    table,
    tiles,
)
from plimsoll.standing import Standing, State, Version
from plimsoll.telling import byline, page_link, rejected_last, tell
from plimsoll.timeline_charts import input_section, late_section, quality_section, recent_section, score_section
from plimsoll.validation import quarantined_rows
from plimsoll.watch_sections import coverage_section, estimate_section, pushed_section, slice_section

COMPARED = {"classification": (("auc", "AUC"), ("log_loss", "Log loss")), "regression": (("mae", "MAE"), ("r2", "R²"))}
STATES: dict[State, tuple[Tone, str]] = {
    "candidate": ("calm", "candidate"),
    "refused": ("bad", "refused by gates"),
    "requested": ("wait", "waits for a person"),
    "champion": ("good", "champion"),
    "former": ("calm", "former champion"),
    "rejected": ("bad", "rejected"),
    "retired": ("calm", "retired"),
}


def render_timeline(story: ModelStory) -> str:
    """Return the page about a model as HTML, self-contained; links lead to pages under reports/ that exist."""
    return render_page(
        story.model,
        [
            _tiles(story),
            *_notices(story),
            quality_section(story),
            input_section(story),
            score_section(story),
            late_section(story),
            slice_section(story),
            recent_section(story),
            estimate_section(story),
            coverage_section(story),
            pushed_section(story),
            _versions(story),
            _decisions(story),
            _next(story),
        ],
        kicker=link("../index.html", "All models"),
        lead=story.purpose,
        aside=el("p", f"Owned by {story.owner}", class_="soft"),
        foot=f"From {len(story.standing.entries):,} entries of the ledger of {story.model}.",
    )


def _tiles(story: ModelStory) -> Html:
    standing = story.standing
    champion = standing.version(standing.champion) if standing.champion else None
    moved, batch = standing.last("promoted", "rolled_back"), standing.newest("batch_committed")
    seen = story.nightly[-1] if story.nightly else None
    asks = story.requests
    return tiles(
        [
            ("Champion", f"Version {champion.number}" if champion else "None yet", _since(standing, champion, moved)),
            ("Last good batch", day(batch.facts["date"]) if batch else "None yet", _batch_words(batch)),
            ("Last night checked", day(seen.facts["date"]) if seen else "None yet", _check_words(seen)),
            (
                "Waits for a person",
                f"Version {asks[-1].version}" if asks else "Nothing",
                join("asked on ", day(asks[-1].as_of)) if asks else "no open request",
            ),
        ]
    )


def _since(standing: Standing, champion: Version | None, moved: Entry | None) -> Child:
    if champion is None or moved is None:
        return "train one and approve it"
    through = champion.trained.facts.get("trained_through")
    since = business_dates(standing.entries)[moved.n]
    return join("since ", day(since), *((", trained through ", day(through)) if through else ()))


def _batch_words(batch: Entry | None) -> str:
    if batch is None:
        return "no batch was scored"
    aside = quarantined_rows(batch.facts)
    return f"{batch.facts['rows']:,} rows" + (f", {aside} set aside" if aside else "")


def _check_words(seen: Entry | None) -> Child:
    if seen is None:
        return "no night was judged"
    inputs = seen.facts.get("inputs") or {}
    if seen.facts["decision"]["retrain"]:
        return badge("wait", "retrain decided")
    return badge("note", "inputs moved") if inputs.get("alarm") else "no retrain"


def _notices(story: ModelStory) -> list[Html]:
    """Return what needs a person: open requests, and a latest batch that was rejected."""
    found = []
    for asked in story.requests:
        evidence = page_link(story, f"{story.model}/v{asked.version}.html", "Look at the evidence")
        how = join("Decide with ", code(f"plimsoll approve {story.model} {asked.version} --as NAME"), ". ", *evidence)
        until = f"{asked.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        said = badge("wait", f"Version {asked.version} passed the gates and waits for a person until {until}.")
        found.append(el("div", el("p", said), el("p", how), class_="notice"))
    if last := rejected_last(story.standing):
        stopped = f"The batch of {last.facts['date']} was rejected, nothing was scored from it."
        found.append(el("div", el("p", badge("bad", stopped)), el("p", last.facts["reason"]), class_="notice stop"))
    return found


def _versions(story: ModelStory) -> Html:
    compared = COMPARED.get(story.task, ())
    heads = [
        "Version",
        "State",
        "Trained through",
        "Valid rows",
        *(name for _, name in compared),
        "Decided by",
        "Evidence",
    ]
    rows = [_version_row(story, v, [key for key, _ in compared]) for v in reversed(story.standing.versions)]
    lead = (
        "Measured on the days that judged a version; below it what the champion of that time reached on the same rows."
    )
    shown = table(heads, rows, numbers=range(3, 4 + len(compared)), empty="No version was trained yet.")
    return section("Versions", shown, lead=lead if rows else "")


def _version_row(story: ModelStory, version: Version, compared: Sequence[str]) -> list[Child]:
    trained, report = version.trained.facts, story.reports.get(version.number, {})
    mine, rival = metrics_of(report, "candidate"), metrics_of(report, "champion")
    measures = [_beside(mine.get(key), rival.get(key), report.get("champion_version")) for key in compared]
    page = page_link(story, f"{story.model}/v{version.number}.html", f"v{version.number} page")
    tone, said = STATES[version.state]
    return [
        el("strong", f"v{version.number}"),
        badge(tone, said),
        day(trained["trained_through"]) if trained.get("trained_through") else "no time axis",
        f"{trained['rows']:,}",
        *measures,
        _decided_by(story, version.number, version.state),
        join(*page) or "–",
    ]


def _beside(mine: float | None, rival: float | None, champion: Any) -> Child:
    if mine is None:
        return "–"
    return join(f"{mine:.4f}", el("div", f"v{champion} {rival:.4f}", class_="soft") if rival is not None else None)


def _decided_by(story: ModelStory, version: int, state: State) -> Child:
    refused = [e for e in story.standing.of_kind("rejected") if e.facts.get("version") == version]
    approved, on = approval_of(story.standing, version), business_dates(story.standing.entries)
    if approved:
        names = " and ".join(who(entry.by) for entry in story.standing.approvals(version))
        return join(names, ", ", day(on[approved.n]))
    return (
        join(who(refused[-1].by), ", ", day(on[refused[-1].n]))
        if refused
        else "the gates"
        if state == "refused"
        else "–"
    )


def _decisions(story: ModelStory) -> Html:
    items: list[Html] = []
    for date, found in newest_first(chapters(story)):
        items += [_item(story, chapter, date if at == 0 else "") for at, chapter in enumerate(found)]
    if not items:
        return section("Decisions", el("p", "Nothing was decided yet.", class_="empty"))
    lead = "Newest first. A night without a decision to act is a decision too; nights alike are told together."
    return section("Decisions", el("ol", *items, class_="story"), lead=lead)


def _item(story: ModelStory, chapter: Chapter, date: str) -> Html:
    words = tell(story, chapter)
    when = el("div", short_date(date, year=True), class_="when")
    why = el("div", words.why, class_="why") if words.why else None
    recorded = f"Recorded {chapter.last.recorded_at}"
    by = el("p", el("span", byline(chapter), title=recorded), *words.links, class_="by")
    what = el("div", el("p", words.title), why, by, class_="what")
    return el("li", when, el("div", icon(words.tone), class_="knot"), what, class_="minor" if words.minor else None)


def _next(story: ModelStory) -> Html:
    """List the pages about this model that exist."""
    groups = [(f"data_docs/{story.model}/index", "Data Docs: what validation found in each batch")]
    groups += [(f"{story.model}/v{v.number}", f"Version {v.number}: the evidence") for v in story.standing.versions]
    groups += [(f"{story.model}/compare", "Versions side by side: quality, agreement, what to do")]
    found = [page_link(story, f"{path}.html", label) for path, label in groups]
    found += [page_link(story, path, f"Backtest: {_backtest_name(path)}") for path in _pages_named(story, "backtest-")]
    found += [page_link(story, path, f"Evidently: {_drift_name(path)}") for path in _pages_named(story, "drift-")]
    items = [el("li", *links) for links in found if links]
    if not items:
        return section("Open next", el("p", "No other page about this model was made yet.", class_="empty"))
    return section("Open next", el("ul", *items, class_="links"))


def _pages_named(story: ModelStory, start: str) -> list[str]:
    return sorted(path for path in story.pages if path.startswith(f"{story.model}/{start}"))


def _backtest_name(path: str) -> str:
    """Return `1 Apr 2013 to 31 Dec 2013, 1a2b3c4d` from the name of a backtest's page; older names have no digest."""
    days = path.rpartition("/backtest-")[2].removesuffix(".html")
    which = f", {days[22:]}" if days[22:] else ""
    return f"{short_date(days[:10], year=True)} to {short_date(days[11:21], year=True)}{which}"


def _drift_name(path: str) -> str:
    """Return `12 Mar 2013, v1` from the name of a drift report."""
    date, _, version = path.rpartition("/drift-")[2].removesuffix(".html").rpartition("-")
    return f"{short_date(date, year=True)}, {version}"
