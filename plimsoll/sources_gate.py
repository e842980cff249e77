"""Sources' shares: which part of the training rows came from where, and how that moved since the champion.

Whoever can fill one source with rows can teach a model what they like; a source that grows tells of it, or of a
duplicated delivery.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plimsoll.errors import DataError
from plimsoll.gate_result import GateResult, Judgement, judged, told
from plimsoll.gates_config import Trust
from plimsoll.row_groups import MISSING
from plimsoll.row_parts import DATE, Mask, Rows

KEPT = 200  # sources, the largest; the others are counted together
OTHERS = "all others"
FILES = "dated file"


@dataclass(frozen=True)
class Sources:
    """The shares of the training rows by source, the largest first, and those of the champion's."""

    by: str  # the column, or what stands in for one
    shares: Mapping[str, float]
    rows: int
    before: Mapping[str, float] | None = None  # None: no champion, or none are known
    champion: str = ""  # in words; empty without one


def shares_of(rows: Rows, mask: Mask, column: str | None) -> dict[str, float]:
    """Return the share of some rows by the value of a column, or by batch date; the largest first.

    Raises DataError for a column that the rows do not have.
    """
    counts: pd.Series[int] = pd.Series(dtype=np.int64)
    for frame in rows.frames(mask, [column or DATE]):
        if (column or DATE) not in frame:
            raise DataError(f"gates.trust.source_column names {column}, which the rows do not have.")
        words = frame[column or DATE].astype("string").fillna(MISSING)
        counts = counts.add(words.value_counts(), fill_value=0)
    order = counts.sort_index().sort_values(ascending=False, kind="stable")
    found = {str(name): float(count / order.sum()) for name, count in order.iloc[:KEPT].items()}
    rest = float(order.iloc[KEPT:].sum() / order.sum()) if len(order) > KEPT else 0.0
    return {**found, **({OTHERS: rest} if rest else {})}


def judge_sources(gate: Trust | None, sources: Sources | None) -> Judgement:
    """Return whether a source has more of the rows than asked, and whether one's share moved further than asked."""
    if gate is None or sources is None or (gate.max_share is None and gate.max_share_change is None):
        return Judgement()
    results = []
    if gate.max_share is not None:
        results.append(_largest(gate, sources, gate.max_share))
    if gate.max_share_change is not None and sources.champion:
        results.append(_moved(gate, sources, gate.max_share_change))
    before = dict(sources.before) if sources.before is not None else None
    shown = {"by": sources.by, "rows": sources.rows, "shares": dict(sources.shares), "before": before}
    return Judgement(tuple(results), {"sources": shown})


def _largest(gate: Trust, sources: Sources, limit: float) -> GateResult:
    named = {name: share for name, share in sources.shares.items() if name != OTHERS}
    name, share = max(named.items(), key=lambda pair: pair[1])
    asked = f"{'' if share <= limit else 'but '}may be at most {limit:.1%}"
    sentence = f"{sources.by} {name} has {share:.1%} of {sources.rows:,} training rows, {asked}"
    return judged(gate, f"largest source by {sources.by}", share <= limit, share, limit, sentence)


def _moved(gate: Trust, sources: Sources, limit: float) -> GateResult:
    name = f"sources by {sources.by} since the champion"
    if sources.before is None:
        sentence = f"how shares by {sources.by} moved is not known: no shares were kept of {sources.champion}"
        return told(gate, name, sentence)
    change, source = largest_change(sources.before, sources.shares)
    then, now = sources.before.get(source, 0.0), sources.shares.get(source, 0.0)
    asked = f"{'' if change <= limit else 'but '}may move by at most {limit:.1%}"
    sentence = (
        f"{sources.by} {source} has {now:.1%} of the training rows, {then:.1%} of those of {sources.champion}, {asked}"
    )
    return judged(gate, name, change <= limit, change, limit, sentence)


def largest_change(before: Mapping[str, float], now: Mapping[str, float]) -> tuple[float, str]:
    """Return by how much the share of one source moved at most, and which; one that came or went moved by all of it."""
    names = dict.fromkeys([*now, *before])
    moved = [(abs(now.get(name, 0.0) - before.get(name, 0.0)), name) for name in names]
    return max(moved, key=lambda pair: pair[0])
