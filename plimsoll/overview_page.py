"""The page about the fleet: every model in a line, whoever needs a person first."""

from collections.abc import Collection, Sequence

from plimsoll.agreement import agreement_words
from plimsoll.compare_page import TONES
from plimsoll.fleet_line import INFORMS, FleetLine, in_order
from plimsoll.page import Child, Html, Tone, badge, day, el, join, link, render_page, section, table, tiles
from plimsoll.recommendation import Contender, counted
from plimsoll.scoring_cost import cost_words

HEADS = ["Model", "State", "Champion", "Last batch", "Loss now", "Reference", "Open alarms", "Beside it"]
AGED = 7  # the urgency of a champion that is too old, or whose inputs moved
SHOWN = 60  # characters of a purpose
STATES: dict[int, tuple[Tone, str]] = {
    0: ("bad", "cannot be read"),
    1: ("bad", "last batch rejected"),
    3: ("bad", "losses alarm"),
    4: ("note", "outcomes cannot be read"),
    5: ("good", "a better version"),
    6: ("wait", "a version to retire"),
    AGED: ("note", "too old"),
    8: ("calm", "no champion yet"),
    10: ("calm", "not trained yet"),
}


def render_overview(lines: Sequence[FleetLine], pages: Collection[str]) -> str:
    """Return the page that lists models as HTML; each links to its page where that is among pages, under reports/."""
    told = in_order(lines)
    rows = [_row(line, pages) for line in told]
    lead = (
        "Whoever needs a person comes first. The loss is the mean of the last nights with outcomes; the reference's is "
        "the median night of what the champion was trained on."
    )
    shown = table(HEADS, rows, numbers=(4, 5), empty="No model has a config yet.")
    return render_page(
        "Models",
        [_tiles(told), section("Where each stands", shown, lead=lead), _contenders(told, pages)],
        foot="From the ledgers of these models.",
    )


def state_of(line: FleetLine) -> tuple[Tone, str]:
    """Return what is the matter with a model first of all."""
    if line.urgency == 2:
        return "wait", f"v{line.waiting[-1].version} waits for a person"
    if line.urgency == AGED and line.alarms:
        return "note", "inputs moved"
    if line.urgency in STATES:
        return STATES[line.urgency]
    return ("good", "in service") if line.batch else ("calm", "no batch scored yet")


def beside_words(line: FleetLine) -> list[str]:
    """Return what scores beside the champion and what is recommended."""
    return [f"{one.name}: {what.action}" for one, what in line.recommended]


def gain_words(one: Contender) -> tuple[str, str]:
    """Return what a version gains over its champion a row, and the bounds of it that hold at any time."""
    if one.basis == "none":
        return "–", "not judged by nights"
    if one.gain is None:
        return "–", f"not yet: {counted(one.nights, one.basis)}"
    if one.lasting is None:
        return f"{one.gain.gain:+.4f}", f"not yet: {counted(one.gain.units, one.basis)}"
    low, high = one.lasting.low, one.lasting.high
    return f"{one.gain.gain:+.4f}", f"{low:+.4f} to {high:+.4f}, {counted(one.lasting.nights, one.basis)}"


def together_words(lines: Sequence[FleetLine]) -> str:
    """Return how sure the bounds of all gains are together."""
    models = sum(bool(line.recommended) for line in lines)
    many = "this model" if models == 1 else f"any of these {models} models together"
    return (
        "A positive gain is a smaller loss than the champion's on the same nights, of the last 28 days; its bounds are "
        "of all nights that both scored. That anything is recommended by chance as better or worse in "
        f"{many}, however often somebody looks, has a probability of at most 5 %."
    )


def change_words(line: FleetLine) -> str:
    """Return by how much the loss is above or below the reference's; nothing where either is unknown."""
    if line.loss is None or not line.reference_loss:
        return ""
    return f"{line.loss / line.reference_loss - 1:+.0%}"


def _tiles(lines: Sequence[FleetLine]) -> Html:
    asks = sum(len(line.waiting) for line in lines)
    acts = [what.action for line in lines for _, what in line.recommended]
    propose = sum(act in ("promote", "retire") for act in acts)
    alarmed = sum(bool(line.harms) for line in lines)
    moved = sum(INFORMS in line.alarms for line in lines)
    return tiles(
        [
            ("Models", str(len(lines)), f"{sum(line.champion is not None for line in lines)} with a champion"),
            ("Waits for a person", str(asks) if asks else "Nothing", "requests of promotion"),
            ("Open alarms", str(alarmed) if alarmed else "None", f"models with high losses; inputs moved in {moved}"),
            ("Proposed", str(propose) if propose else "Nothing", "to promote or to retire"),
        ]
    )


def _row(line: FleetLine, pages: Collection[str]) -> list[Child]:
    path = f"{line.model}/index.html"
    name = link(path, line.model) if path in pages else line.model
    old = line.age_days is not None and line.age_days > line.max_age_days
    age = f"{line.age_days} days{f', {line.max_age_days} allowed' if old else ''}"
    champion = join(f"v{line.champion}", el("div", age, class_="soft")) if line.champion else "–"
    tone, said = state_of(line)
    return [
        join(
            el("strong", name),
            el("div", why, class_="soft")
            if (why := line.fault or line.rejected or line.refused)
            else _short(line.purpose),
        ),
        badge(tone, said),
        champion,
        day(line.batch) if line.batch else "–",
        join(f"{line.loss:.4f}", el("div", change_words(line), class_="soft")) if line.loss is not None else "–",
        f"{line.reference_loss:.4f}" if line.reference_loss is not None else "–",
        _alarms(line),
        _beside(line),
    ]


def _alarms(line: FleetLine) -> Child:
    """Return the alarms that ask for somebody, and in small what only informs."""
    moved = el("div", "inputs moved", class_="soft") if INFORMS in line.alarms else None
    return join(", ".join(line.harms) or "none", moved)


def _contenders(lines: Sequence[FleetLine], pages: Collection[str]) -> Html:
    """Return the versions that score beside a champion, with what they gain over it."""
    heads = ["Model", "Version", "Recommended", "Gain", "Gain at any time", "Agreement", "Cost", "Why"]
    beside = [(line, one, what) for line in lines for one, what in line.recommended]
    rows: list[list[Child]] = [
        [
            el("strong", _compared(line, pages)),
            join(one.name, el("div", one.role, class_="soft")),
            badge(TONES[what.action], what.action),
            *gain_words(one),
            agreement_words(one.agreement),
            cost_words(one.seconds_per_million) if one.seconds_per_million is not None else "–",
            what.sentence,
        ]
        for line, one, what in beside
    ]
    shown = table(heads, rows, empty="No version scores beside a champion.")
    return section("Beside the champions", shown, lead=together_words(lines) if rows else "")


def _compared(line: FleetLine, pages: Collection[str]) -> Child:
    """Return a model's name, linked to where its versions stand side by side."""
    page = f"{line.model}/compare.html"
    return link(page, line.model) if page in pages else line.model


def _short(purpose: str) -> Html:
    """Return the beginning of a purpose, the whole of it on hover: a hundred models have to fit."""
    cut = purpose if len(purpose) <= SHOWN else f"{purpose[:SHOWN].rpartition(' ')[0]}…"
    return el("div", cut, class_="soft", title=purpose or None)


def _beside(line: FleetLine) -> Child:
    return join(*(el("div", said) for said in beside_words(line))) or "–"
