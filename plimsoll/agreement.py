"""How far two versions say the same of the rows that both scored: of one night, or put together of several."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plimsoll.metrics import Numbers


@dataclass(frozen=True)
class Agreement:
    """How far two versions say the same of the rows that both scored."""

    rows: int
    same_answer: float | None  # share with the same yes or no, where each says yes as often as outcomes are
    rank_correlation: float | None  # Spearman's
    mean_difference: float | None  # mean of the absolute difference of scores


def agreement_of(mine: Numbers, theirs: Numbers, rate: float | None) -> Agreement:
    """Return the agreement of two versions' scores of the same rows; rate is how often outcomes are a yes, if any."""
    if len(mine) < 2:
        return Agreement(len(mine), None, None, None)
    ranks = np.stack([pd.Series(side).rank().to_numpy() for side in (mine, theirs)])
    flat = bool((np.ptp(ranks, axis=1) == 0).any())
    return Agreement(
        rows=len(mine),
        same_answer=_same_answer(mine, theirs, rate) if rate is not None and 0 < rate < 1 else None,
        rank_correlation=None if flat else float(np.asarray(np.corrcoef(ranks))[0, 1]),
        mean_difference=float(np.abs(mine - theirs).mean()),
    )


def together(nights: Sequence[Agreement]) -> Agreement | None:
    """Return the agreement of several nights: the mean of theirs by rows; None without any row."""
    rows = sum(one.rows for one in nights)
    if not rows:
        return None
    same, rank, apart = (_mean(nights, name) for name in ("same_answer", "rank_correlation", "mean_difference"))
    return Agreement(rows, same, rank, apart)


def agreement_words(found: Agreement | None) -> str:
    """Return an agreement in words; a dash where there is none."""
    if found is None or found.mean_difference is None:
        return "–"
    said = [
        *([f"{found.same_answer:.1%} same answer"] if found.same_answer is not None else []),
        *([f"rank {found.rank_correlation:.3f}"] if found.rank_correlation is not None else []),
        f"mean difference {found.mean_difference:.4g}",
    ]
    return ", ".join(said)


def _mean(nights: Sequence[Agreement], name: str) -> float | None:
    known = [(getattr(one, name), one.rows) for one in nights if getattr(one, name) is not None]
    return sum(value * rows for value, rows in known) / sum(rows for _, rows in known) if known else None


def _same_answer(mine: Numbers, theirs: Numbers, rate: float) -> float:
    """Return the share of rows with the same answer when each version says yes to its highest scores only."""
    answers = [side > np.quantile(side, 1 - rate) for side in (mine, theirs)]
    return float((answers[0] == answers[1]).mean())
