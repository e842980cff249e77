"""Whether outcomes that came since the champion are like those before: flipped labels move what the champion expects.

Four things are compared, each with an interval over days: the champion's mean loss; how far outcomes lie above its
scores; how steeply outcomes rise with its scores within a day, which random flips flatten whatever the weather; and for
every named group how far its outcomes lie above its scores beside the other rows of the same days, which labels of one
group move while all others hide it. Half of the error is for the first three, half for the groups (Bonferroni).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plimsoll.clustered import Mean, clustered_mean
from plimsoll.judged_rows import Units
from plimsoll.metrics import Numbers, row_losses

ERROR = 0.05  # two-sided, for all that is compared together
MIN_DAYS, MIN_ROWS = 5, 200  # on either side, of a group too
LOSS, LEVEL, SLOPE = "mean loss", "outcomes above the champion's scores", "slope of outcomes on scores"
OVERALL = (LOSS, LEVEL, SLOPE)
RELATIVE = (LOSS, SLOPE)  # a change of these is a share of what it was


@dataclass(frozen=True, eq=False)
class Answered:
    """Rows with outcomes that the champion did not train on."""

    outcome: Numbers
    score: Numbers  # the champion's
    day: Units
    groups: Mapping[str, npt.NDArray[np.bool_]]  # rows of each group by its name

    @property
    def days(self) -> int:
        """How many days they are of."""
        return len(np.unique(self.day))


@dataclass(frozen=True)
class Shift:
    """What something was before and is now."""

    name: str
    before: float
    now: float
    change: float  # of a loss and a slope the share, of outcomes the rate, or standard deviations of a number
    sure: bool  # whether the interval of the difference leaves out 0

    @property
    def sentence(self) -> str:
        """The change in words."""
        return f"{self.name} went from {self.before:.3f} to {self.now:.3f}"


def label_shifts(before: Answered, now: Answered, task: str) -> list[Shift]:
    """Return every comparison, the largest sure change first; nothing where either side has too few days or rows."""
    if min(before.days, now.days) < MIN_DAYS or min(len(before.outcome), len(now.outcome)) < MIN_ROWS:
        return []
    unit = 1.0 if task == "classification" else float(np.std(before.outcome)) or 1.0
    then, after = dict(_means(before, task, unit)), dict(_means(now, task, unit))
    names = [name for name in then if name in after]
    groups = len(names) - len(OVERALL)
    tails = {name: ERROR / 4 / (len(OVERALL) if name in OVERALL else groups) for name in names}
    found = [_shift(name, then[name], after[name], tails[name]) for name in names]
    return sorted(found, key=lambda one: (not one.sure, -abs(one.change)))


def _shift(name: str, before: Mean, now: Mean, tail: float) -> Shift:
    from scipy.special import stdtrit

    reach = -float(stdtrit(min(before.units, now.units) - 1, tail)) * float(np.hypot(before.error, now.error))
    by = now.value - before.value
    share = by / abs(before.value) if name in RELATIVE and before.value else by
    return Shift(name, before.value, now.value, share, abs(by) > reach)


def _means(rows: Answered, task: str, unit: float) -> Iterator[tuple[str, Mean]]:
    _, day = np.unique(rows.day, return_inverse=True)
    above = (rows.outcome - rows.score) / unit
    yield LOSS, _mean(row_losses(rows.outcome, rows.score, task), day)
    yield LEVEL, _mean(above, day)
    steep, beside = rows.score - _daily(rows.score, day), above - _daily(above, day)
    outcome = rows.outcome - _daily(rows.outcome, day)
    yield SLOPE, clustered_mean(_sums(steep * outcome, day), _sums(steep**2, day))
    for name, mine in rows.groups.items():
        if mine.sum() >= MIN_ROWS and len(np.unique(day[mine])) >= MIN_DAYS:
            yield f"{LEVEL} of {name} beside the rest of the day", _mean(beside[mine], day[mine])


def _daily(values: Numbers, day: npt.NDArray[np.intp]) -> Numbers:
    """Return each row's mean of its day."""
    return np.asarray((_sums(values, day) / np.bincount(day))[day])


def _mean(values: Numbers, day: npt.NDArray[np.intp]) -> Mean:
    return clustered_mean(_sums(values, day), np.bincount(day).astype(np.float64))


def _sums(values: Numbers, day: npt.NDArray[np.intp]) -> Numbers:
    return np.bincount(day, values).astype(np.float64)
