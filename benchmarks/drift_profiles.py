"""The profile's own error: distances from counts on fixed bins beside those from rows."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.drift_tables import SEED, Table
from benchmarks.figures import Figure, plain
from plimsoll.profile import ColumnPlan, plan_profile, profile_batch

POOL_DAYS = 15


def profile_errors(table: Table, pairs: int) -> Iterator[Figure]:
    """Yield how far W₁/sd and D of a day against fifteen others are off when they come from profiles."""
    from scipy.stats import ks_2samp, wasserstein_distance

    chance = np.random.default_rng(SEED)
    numbers = [name for name, kind in table.kinds.items() if kind == "number"]
    plan = plan_profile(pd.concat(table.rows.values())[numbers], dict.fromkeys(numbers, "number"))
    off: dict[str, list[float]] = {"W₁/sd": [], "D": []}
    for turn in range(pairs):
        column = plan[turn % len(plan)]
        drawn = [table.rows[day] for day in chance.permutation(sorted(table.rows))[: POOL_DAYS + 1]]
        day, pool = drawn[0][column.name].dropna(), pd.concat(drawn[1:])[column.name].dropna()
        if day.empty or pool.std() == 0:
            continue
        w1, d = binned(column, day, pool)
        off["W₁/sd"].append(abs(w1 - float(wasserstein_distance(day, pool))) / float(pool.std()))
        off["D"].append(abs(d - float(ks_2samp(day, pool, method="asymp").statistic)))
    for what, errors in off.items():
        yield plain(f"profile's error of {what}, mean of {len(errors)}", float(np.mean(errors)), "")
        yield plain(f"profile's error of {what}, largest", float(np.max(errors)), "")


def binned(column: ColumnPlan, day: pd.Series, pool: pd.Series) -> tuple[float, float]:
    """Return W₁ and Kolmogorov–Smirnov D of two sets of values from their counts on the plan's bins."""
    counts = [profile_batch([column], x.to_frame(column.name)).columns[column.name].counts for x in (day, pool)]
    cdf = [np.cumsum(np.asarray(c, dtype=float) / np.sum(c))[:-1] for c in counts]  # type: ignore[arg-type]
    widths = np.diff(np.sort([*column.edges, column.hi]))
    gap = np.abs(cdf[0] - cdf[1])
    return float(gap @ widths), float(gap.max())
