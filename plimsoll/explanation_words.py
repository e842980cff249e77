"""An explanation in words: step after step from the base to the score, as a person would tell it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plimsoll.contribution_chart import shown_value, signed
from plimsoll.contributions import LOG_ODDS, UNITS

SAMPLED = "an estimate"  # in the name of a method that draws
TOLD = 8  # inputs that are named; the others are told together
Told = Mapping[str, Any]


def steps_of(explanation: Told, parts: Sequence[Told], named: int = TOLD) -> list[dict[str, Any]]:
    """Return the strongest inputs, and the others together, each with where the sum stood before and after it."""
    total = float(explanation["base"])
    rest = parts[named:]
    told = [(f"{p['feature']} = {shown_value(p['value'])}", p["contribution"], p.get("error")) for p in parts[:named]]
    if rest:
        push = math.fsum(part["contribution"] for part in rest)
        told.append((f"the {len(rest)} other inputs" if len(rest) > 1 else "the other input", push, None))
    steps = []
    for what, push, error in told:
        steps.append({"what": what, "push": push, "error": error, "before": total, "after": total + push})
        total += push
    return steps


def sentences(explanation: Told, parts: Sequence[Told]) -> Iterator[str]:
    """Yield the way from the base to the score, a sentence a step."""
    unit = explanation["unit"]
    before = (
        "Over the rows that it is compared with" if SAMPLED in explanation["method"] else "Before it looks at any input"
    )
    yield f"{before} it says {level(explanation['base'], unit)}."
    for step in steps_of(explanation, parts):
        before, after = level(step["before"], unit), level(step["after"], unit)
        if step["push"] == 0:
            yield f"{step['what']} changed nothing."
            continue
        verb = "raised" if step["push"] > 0 else "lowered"
        sure = f" ± {2 * step['error']:.3g}" if step["error"] is not None else ""
        yield f"{step['what']} {verb} {_subject(unit)} from {before} to {after} ({signed(step['push'])}{sure})."


def cautions(explanation: Told) -> Iterator[str]:
    """Yield what to know before these numbers are used."""
    if explanation["unit"] == LOG_ODDS:
        yield (
            "Contributions add up in log-odds, the numbers in brackets. The steps in percent depend on the order in "
            "which they are told, strongest first here."
        )
    if SAMPLED in explanation["method"]:
        yield "Shares are estimated by sampling; ± is twice the standard error. Base and shares add up to the score."
    if not explanation["adds_up"]:
        yield (
            f"Base and contributions give {explanation['gives']:.6g}, which is not the score: do not rely on the "
            "shares. The learner may have another link than its task has."
        )
    yield "They say how the model came to its score, not what causes the outcome."


def level(value: float, unit: str) -> str:
    """Return a sum of contributions as what it says: a probability in percent, or the number itself."""
    if unit == UNITS:
        return f"{value:.4g}"
    chance = 1 / (1 + math.exp(-value)) if unit == LOG_ODDS else value
    return f"{chance:.1%}".replace("%", "\N{NO-BREAK SPACE}%")


def _subject(unit: str) -> str:
    return "the prediction" if unit == UNITS else "the chance"
