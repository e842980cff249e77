"""Slices: no part of the rows, declared or found, may surely be much worse off than the whole or than before."""

from dataclasses import replace

from plimsoll.gate_result import GateResult, Judgement, judged
from plimsoll.gates_config import Slices
from plimsoll.judged_rows import Judged
from plimsoll.metrics import row_losses
from plimsoll.row_groups import MOST_VALUES, groups_of
from plimsoll.slice_search import Losses, Search, search_slices

SHOWN = 12  # slices on a page
NAMED = 5  # small slices in a sentence


def judge_slices(gate: Slices | None, rows: Judged) -> Judgement:
    """Return whether the worst slices are within what the gate lets pass; nothing without a gate.

    Raises DataError for a column that the rows do not have.
    """
    if gate is None:
        return Judgement()
    found = look_for_slices(gate, rows)
    results = [_against_whole(gate, found)] if gate.max_ratio is not None else []
    results += [_against_champion(gate, found, rows)] if gate.champion_margin is not None and rows.champion else []
    worst = [one.to_json() for one in found.slices[:SHOWN]]
    shown = {"worst": worst, "looked_at": found.looked_at, "small": list(found.small), "min_rows": gate.min_rows}
    return Judgement(tuple(results), {"slices": shown})


def look_for_slices(gate: Slices, rows: Judged) -> Search:
    """Return the slices of the declared columns, and with `find` of every feature's frequent values and of pairs.

    Of those too small only the declared ones are named.
    """
    names = list(dict.fromkeys([*gate.columns, *(rows.config.feature_names if gate.find else ())]))
    frame = rows.columns(names, "gates.slices.columns")
    groups = [groups_of(frame[name], None if name in gate.columns else MOST_VALUES) for name in names]
    mine = row_losses(rows.outcome, rows.score, rows.task)
    rival = None if rows.rival is None else row_losses(rows.outcome, rows.rival, rows.task)
    losses = Losses(mine, rival, rows.unit, len(rows.units))
    found = search_slices(groups, losses, gate.min_rows, gate.confidence, pairs=gate.find)
    declared = {name for one in groups if one.column in gate.columns for name in one.names}
    return replace(found, small=tuple(name for name in found.small if name in declared))


def _against_whole(gate: Slices, found: Search) -> GateResult:
    limit = gate.max_ratio or 0.0
    if not found.slices:
        return judged(gate, "worst slice", False, float("nan"), limit, _nothing(gate))
    worst = max(found.slices, key=lambda one: one.ratio_low)
    met = worst.ratio_low <= limit
    asked = f"{'' if met else 'but '}needs ≤ {limit:.4f}"
    sentence = (
        f"{worst.name} ({worst.rows:,} rows) loses {worst.ratio:.4f} times what all rows lose, surely "
        f"{worst.ratio_low:.4f} times, {asked} ({_how(gate, found)})"
    )
    return judged(gate, "worst slice", met, worst.ratio_low, limit, sentence)


def _against_champion(gate: Slices, found: Search, rows: Judged) -> GateResult:
    limit, name = gate.champion_margin or 0.0, "worst slice beside champion"
    beside = [(one.behind_low, one) for one in found.slices if one.behind_low is not None]
    if not beside:
        return judged(gate, name, False, float("nan"), limit, _nothing(gate))
    low, worst = max(beside, key=lambda pair: pair[0])
    met, behind = low <= limit, worst.behind or 0.0
    asked = f"{'' if met else 'but '}needs ≤ {limit:.4f}"
    sentence = (
        f"{worst.name} ({worst.rows:,} rows) loses {abs(behind):.4f} {'more' if behind > 0 else 'less'} than by "
        f"{rows.champion}, surely {low:+.4f}, {asked} ({_how(gate, found)})".replace("-", "−")
    )
    return judged(gate, name, met, low, limit, sentence)


def _how(gate: Slices, found: Search) -> str:
    small = f"; fewer than {gate.min_rows} rows and not judged: {_few(found.small)}" if found.small else ""
    return f"of {found.looked_at} slices the nearest to the line, {gate.confidence:.0%} sure for all together{small}"


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _nothing(gate: Slices) -> str:
    return (
        f"no slice has {gate.min_rows} rows on enough days to be judged: ask for more days, or lower "
        "gates.slices.min_rows"
    )
