"""The words of a model's story: a headline, a reason and links for every chapter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plimsoll.axes import short_date
from plimsoll.business_date import to_come
from plimsoll.judged_against import never_compared_then
from plimsoll.ledger import Entry
from plimsoll.model_story import Chapter, ModelStory, who
from plimsoll.page import Child, Html, code, digest, el, join, link, more
from plimsoll.standing import Standing

RULES = {  # rule → what one night, and what many nights, are called
    "nothing": ("Quiet night", "{} quiet nights"),
    "input_drift_informs": (
        "Inputs drifted; that informs, it does not retrain",
        "{} nights of input drift, which informs",
    ),
    "batch_rejected": ("No judgement on broken data", "{} nights without a judgement: broken data"),
    "batch_missing": ("No judgement: the batch is missing", "{} nights without a batch"),
    "backfill": ("No retrain: a night of the past", "{} nights of the past, which inform only"),
    "no_longer_champion": (
        "No retrain: its version no longer serves",
        "{} nights of a version that no longer serves",
    ),
    "in_flight": ("No retrain: one is already running", "{} nights while a retrain ran"),
    "awaiting_approval": ("No retrain: a version waits for a person", "{} nights while a version waited for a person"),
    "cooldown": ("No retrain: cooldown after the last one", "{} nights of cooldown after the last retrain"),
    "monthly_budget": ("No retrain: the month's budget is spent", "{} nights with the month's budget spent"),
    "late_losses": ("Retrain: late losses have risen", "{} retrains for late losses"),
    "recent_losses": ("Retrain: losses of the last nights are high", "{} retrains for high losses of the last nights"),
    "estimated_losses": ("Retrain: high losses are to be expected", "{} retrains for losses to be expected"),
    "maximum_age": ("Retrain: the model has reached its maximum age", "{} retrains for age"),
}
EVENTS = {
    "trained": ("calm", "Version {version} trained"),
    "gates_passed": ("good", "Version {version} passed the gates"),
    "gates_failed": ("bad", "Version {version} refused by the gates"),
    "promotion_requested": ("wait", "Version {version} asks to be champion"),
    "approved": ("good", "Version {version} approved"),
    "rejected": ("bad", "Version {version} rejected"),
    "approval_refused": ("bad", "Decision about version {version} not accepted"),
    "promoted": ("champion", "Version {version} is champion"),
    "rolled_back": ("champion", "Rolled back to version {version}"),
    "retired": ("calm", "Version {version} retired"),
    "retrain_started": ("calm", "Retrain started"),
    "batch_rejected": ("bad", "Batch of {date} rejected"),
    "rows_cleared": ("calm", "Mended rows of {date} scored"),
    "holdout_frozen": ("calm", "A holdout was frozen: no training may touch its rows"),
}
MINOR = frozenset({"trained", "gates_passed", "retrain_started"})


@dataclass(frozen=True)
class Words:
    """A chapter as it is read."""

    tone: str
    title: str
    why: Child
    minor: bool
    links: tuple[Html, ...]


def tell(story: ModelStory, chapter: Chapter) -> Words:
    """Return the words of one chapter."""
    if chapter.first.kind != "drift_decided":
        return _tell_event(story, chapter.first)
    decision = chapter.last.facts["decision"]
    one, many = RULES.get(decision["rule"], (decision["rule"], f"{{}} nights: {decision['rule']}"))
    drifted = any((e.facts.get("inputs") or {}).get("alarm") for e in chapter.entries)
    tone = "wait" if decision["retrain"] else "note" if drifted else "calm"
    links = _evidently(story, chapter)
    if len(chapter.entries) == 1:
        quiet = decision["rule"] == "nothing"
        return Words(tone, one, decision["sentence"], quiet, links)
    nights = [el("li", el("span", _night_words(entry))) for entry in chapter.entries]
    between = f"{short_date(chapter.first.as_of)} to {short_date(chapter.last.as_of)}. "
    why = join(between, more("What was decided each night", el("ul", *nights)))
    return Words(tone, many.format(len(chapter.entries)), why, decision["rule"] == "nothing", links)


def _night_words(entry: Entry) -> str:
    inputs = entry.facts.get("inputs") or {}
    seen = f" {inputs['sentence']}" if inputs.get("alarm") else ""
    return f"{entry.facts['decision']['sentence']}{seen}"


def _tell_event(story: ModelStory, entry: Entry) -> Words:
    tone, title = EVENTS.get(entry.kind, ("calm", entry.kind))
    about = {"version": entry.facts.get("version", ""), "date": entry.facts.get("date", "")}
    return Words(tone, title.format(**about), _reason(entry), entry.kind in MINOR, _links(story, entry))


def _reason(entry: Entry) -> Child:
    facts = entry.facts
    if entry.kind == "trained":
        cause = str(facts.get("cause", ""))
        return (
            f"{facts['rows']:,} valid rows{_through(facts.get('trained_through', ''))}. {cause[:1].upper()}{cause[1:]}"
        )
    if entry.kind in ("gates_passed", "gates_failed"):
        told = [g["sentence"] for g in facts.get("gates", []) if entry.kind == "gates_passed" or not g["passed"]]
        return "; ".join(told)
    if entry.kind == "promotion_requested":
        return join("Evidence: gate report ", digest(str((facts.get("evidence") or {}).get("gate_report", ""))))
    if entry.kind == "retrain_started":
        return ""
    if entry.kind == "approval_refused":
        return str(facts.get("sentence", ""))
    if entry.kind in ("approved", "rejected"):
        return join(*_decided(entry))
    return str(facts.get("reason") or facts.get("comment") or facts.get("sentence") or "")


def _decided(entry: Entry) -> list[Child]:
    """Return what a person said, that they compared nothing where so, and how to read what they were shown."""
    said = [str(entry.facts.get("comment", "")), never_compared_then(entry)]
    told: list[Child] = [". ".join(part.rstrip(".") for part in said if part)]
    if entry.facts.get("shown"):
        told += [
            ". Shown then: " if told[0] else "Shown then: ",
            code(f"plimsoll history {entry.model} --shown {entry.n}"),
        ]
    return told


def _through(date: str) -> str:
    return f", trained through {date}" if date else ""


def _links(story: ModelStory, entry: Entry) -> tuple[Html, ...]:
    if entry.kind == "batch_rejected":
        return page_link(story, validation_page_path(story.model, entry.facts), "What validation found")
    if entry.kind in ("promotion_requested", "gates_failed", "approved"):
        return page_link(story, f"{story.model}/v{entry.facts['version']}.html", "Evidence")
    return ()


def _evidently(story: ModelStory, chapter: Chapter) -> tuple[Html, ...]:
    found: list[Html] = []
    for entry in chapter.entries:
        path = str(entry.facts.get("report") or "")
        found += page_link(story, path, f"Evidently report of {short_date(str(entry.facts['date']))}")
    return tuple(found)


def page_link(story: ModelStory, path: str, label: str) -> tuple[Html, ...]:
    """Return a link from a model's page to another page under reports/, nothing when that is not there."""
    return (link(f"../{path}", label),) if path in story.pages else ()


def validation_page_path(model: str, batch: Mapping[str, Any]) -> str:
    """Return where the page about a batch's validation is kept, under reports/."""
    return f"data_docs/{model}/{batch['date']}-{str(batch.get('validation', ''))[:8]}.html"


def byline(chapter: Chapter) -> str:
    """Return who wrote the last entry of a chapter, and where in the ledger it stands."""
    first, last = chapter.first, chapter.last
    numbers = f"entry {last.n}" if first is last else f"entries {first.n} to {last.n}"
    return f"By {who(last.by)}, {numbers}"


def rejected_last(standing: Standing) -> Entry | None:
    """Return the rejection of the batch of the latest date that had come, None when that batch was committed."""
    dates = (e.facts["date"] for e in standing.of_kind("batch_committed", "batch_rejected") if not to_come(e))
    last = standing.batch(str(newest)) if (newest := max(dates, default=None)) else None
    return last if last and last.kind == "batch_rejected" else None
