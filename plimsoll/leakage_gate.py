"""Leakage: a feature that alone tells the outcome too well, and times that lie after the decision.

A feature's power is the better of two: how its ranks order the outcome, and how outcomes learnt for its groups on half
of the units order those of the other half. The second finds a code, a gap or a band that gives the answer away.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.column_kinds import is_number
from plimsoll.gate_result import GateResult, Judgement, compared, judged
from plimsoll.gates_config import Leakage
from plimsoll.judged_rows import Judged
from plimsoll.lookups import decision_time
from plimsoll.metrics import Numbers, measure
from plimsoll.source_config import Lookup

BINS = 20  # of a number, where there are rows enough
ROWS_A_BIN = 50
SHOWN = 10


def judge_leakage(gate: Leakage | None, rows: Judged) -> Judgement:
    """Return whether a feature knows too much, as far as rows can show it; nothing without a gate."""
    if gate is None:
        return Judgement()
    results, shown = [], {}
    if gate.max_power is not None:
        powers = feature_powers(rows)
        results.append(_strongest(gate, powers, rows))
        shown["leakage"] = dict(sorted(powers.items(), key=lambda item: -item[1])[:SHOWN])
    if gate.later_times and rows.config.source.event_time:
        results.append(_times(gate, rows))
    return Judgement(tuple(results), shown)


def feature_powers(rows: Judged) -> dict[str, float]:
    """Return the AUC, or R² of a number, that each feature reaches alone; those that cannot be judged are left out."""
    found = {}
    for name in rows.config.feature_names:
        power = _power(rows.columns([name], "features.columns")[name], rows)
        if np.isfinite(power):
            found[name] = power
    return found


def _power(column: pd.Series, rows: Judged) -> float:
    learnt = [_learnt(_bins(column), rows, rows.unit % 2 == side) for side in (0, 1)]
    ranked = [_ranked(column, rows)] if is_number(column) else []
    known = [power for power in (float(np.mean(learnt)), *ranked) if np.isfinite(power)]
    return max(known, default=float("nan"))


def _ranked(column: pd.Series, rows: Judged) -> float:
    """Return how well a number's ranks, or the number itself for a number, tell the outcome, either way round."""
    values = np.empty(len(column), dtype=np.float64)
    values[:] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    here = ~np.isnan(values)
    if here.sum() < ROWS_A_BIN or np.ptp(values[here]) == 0:
        return float("nan")
    if rows.task == "classification":
        auc = measure(rows.outcome[here], values[here], rows.task)["auc"]
        return max(auc, 1 - auc)
    return float(np.corrcoef(values[here], rows.outcome[here])[0, 1] ** 2)


def _learnt(group: pd.Series, rows: Judged, side: npt.NDArray[np.bool_]) -> float:
    """Return how well mean outcomes by group of the other units tell those of one side."""
    if not side.any() or side.all():
        return float("nan")
    outcome: Numbers = rows.outcome
    means = pd.Series(outcome[~side]).groupby(group[~side].to_numpy()).mean()
    guess = group[side].map(means).fillna(outcome[~side].mean())
    metrics = measure(outcome[side], np.asarray(guess, dtype=np.float64), rows.task)
    return metrics["auc" if rows.task == "classification" else "r2"]


def _bins(column: pd.Series) -> pd.Series:
    """Return a column's groups as words: quantiles of a number, one of its own for no value."""
    if not is_number(column):
        return column.astype("string").fillna("")
    values = pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    bins = max(2, min(BINS, len(values) // ROWS_A_BIN))
    return pd.qcut(values, bins, labels=False, duplicates="drop").fillna(-1).astype("int64")


def _strongest(gate: Leakage, powers: dict[str, float], rows: Judged) -> GateResult:
    limit = gate.max_power or 1.0
    what = "AUC" if rows.task == "classification" else "R²"
    if not powers:
        sentence = "no feature could be judged alone: the rows have one outcome only, or are too few"
        return judged(gate, "strongest feature", False, float("nan"), limit, sentence)
    name = max(powers, key=lambda one: powers[one])
    reason = "a feature that is so strong alone is made of the outcome more often than not"
    return compared(gate, "strongest feature", f"{what} of {name} alone", powers[name], limit, reason)


def _times(gate: Leakage, rows: Judged) -> GateResult:
    """Return whether a time column lies after the decision, and what else is known of the features' times."""
    times = late_times(rows, gate.planned_times)
    late = {name: share for name, share in times.items() if share > 0}
    if not late:
        looked = "no time column lies after its row's decision time" if times else "the rows hold no time to look at"
        sentence = f"{looked}; {_proved(rows)}"
        return judged(gate, "times of features", True, 0.0, 0.0, sentence)
    name = max(late, key=lambda one: late[one])
    sentence = (
        f"{', '.join(late)} lie after the decision time, {name} in {late[name]:.1%} of rows: a feature made of them "
        "would know the future. Leave them out of the feed, or name them in gates.leakage.planned_times when they are "
        "known ahead"
    )
    return judged(gate, "times of features", False, late[name], 0.0, sentence)


def late_times(rows: Judged, planned: list[str]) -> dict[str, float]:
    """Return for every time column but the event's own and the planned ones the share of rows after the decision."""
    source = rows.config.source
    names = [name for name in time_columns(rows.read(())) if name not in (source.event_time, *planned)]
    if not names:
        return {}
    frame = rows.columns([str(source.event_time), *names], "source.event_time")
    decided = decision_time(frame, source)
    return {name: float((_utc(frame[name]) > decided).mean()) for name in names}


def time_columns(frame: pd.DataFrame) -> list[str]:
    """Return the names of a frame's columns that hold times."""
    return [str(name) for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]


def _utc(times: pd.Series) -> pd.Series:
    aware: pd.Series = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    return aware


def _proved(rows: Judged) -> str:
    source = rows.config.source
    timed = [_told(one) for one in source.lookups if one.observed_at]
    timeless = [one.name for one in source.lookups if not one.observed_at]
    said = f"{'; '.join(timed)}, joined as of the decision time" if timed else "no lookup has times"
    return said + (f"; nothing proves {', '.join(timeless)}, which has no times" if timeless else "")


def _told(lookup: Lookup) -> str:
    return f"{lookup.name} is known {lookup.published_after_minutes} minutes after {lookup.observed_at}"
