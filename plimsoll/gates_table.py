"""The gates as a table, the same on the page about a version and on the trace of a prediction."""

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.page import Child, Html, badge, table

HEADS = ["Verdict", "Gate", "Reached", "Load line", "In words"]


def gates_table(gates: Sequence[Mapping[str, Any]]) -> Html:
    """Return a row per gate, as a gate report lists them."""
    rows: list[Sequence[Child]] = [
        (
            badge("good", "passed") if gate["passed"] else badge("bad", "failed"),
            gate["gate"],
            metric_number(gate["value"]),
            metric_number(gate["threshold"]),
            gate["sentence"],
        )
        for gate in gates
    ]
    return table(HEADS, rows, numbers=(2, 3), empty="No gate applied.")


def metric_number(value: float | None) -> str:
    """Return a metric or a load line to four decimals; undefined where it could not be computed."""
    return "undefined" if value is None else f"{value:.4f}"
