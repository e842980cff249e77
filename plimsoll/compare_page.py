"""The page about versions side by side: what each is worth on the same rows, and what to do about it."""

from plimsoll.compared import Compared, cells, heads
from plimsoll.page import Child, Html, Tone, badge, day, el, join, link, render_page, section, table, tiles
from plimsoll.recommendation import Action

TONES: dict[Action, Tone] = {"promote": "good", "keep": "calm", "retire": "bad", "wait": "wait", "nothing": "calm"}


def render_comparison(compared: Compared) -> str:
    """Return the page as HTML, self-contained; it links to the model's page beside it."""
    return render_page(
        f"{compared.model}: versions side by side",
        [_tiles(compared), _what_to_do(compared), _figures(compared), _drift(compared)],
        kicker=link("index.html", compared.model),
        lead=compared.sentence,
        foot="Nothing here decides: a person does, with a one-time code. The rules stand in docs/compare.md.",
    )


_BY_NIGHT = "days count, not rows", "all nights since the first"


def _tiles(compared: Compared) -> Html:
    champion = compared.versions[0]
    nights = max(beside.nights for _, beside, _ in compared.versions)
    acts = [told.action for _, _, told in compared.versions]
    asked = sum(act in ("promote", "retire") for act in acts)
    return tiles(
        [
            ("Champion", champion[1].name, f"{champion[0].age_days} days old"),
            ("Compared with it", str(len(compared.versions) - 1), "on rows that both scored"),
            (
                f"{'Rows' if compared.undated else 'Nights'} with outcomes",
                f"{nights:,}",
                join(day(compared.first), " to ", day(compared.last)),
            ),
            ("To be decided", str(asked) if asked else "Nothing", "promote or retire"),
        ]
    )


def _what_to_do(compared: Compared) -> Html:
    rows: list[list[Child]] = [
        [el("strong", beside.name), badge(TONES[told.action], told.action), told.sentence]
        for _, beside, told in compared.versions
    ]
    return section("What to do", table(["Version", "Recommended", "Why"], rows, empty="Nothing was compared."))


def _figures(compared: Compared) -> Html:
    counted, over = ("rows count, since there are no days", "all rows") if compared.undated else _BY_NIGHT
    lead = (
        "In brackets 95 % intervals, and of a gain what it is held to after correcting for how many are compared; "
        f"{counted}. At any time: bounds that hold however often somebody looks, over {over} that both scored. A "
        "positive gain is better, whichever way the metric runs. The same answer: each version says yes as often as "
        "outcomes are."
    )
    rows: list[list[Child]] = [[el("strong", row[0]), *row[1:]] for row in cells(compared)]
    return section("Figures", table(heads(compared.task), rows, empty="Nothing was compared."), lead=lead)


def _drift(compared: Compared) -> Html:
    rows: list[list[Child]] = [
        [
            el("strong", beside.name),
            badge("note", ", ".join(facts.alarms)) if facts.alarms else badge("good", "quiet"),
            facts.drift,
        ]
        for facts, beside, _ in compared.versions
    ]
    return section("Drift on the last night of each", table(["Version", "Alarms", "In words"], rows, empty="–"))
