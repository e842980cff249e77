"""The page about why one row has its score: in words and as a picture, to be handed on."""

from collections.abc import Mapping
from typing import Any

from plimsoll.contribution_chart import shown_value, signed
from plimsoll.explanation_words import cautions, level, sentences, steps_of
from plimsoll.page import Child, Html, badge, code, day, el, join, render_page, section, table, tiles
from plimsoll.waterfall_chart import waterfall_chart

Found = Mapping[str, Any]


def render_explanation(found: Found, purpose: str, written: str) -> str:
    """Return the page as HTML; purpose is the model's, written says by what and when."""
    about, told, parts = found["prediction"], found["explanation"], found["reasons"]
    unit = told["unit"]
    steps = steps_of(told, parts)
    way = waterfall_chart(steps, told["base"], told["total"], unit)
    words = el("ul", *(el("li", one) for one in sentences(told, parts)), class_="said")
    care = el("ul", *(el("li", one) for one in cautions(told)), class_="said")
    heads = ["Input", "Value", f"Contribution, {unit}", *(["Standard error"] if _sampled(parts) else [])]
    rows: list[list[Child]] = [_row(part) for part in parts]
    return render_page(
        str(about["key"]),
        [
            _tiles(found),
            section("Why this score", way, lead=f"From the base to the score, in {unit}: orange raised it."),
            section("In words", words),
            section("Every input", table(heads, rows, numbers=(2, 3), empty="None."), lead=f"{told['method']}."),
            section("Before you use it", care),
        ],
        kicker=join("Why this score", el("span", about["model"])),
        lead=join(f"Version {found['version']} of {about['model']} on the row of ", day(about["date"]), "."),
        aside=el("p", purpose, class_="soft"),
        foot=join(f"{written} Who approved the version, and which data and code made it: ", code(_trace(about))),
    )


def _tiles(found: Found) -> Html:
    about, told = found["prediction"], found["explanation"]
    outcome = found["outcome"]
    happened = f"{outcome['outcome']:g}" if outcome["outcome"] is not None else "Not known"
    return tiles(
        [
            ("Score", f"{told['score_now']:.4f}", same_score(found)),
            ("Before any input", level(told["base"], told["unit"]), f"base {signed(told['base'])} {told['unit']}"),
            ("What happened", happened, outcome["meaning"]),
            ("Model", f"Version {found['version']}", f"as {about['role']}" if about["role"] else "did not score it"),
        ]
    )


def same_score(found: Found) -> Child:
    """Return whether the row scores today as it did, bit for bit."""
    stored = found["prediction"]["score"]
    if stored is None:
        return "made now: this version did not score the row"
    if found["explanation"]["same_bits"]:
        return badge("good", "as stored, bit for bit")
    return badge("bad", f"{stored!r} is stored: the code or config behind its row has changed since")


def _row(part: Found) -> list[Child]:
    error = [f"{part['error']:.6f}"] if "error" in part else []
    return [code(part["feature"]), shown_value(part["value"]), f"{part['contribution']:+.6f}".replace("-", "−"), *error]


def _sampled(parts: Any) -> bool:
    return any("error" in part for part in parts)


def _trace(about: Found) -> str:
    return f"plimsoll trace '{about['key']}' --date {about['date']} --model {about['model']}"
