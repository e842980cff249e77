"""The gates as a table, the same on the page about a version and on the trace of a prediction."""

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.page import Child, Html, badge, table

HEADS = ["Verdict", "Gate", "Reached", "Load line", "In words"]


def gates_table(gates: Sequence[Mapping[str, Any]]) -> Html:
    """Return a row per gate, as a gate report lists them."""
    rows: list[Sequence[Child]] = [
        (
            verdict_badge(gate),
            gate["gate"],
            "–" if gate["value"] is None and gate["threshold"] is None else metric_number(gate["value"]),
            "–" if gate["threshold"] is None else metric_number(gate["threshold"]),
            gate["sentence"],
        )
        for gate in gates
    ]
    return table(HEADS, rows, numbers=(2, 3), empty="No gate applied.")


def verdict_badge(gate: Mapping[str, Any]) -> Html:
    """Return how a gate went; that it may only warn is said of one that passed, too."""
    if not gate["passed"]:
        return badge("bad", "failed")
    if gate.get("verdict") == "warn":
        return badge("wait", "warned")
    return badge("good", "passed, only warns" if gate.get("effect") == "warn" else "passed")


def metric_number(value: float | None) -> str:
    """Return a metric or a load line to four decimals; undefined where it could not be computed."""
    return "undefined" if value is None else f"{value:.4f}"
