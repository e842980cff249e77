"""Whether outcomes that came since the champion are like those before: flipped labels move what the champion expects.

Four things are compared with an interval over days: the champion's mean loss; how far outcomes lie above its scores;
how steeply outcomes rise with its scores within a day, which random flips flatten; and for every named group how far
its outcomes lie above its scores beside the other rows of the same days, which labels of one group move while all
others hide it. The fifth is of a yes or no: how often the surest third of each day's answers is wrong, on the third of
the days on which it is least often. Bad weather makes bad days and leaves the quiet ones; random flips spoil these most
of all. Half of the error is for the groups, half for the others (Bonferroni).

Days of one fortnight hang together, and seasons turn, so that intervals which count days alone are too short. By how
much says the champion's own past: all days that it knows are cut into windows as long as those compared, side by side,
and the mean square of their differences is held against what the intervals expect of them. One such factor counts for
loss, level and slope (the geometric mean of theirs), one for all groups. Quiet days have no other error than how they
differ between such windows, with Student's quantile for the number of these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from plimsoll.clustered import Mean, clustered_mean
from plimsoll.judged_rows import Units
from plimsoll.metrics import Numbers, row_losses

ERROR = 0.05  # two-sided, for all that is compared together: how often labels that nobody changed may be warned about
MIN_WINDOWS = 4  # of the champion's past, side by side, to tell how far they differ by themselves
MIN_DAYS, MIN_ROWS = 5, 200  # on either side, of a group too
LOSS, LEVEL, SLOPE = "mean loss", "outcomes above the champion's scores", "slope of outcomes on scores"
OVERALL = (LOSS, LEVEL, SLOPE)
RELATIVE = (LOSS, SLOPE)  # a change of these is a share of what it was
QUIET = "wrong answers among the surest third of rows, on quiet days,"
THIRD = 3  # of a day's rows that are surest, of the days that are quietest


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


def label_shifts(before: Answered, now: Answered, task: str, past: Answered | None = None) -> list[Shift]:
    """Return every comparison, the largest sure change first; nothing where either side has too few days or rows.

    past are all rows that the champion knows, those that it learnt from too; without enough days of them, intervals
    count days as if they were independent.
    """
    if min(before.days, now.days) < MIN_DAYS or min(len(before.outcome), len(now.outcome)) < MIN_ROWS:
        return []
    unit = 1.0 if task == "classification" else float(np.std(before.outcome)) or 1.0
    then, after = ({name: clustered_mean(*by) for name, by in _daily_sums(side, task, unit)} for side in (before, now))
    names = [name for name in then if name in after]
    groups = len(names) - len(OVERALL)
    window = min(before.days, now.days)
    quiet = past is not None and task == "classification" and past.days >= MIN_WINDOWS * window
    all_rows = ERROR / 4 / (len(OVERALL) + quiet)
    tails = {name: all_rows if name in OVERALL else ERROR / 4 / groups for name in names}
    drift = drift_of(past, task, unit, window) if past else (1.0, 1.0)
    wider = {name: drift[0] if name in OVERALL else drift[1] for name in names}
    found = [_shift(name, then[name], after[name], tails[name], wider[name]) for name in names]
    found += [_quiet_shift(before, now, past, window, all_rows)] if past and quiet else []
    return sorted(found, key=lambda one: (not one.sure, -abs(one.change)))


def drift_of(past: Answered, task: str, unit: float, window: int) -> tuple[float, float]:
    """Return by how much intervals over so many days are too short, of the three overall and of groups; at least 1.

    It is the root of how the mean square of the differences of neighbouring windows stands to the squared errors that
    they state, over all places of a window.
    """
    if past.days < MIN_WINDOWS * window:
        return 1.0, 1.0
    shares = {name: _over_dispersion(*by, window) for name, by in _daily_sums(past, task, unit)}
    overall = [max(shares[name], 1.0) for name in OVERALL if np.isfinite(shares[name])]
    groups = [share for name, share in shares.items() if name not in OVERALL and np.isfinite(share)]
    return (
        float(np.sqrt(np.exp(np.mean(np.log(overall))))) if overall else 1.0,
        float(np.sqrt(max(float(np.mean(groups)), 1.0))) if groups else 1.0,
    )


def _over_dispersion(totals: Numbers, counts: Numbers, window: int) -> float:
    """Return the mean square of differences of neighbouring windows over what their errors state; NaN for none."""
    parts = zip(sliding_window_view(totals, window), sliding_window_view(counts, window), strict=True)
    means = [clustered_mean(total, count) for total, count in parts]
    both = [(a, b) for a, b in zip(means, means[window:], strict=False) if np.isfinite(a.error + b.error)]
    stated = sum(a.error**2 + b.error**2 for a, b in both)
    return sum((b.value - a.value) ** 2 for a, b in both) / stated if stated > 0 else float("nan")


def _shift(name: str, before: Mean, now: Mean, tail: float, wider: float) -> Shift:
    from scipy.special import stdtrit

    error = wider * float(np.hypot(before.error, now.error))
    reach = -float(stdtrit(min(before.units, now.units) - 1, tail)) * error
    by = now.value - before.value
    share = by / abs(before.value) if name in RELATIVE and before.value else by
    return Shift(name, before.value, now.value, share, abs(by) > reach)


def _quiet_shift(before: Answered, now: Answered, past: Answered, window: int, tail: float) -> Shift:
    from scipy.special import stdtrit

    was, is_now, known = (_wrong_by_day(rows) for rows in (before, now, past))
    levels = np.array([_quiet(days) for days in sliding_window_view(known, window)])
    error = float(np.sqrt(np.mean((levels[window:] - levels[:-window]) ** 2)))
    one_row = THIRD**2 / len(now.outcome)  # a wrong answer more or less is no change
    reach = -float(stdtrit(past.days // window - 1, tail)) * max(error, one_row)
    by = _quiet(is_now) - _quiet(was)
    return Shift(QUIET, _quiet(was), _quiet(is_now), by, abs(by) > reach)


def _wrong_by_day(rows: Answered) -> Numbers:
    """Return for each day how often its surest third of answers is wrong: yes where the score is above a half."""
    _, day = np.unique(rows.day, return_inverse=True)
    order = np.lexsort((np.minimum(rows.score, 1 - rows.score), day))  # by day, the surest first
    sizes = np.bincount(day)
    place = np.empty(len(day), dtype=np.int64)
    place[order] = np.arange(len(day)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    sure = place * THIRD < sizes[day]
    wrong = (rows.outcome != (rows.score > 0.5)).astype(np.float64)
    return _sums(np.where(sure, wrong, 0.0), day) / np.bincount(day[sure], minlength=len(sizes))


def _quiet(days: Numbers) -> float:
    """Return the mean of the third of days that are lowest."""
    return float(np.sort(days)[: -(-len(days) // THIRD)].mean())


def _daily_sums(rows: Answered, task: str, unit: float) -> Iterator[tuple[str, tuple[Numbers, Numbers]]]:
    """Yield what is compared, with totals and counts by day."""
    _, day = np.unique(rows.day, return_inverse=True)
    above = (rows.outcome - rows.score) / unit
    days = len(np.unique(day))
    yield LOSS, _counted(row_losses(rows.outcome, rows.score, task), day, days)
    yield LEVEL, _counted(above, day, days)
    steep, beside = rows.score - _daily(rows.score, day), above - _daily(above, day)
    outcome = rows.outcome - _daily(rows.outcome, day)
    yield SLOPE, (_sums(steep * outcome, day), _sums(steep**2, day))
    for name, mine in rows.groups.items():
        if mine.sum() >= MIN_ROWS and len(np.unique(day[mine])) >= MIN_DAYS:
            yield f"{LEVEL} of {name} beside the rest of the day", _counted(beside[mine], day[mine], days)


def _daily(values: Numbers, day: npt.NDArray[np.intp]) -> Numbers:
    """Return each row's mean of its day."""
    return np.asarray((_sums(values, day) / np.bincount(day))[day])


def _counted(values: Numbers, day: npt.NDArray[np.intp], days: int) -> tuple[Numbers, Numbers]:
    counts = np.bincount(day, minlength=days).astype(np.float64)
    return np.bincount(day, values, minlength=days).astype(np.float64), counts


def _sums(values: Numbers, day: npt.NDArray[np.intp]) -> Numbers:
    return np.bincount(day, values).astype(np.float64)
