"""Gates: evidence in; pass, warn or fail with a number, a load line and a sentence out. All of them always run."""

from collections.abc import Mapping, Sequence

from plimsoll.calibration_gate import judge_calibration
from plimsoll.champion_gate import judge_against_champion
from plimsoll.fairness_gate import judge_fairness
from plimsoll.gate_result import GateResult, Judgement, compared, together
from plimsoll.gates_config import Limit
from plimsoll.judged_rows import Judged
from plimsoll.leakage_gate import judge_leakage
from plimsoll.newcomers import Newcomers
from plimsoll.operations_gate import Machine, judge_operations
from plimsoll.slice_gate import judge_slices
from plimsoll.stability_gate import judge_stability
from plimsoll.trust_gate import judge_trust


def run_gates(
    rows: Judged, metrics: Mapping[str, float], machine: Machine | None, newcomers: Newcomers | None = None
) -> Judgement:
    """Return the result of every gate of the config, in its order, and what they were judged by.

    metrics are the candidate's on the rows; machine is None where nothing is to be measured, as in a backtest, and
    newcomers without a champion.
    """
    gates = rows.config.gates
    return together(
        [
            Judgement(judge_limits(gates.limits, metrics)),
            judge_against_champion(gates.champion, rows),
            judge_calibration(gates.calibration, rows),
            judge_stability(gates.stability, rows),
            judge_slices(gates.slices, rows),
            judge_leakage(gates.leakage, rows),
            judge_trust(gates.trust, newcomers),
            judge_fairness(gates.fairness, rows),
            judge_operations(gates.operations, machine),
        ]
    )


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
