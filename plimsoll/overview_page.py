"""The page that lists every model: which need a person, and where each stands."""

from collections.abc import Sequence

from plimsoll.model_story import ModelStory
from plimsoll.page import Child, Html, badge, day, el, join, link, render_page, section, table
from plimsoll.telling import rejected_last

HEADS = ["Model", "State", "Champion", "Last good batch", "Last night checked", "Ledger"]


def render_overview(stories: Sequence[ModelStory]) -> str:
    """Return the page that lists models as HTML; each links to <model>/index.html beside it."""
    rows = [_row(story) for story in stories]
    asks = sum(len(story.requests) for story in stories)
    said = (
        f"{asks} {'request waits' if asks == 1 else 'requests wait'} for a person."
        if asks
        else "Nothing waits for a person."
    )
    shown = table(HEADS, rows, numbers=(5,), empty="No model has a config yet.")
    return render_page(
        "Models", [section("Where each stands", shown, lead=said)], foot="From the ledgers of these models."
    )


def _row(story: ModelStory) -> list[Child]:
    standing = story.standing
    moved, batch = standing.last("promoted", "rolled_back"), standing.last("batch_committed")
    purpose = el("div", story.purpose, class_="soft")
    since = el("div", "since ", day(moved.as_of), class_="soft") if moved else None
    return [
        join(el("strong", link(f"{story.model}/index.html", story.model)), purpose),
        _state(story),
        join(f"v{standing.champion}", since) if standing.champion else "–",
        day(batch.facts["date"]) if batch else "–",
        day(story.nightly[-1].facts["date"]) if story.nightly else "–",
        f"{len(standing.entries):,}",
    ]


def _state(story: ModelStory) -> Html:
    standing = story.standing
    if rejected_last(standing):
        return badge("bad", "last batch rejected")
    if story.requests:
        return badge("wait", f"v{story.requests[-1].version} waits")
    if standing.champion is None:
        return badge("calm", "no champion yet" if standing.entries else "not trained yet")
    if standing.last("batch_committed") is None:
        return badge("calm", "no batch scored yet")
    return badge("good", "in service")
