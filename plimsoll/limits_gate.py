"""Limits that hold for a candidate alone."""

from collections.abc import Mapping, Sequence

from plimsoll.gate_result import GateResult, compared
from plimsoll.gates_config import Limit


def judge_limits(limits: Sequence[Limit], metrics: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Return the result of every limit that holds for the candidate alone."""
    found: list[GateResult] = []
    for gate in limits:
        name, value, asked = gate.metric, metrics[gate.metric], "asked by the config"
        if gate.at_least is not None:
            found.append(compared(gate, f"{name} ≥ limit", name, value, gate.at_least, asked, at_least=True))
        if gate.at_most is not None:
            found.append(compared(gate, f"{name} ≤ limit", name, value, gate.at_most, asked))
    return tuple(found)
