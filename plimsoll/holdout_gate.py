"""The frozen holdout: limits and the champion on rows that no training ever saw, and how often they were looked at.

Each candidate that is chosen by a holdout takes something of its honesty away (Dwork and others 2015), so the looks are
counted, shared out among comparisons with one champion, and said to be too many once they are.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from plimsoll.champion_gate import judge_against_champion
from plimsoll.gate_result import GateResult, Judgement, judged, told
from plimsoll.gates_config import Gate, HoldoutGate
from plimsoll.holdout import Changed
from plimsoll.judged_rows import Judged
from plimsoll.limits_gate import judge_limits

BLOCKS = Gate()  # whatever the config says: a holdout that was changed proves nothing


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A holdout with what candidate and champion said of its rows."""

    name: str
    snapshot: str
    rows: Judged
    metrics: Mapping[str, float]
    rival_metrics: Mapping[str, float] | None
    changed: Changed
    looks: int  # different candidates that were judged on it, ever, this one counted
    champion_may_have_seen: bool  # it was trained before the holdout was frozen, on dates that it has


def judge_holdout(gate: HoldoutGate | None, held: HeldOut | None) -> Judgement:
    """Return whether the holdout is as it was frozen, its limits and comparisons, and how worn it is."""
    if gate is None or held is None:
        return Judgement()
    seen = held.champion_may_have_seen
    beside = Judgement() if seen else judge_against_champion(gate.champion, held.rows)
    limits = tuple(_effect(gate, one) for one in judge_limits(gate.limits, held.metrics))
    compared = tuple(_effect(gate, one) for one in beside.results)
    named = tuple(_named(held, one) for one in (*limits, *compared))
    unfair = (_seen(gate, held),) if seen and gate.champion else ()
    return Judgement(
        (_unchanged(held), *named, *unfair, _looks(gate, held)), {"holdout": _shown(gate, held, beside.shown)}
    )


def _seen(gate: HoldoutGate, held: HeldOut) -> GateResult:
    """Return a warning that the champion is not compared with: whoever learnt the answers knows them better."""
    sentence = (
        f"{held.rows.champion} is not compared on the holdout {held.name}: it was trained before the holdout was "
        "frozen, and may have learnt its rows"
    )
    return told(gate, "holdout: champion", sentence)


def _effect(gate: HoldoutGate, one: GateResult) -> GateResult:
    """Return a result that only warns where the whole gate does."""
    if gate.effect != "warn":
        return one
    return replace(one, effect="warn", verdict="warn" if one.verdict == "fail" else one.verdict)


def _named(held: HeldOut, one: GateResult) -> GateResult:
    said = one.sentence.replace("split.test_days", "a new one of split.holdout")
    return replace(one, gate=f"holdout: {one.gate}", sentence=f"on the holdout {held.name}, {said}")


def _unchanged(held: HeldOut) -> GateResult:
    count = held.changed.count
    return judged(
        BLOCKS, "holdout unchanged", not count, float(count), 0.0, f"holdout {held.name}: {held.changed.sentence}"
    )


def _looks(gate: HoldoutGate, held: HeldOut) -> GateResult:
    name, count = "looks at the holdout", held.looks
    said = f"{count} different candidate{'' if count == 1 else 's'} {'was' if count == 1 else 'were'} judged on it"
    if count <= gate.max_looks:
        fresh = f"{said}; more than {gate.max_looks} wear it out"
        return judged(gate, name, True, float(count), float(gate.max_looks), fresh)
    worn = f"{said}, more than {gate.max_looks}: choosing by it has worn it out. Add a new one to split.holdout"
    return told(gate, name, worn, float(count))


def _shown(gate: HoldoutGate, held: HeldOut, beside: Mapping[str, Any]) -> dict[str, Any]:
    rows = held.rows
    dates = [rows.units[0], rows.units[-1]] if rows.unit_word == "days" else []
    return {
        "name": held.name,
        "snapshot": held.snapshot,
        "rows": len(rows.outcome),
        "dates": dates,
        "looks": held.looks,
        "max_looks": gate.max_looks,
        "changed": held.changed.sentence,
        "champion_may_have_seen": held.champion_may_have_seen,
        "metrics": _known(held.metrics),
        "rival": _known(held.rival_metrics) if held.rival_metrics is not None else None,
        "beside": beside.get("champion", []),
    }


def _known(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
