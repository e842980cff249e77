"""What a gate says: pass, warn or fail, with a number, a load line and a sentence."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from plimsoll.gates_config import Gate

Verdict = Literal["pass", "warn", "fail"]
ONLY_WARNS = "; it only warns, since the config says effect: warn"


@dataclass(frozen=True)
class GateResult:
    """What one gate saw and said."""

    gate: str
    verdict: Verdict
    value: float | None  # None: could not be computed on these rows
    threshold: float | None  # None: there is no limit, as for a group too small to be judged
    sentence: str
    effect: Literal["block", "warn"] = "block"  # what the config says follows when it is not met

    @property
    def passed(self) -> bool:
        """Whether it lets the challenger pass, with a warning or without."""
        return self.verdict != "fail"

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True)
class Judgement:
    """Results of gates, and the tables that they were judged by, for a page."""

    results: tuple[GateResult, ...] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)  # JSON by the name of the gate


def judged(gate: Gate, name: str, met: bool, value: float, threshold: float | None, sentence: str) -> GateResult:
    """Return a result: pass when it is met, else what the gate's effect says. A number that is none is not met."""
    known = math.isfinite(value)
    verdict: Verdict = "pass" if met and known else "warn" if gate.effect == "warn" else "fail"
    said = sentence + (ONLY_WARNS if verdict == "warn" else "")
    return GateResult(name, verdict, value if known else None, threshold, said, gate.effect)


def told(gate: Gate, name: str, sentence: str, value: float | None = None) -> GateResult:
    """Return a warning about something that could not be judged and refuses nothing by itself."""
    return GateResult(name, "warn", value, None, sentence, gate.effect)


def compared(
    gate: Gate, name: str, what: str, value: float, limit: float, reason: str, *, at_least: bool = False
) -> GateResult:
    """Return the result of a number that has to be at most, or at least, a limit."""
    known = math.isfinite(value)
    met = known and (value >= limit if at_least else value <= limit)
    found = f"{value:.4f}" if known else "undefined on these rows"
    asked = f"{'' if met else 'but '}needs {'≥' if at_least else '≤'} {limit:.4f}"
    return judged(gate, name, met, value, limit, f"{what} is {found}, {asked} ({reason})")


def together(parts: Iterable[Judgement]) -> Judgement:
    """Return several judgements as one, in their order."""
    parts = list(parts)
    results = tuple(result for part in parts for result in part.results)
    return Judgement(results, {name: shown for part in parts for name, shown in part.shown.items()})


def in_short(results: Sequence[GateResult]) -> str:
    """Return how the gates went, in words: all passed, or how many failed and warned."""
    count = {verdict: sum(one.verdict == verdict for one in results) for verdict in ("fail", "warn")}
    if not any(count.values()):
        return "passed every gate"
    warned = f"{count['warn']} warning{'s' if count['warn'] > 1 else ''}"
    if not count["fail"]:
        return f"passed every gate that blocks, with {warned},"
    return f"failed {count['fail']} of {len(results)} gates" + (f", with {warned}" if count["warn"] else "")
