"""Gates: evidence in; pass or fail with a number, a threshold and a sentence out. All of them always run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.metrics import HIGHER_IS_BETTER
from plimsoll.model_config import Gate


@dataclass(frozen=True)
class GateResult:
    """What one gate saw and said."""

    gate: str
    passed: bool
    value: float | None
    threshold: float
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return asdict(self)


def run_gates(
    gates: Sequence[Gate], candidate: Mapping[str, float], champion: Mapping[str, float] | None, champion_name: str
) -> tuple[GateResult, ...]:
    """Return the result of every gate, in the order of the config.

    champion holds the champion's metrics on the very same rows; None while there is no champion.
    """
    results: list[GateResult] = []
    for gate in gates:
        value = candidate[gate.metric]
        if gate.at_least is not None:
            results.append(_compare(gate.metric, value, gate.at_least, True, "asked by the config"))
        if gate.at_most is not None:
            results.append(_compare(gate.metric, value, gate.at_most, False, "asked by the config"))
        if gate.champion_margin is not None and champion is not None:
            results.append(_against(gate, value, champion[gate.metric], champion_name))
    return tuple(results)


def _against(gate: Gate, value: float, champion: float, name: str) -> GateResult:
    margin = gate.champion_margin or 0.0
    higher = gate.metric in HIGHER_IS_BETTER
    threshold = champion - margin if higher else champion + margin
    return _compare(gate.metric, value, threshold, higher, f"{name} reached {champion:.4f} on the same rows")


def _compare(metric: str, value: float, threshold: float, at_least: bool, reason: str) -> GateResult:
    known = math.isfinite(value) and math.isfinite(threshold)
    passed = known and (value >= threshold if at_least else value <= threshold)
    sign = "≥" if at_least else "≤"
    found = f"{value:.4f}" if known else "undefined on these rows"
    sentence = f"{metric} is {found}, {'' if passed else 'but '}needs {sign} {threshold:.4f} ({reason})"
    name = f"{metric} {sign} {'champion' if 'reached' in reason else 'limit'}"
    return GateResult(name, passed, value if math.isfinite(value) else None, threshold, sentence)
