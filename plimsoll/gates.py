"""Gates: evidence in; pass, warn or fail with a number, a load line and a sentence out. All of them always run."""

from collections.abc import Mapping

from plimsoll.calibration_gate import judge_calibration
from plimsoll.champion_gate import judge_against_champion
from plimsoll.fairness_gate import judge_fairness
from plimsoll.gate_result import Judgement, together
from plimsoll.holdout_gate import HeldOut, judge_holdout
from plimsoll.judged_rows import Judged
from plimsoll.leakage_gate import judge_leakage
from plimsoll.limits_gate import judge_limits
from plimsoll.newcomers import Newcomers
from plimsoll.operations_gate import Machine, judge_operations
from plimsoll.slice_gate import judge_slices
from plimsoll.sources_gate import Sources, judge_sources
from plimsoll.stability_gate import judge_stability
from plimsoll.trust_gate import judge_trust


def run_gates(
    rows: Judged,
    metrics: Mapping[str, float],
    machine: Machine | None,
    newcomers: Newcomers | None = None,
    sources: Sources | None = None,
    held: HeldOut | None = None,
) -> Judgement:
    """Return the result of every gate of the config, in its order, and what they were judged by.

    metrics are the candidate's on the rows. What is None is left out: machine, sources and held in a backtest, and
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
            judge_trust(gates.trust, newcomers, rows.task),
            judge_sources(gates.trust, sources),
            judge_fairness(gates.fairness, rows),
            judge_holdout(gates.holdout, held),
            judge_operations(gates.operations, machine),
        ]
    )
