"""Fairness: rates by group of a protected column, which need not be a feature and is in no bundle.

Rates and their differences are fairlearn's (Bird and others 2020). Each rate has an interval that counts days, and the
rows it is taken over: all of a group for the selection rate, those whose outcome was no for the false positive rate,
yes for the false negative rate. A rate over too few rows is shown, said to be of too few, and not judged.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plimsoll.clustered import clustered_mean
from plimsoll.gate_result import GateResult, Judgement, judged, told
from plimsoll.gates_config import Fairness, Rate
from plimsoll.judged_rows import Judged
from plimsoll.row_groups import Groups, crossed, groups_of

TAIL = 0.025  # on either side of an interval
NAMED = 20  # small groups in a sentence; the page has them all
OF = {
    "selection_rate": "rows",
    "false_positive_rate": "rows whose outcome was no",
    "false_negative_rate": "rows whose outcome was yes",
}


@dataclass(frozen=True)
class GroupRate:
    """One rate of one group."""

    column: str
    group: str
    metric: Rate
    rate: float | None
    low: float | None
    high: float | None
    rows: int  # that the rate is taken over
    judged: bool  # whether they are enough


def judge_fairness(gate: Fairness | None, rows: Judged) -> Judgement:
    """Return the difference of every limited rate between groups, and a warning about groups too small.

    Raises DataError for a column that the rows do not have.
    """
    if gate is None:
        return Judgement()
    frame = rows.columns(gate.columns, "gates.fairness.columns")
    single = {name: groups_of(frame[name]) for name in gate.columns}
    sets = [*single.values(), *(crossed([single[name] for name in names]) for names in gate.together)]
    found = [rate for groups in sets for rate in rates_by_group(gate, groups, rows)]
    results = [_difference(gate, groups.column, metric, found) for groups in sets for metric in gate.limits]
    small = [_too_small(gate, groups.column, found) for groups in sets]
    shown = [asdict(rate) for rate in found]
    warned = [one for one in (*small, _one_sided(gate, rows)) if one]
    return Judgement((*results, *warned), {"fairness": shown})


def rates_by_group(gate: Fairness, groups: Groups, rows: Judged) -> list[GroupRate]:
    """Return all three rates of every group of a column."""
    from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate, selection_rate

    chosen = (rows.score >= gate.selected_from).astype(np.int64)
    truth = rows.outcome.astype(np.int64)
    measures = {
        "selection_rate": selection_rate,
        "false_positive_rate": false_positive_rate,
        "false_negative_rate": false_negative_rate,
    }
    by_group = MetricFrame(metrics=measures, y_true=truth, y_pred=chosen, sensitive_features=groups.of_row).by_group
    hits: dict[Rate, Any] = {
        "selection_rate": (np.ones(len(truth), dtype=bool), chosen == 1),
        "false_positive_rate": (truth == 0, chosen == 1),
        "false_negative_rate": (truth == 1, chosen == 0),
    }
    found = []
    for code, name in enumerate(groups.names):
        for metric, (base, hit) in hits.items():
            mask = base & (groups.of_row == code)
            if (groups.of_row == code).any():
                rate = float(by_group.loc[code, metric]) if mask.any() else None
                found.append(_rate(gate, groups.column, name, metric, rate, mask, mask & hit, rows))
    return found


def _rate(
    gate: Fairness, column: str, group: str, metric: Rate, rate: float | None, mask: Any, hit: Any, rows: Judged
) -> GroupRate:
    count = len(rows.units)
    totals, counts = (np.bincount(rows.unit[some], minlength=count).astype(np.float64) for some in (hit, mask))
    bounds = [bound if np.isfinite(bound) else None for bound in clustered_mean(totals, counts).rate_bounds(TAIL)]
    number = int(mask.sum())
    return GroupRate(column, group, metric, rate, bounds[0], bounds[1], number, number >= gate.min_rows)


def _difference(gate: Fairness, column: str, metric: Rate, found: list[GroupRate]) -> GateResult:
    limit = gate.limits[metric]
    name = f"{metric} by {column}"
    known = [(one.rate, one) for one in found if (one.column, one.metric) == (column, metric) and one.judged]
    rated = sorted(((rate, one) for rate, one in known if rate is not None), key=lambda pair: pair[0])
    if len(rated) < 2:
        sentence = (
            f"{name} cannot be judged: {len(rated)} groups have {gate.min_rows} {OF[metric]}, two are needed. Ask for "
            "more days in split.test_days, or for fewer rows in gates.fairness.min_rows"
        )
        return judged(gate, name, False, float("nan"), limit, sentence)
    (low, least), (high, most) = rated[0], rated[-1]
    gap = high - low
    asked = f"{'' if gap <= limit else 'but '}needs ≤ {limit:.4f}"
    sentence = f"{metric} differs by {gap:.4f} between {_told(most)} and {_told(least)}, {asked}"
    return judged(gate, name, gap <= limit, gap, limit, sentence)


def _told(one: GroupRate) -> str:
    interval = f"95 % {one.low:.3f} to {one.high:.3f}, " if one.low is not None and one.high is not None else ""
    return f"{one.group} ({one.rate or 0:.3f}, {interval}{one.rows:,} {OF[one.metric]})"


def _one_sided(gate: Fairness, rows: Judged) -> GateResult | None:
    """Return a warning where nobody is selected, or everybody: then all groups are even, whatever the model does."""
    chosen = int((rows.score >= gate.selected_from).sum())
    if 0 < chosen < len(rows.score):
        return None
    who = "everybody" if chosen else "nobody"
    scores = f"scores go from {rows.score.min():.3f} to {rows.score.max():.3f}"
    sentence = (
        f"{who} is selected at a score of {gate.selected_from:g} ({scores}), so no rate can differ. Set "
        "gates.fairness.selected_from to the score from which somebody acts"
    )
    return told(gate, "selection", sentence)


def _too_small(gate: Fairness, column: str, found: list[GroupRate]) -> GateResult | None:
    small = [one for one in found if one.column == column and one.metric in gate.limits and not one.judged]
    if not small:
        return None
    named = ", ".join(f"{one.metric} of {one.group} ({one.rows:,} {OF[one.metric]})" for one in small[:NAMED])
    more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
    sentence = f"too few rows to judge, fewer than {gate.min_rows}: {named}{more}. Nobody knows how these groups fare"
    return told(gate, f"small groups of {column}", sentence)
