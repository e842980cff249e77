"""Against the champion: surely not worse than it by more than a margin, or surely better by more than one.

Challengers that are tried one after the other on the same rows share the error that one may make: the best of twenty
equal ones would else look better than it is. Nobody knows beforehand how many there will be, so the error is spent: the
first has most of it, and the shares of all that may follow add up to the rest (as alpha spending in Foster and Stine
2008, JRSS B 70, without earning any back).
"""

from collections.abc import Sequence
from typing import Any

from plimsoll.gate_result import GateResult, Judgement, judged
from plimsoll.gates_config import AgainstChampion
from plimsoll.judged_rows import Judged
from plimsoll.paired_bootstrap import MIN_UNITS, Gain, paired_gain, tally

FIRST = 0.8  # of the error, for the first challenger


def judge_against_champion(gates: Sequence[AgainstChampion], rows: Judged) -> Judgement:
    """Return the result of every comparison; nothing while there is no champion."""
    if rows.rival is None:
        return Judgement()
    found = [(gate, _gain(gate, rows)) for gate in gates]
    shown = [_shown(gate, gain, rows) for gate, gain in found if gain]
    return Judgement(tuple(_result(gate, gain, rows) for gate, gain in found), {"champion": shown} if shown else {})


def confidence_of(gate: AgainstChampion, tries: int) -> float:
    """Return the confidence that the last of so many challengers is held to.

    The error of the first is 0.8 of the gate's, of the k-th 0.2 / (k (k - 1)): together never more than the gate's.
    """
    share = FIRST if tries <= 1 else (1 - FIRST) / (tries * (tries - 1))
    return 1 - (1 - gate.confidence) * share


def _gain(gate: AgainstChampion, rows: Judged) -> Gain | None:
    rival = rows.score if rows.rival is None else rows.rival
    count = len(rows.units)
    sides = [tally(gate.metric, rows.outcome, scores, rows.unit, count) for scores in (rows.score, rival)]
    level, seed = confidence_of(gate, rows.tries), rows.config.estimator.seed
    return paired_gain(sides[0], sides[1], level, seed, student=True)


def _result(gate: AgainstChampion, gain: Gain | None, rows: Judged) -> GateResult:
    better = gate.rule == "superiority"
    threshold = gate.margin if better else -gate.margin
    name = f"{gate.metric} {'better than' if better else 'not worse than'} champion"
    if gain is None:
        return judged(gate, name, False, float("nan"), threshold, _undrawn(gate, rows))
    met = gain.low > threshold if better else gain.low >= threshold
    sure = f"with {100 * confidence_of(gate, rows.tries):.6g}% confidence at the worst {_words(gain.low)}"
    asked = f"{'' if met else 'but '}{_asked(gate)}"
    whom = f"{rows.champion} reached {gain.rival:.4f} on the same {gain.units} {rows.unit_word}{_shared(rows.tries)}"
    sentence = f"{gate.metric} is {gain.mine:.4f}, {_words(gain.gain)}; {sure}, {asked} ({whom})"
    return judged(gate, name, met, gain.low, threshold, sentence)


def _words(gain: float) -> str:
    return f"better by {gain:.4f}" if gain >= 0 else f"worse by {-gain:.4f}"


def _asked(gate: AgainstChampion) -> str:
    if gate.rule == "superiority":
        return f"needs to be better by more than {gate.margin:.4f}" if gate.margin else "needs to be better"
    return f"may be worse by at most {gate.margin:.4f}" if gate.margin else "may not be worse"


def _shared(tries: int) -> str:
    return f"; it is number {tries} of the challengers tried on them" if tries > 1 else ""


def _undrawn(gate: AgainstChampion, rows: Judged) -> str:
    count = len(rows.units)
    why = f"need at least {MIN_UNITS}" if count < MIN_UNITS else "hold one outcome only, or nearly"
    return (
        f"{gate.metric} beside {rows.champion} cannot be judged: {count} {rows.unit_word} {why}. "
        "Ask for more days in split.test_days"
    )


def _shown(gate: AgainstChampion, gain: Gain, rows: Judged) -> dict[str, Any]:
    return {
        "metric": gate.metric,
        "rule": gate.rule,
        "margin": gate.margin,
        "confidence": confidence_of(gate, rows.tries),
        "tries": rows.tries,
        "units": f"{gain.units} {rows.unit_word}",
        **{name: getattr(gain, name) for name in ("mine", "rival", "gain", "low", "high")},
    }
