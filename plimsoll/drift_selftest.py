"""Self-test of input drift on a team's own days: does it alarm as often as stated, and what does it find?

Days are shuffled, so that none is stranger than another but by chance. Some of them are the reference, and others are
judged as tonight: as they are (A/A), and with planted faults. A rate is the mean over shuffles; its standard error is
that of shuffles, since nights of one reference hang together.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plimsoll.drift import alarms, measure_bag
from plimsoll.drift_faults import FAULTS, Chance, Fault, Field, field_of
from plimsoll.drift_level import MIN_REFERENCE_DAYS
from plimsoll.drift_measures import ColumnDays, column_days
from plimsoll.errors import DataError
from plimsoll.profile import ColumnPlan, Profile, plan_profile, profile_batch
from plimsoll.selftest_result import Detection, SelfTest

REFERENCE_SHARE = 0.6  # of the days, or more where that makes the stated level a whole number of ranks
MIN_NIGHTS = 5  # days left to be judged
TONIGHTS, FAULTY = 16, 1  # nights of each shuffle: judged as they are, and with every fault too

Bag = Mapping[str, ColumnDays]  # by column
Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class _Bench:
    """Everything that is the same for all shuffles."""

    days: Sequence[pd.DataFrame]
    plan: tuple[ColumnPlan, ...]
    profiles: Sequence[Profile]
    columns: Mapping[str, ColumnDays]
    field: Field
    one_in: int
    held: int  # reference days of a shuffle

    def take(self, bag: Sequence[int]) -> Bag:
        """Return the columns of a bag of days, the last of them tonight."""
        return {name: column.take(bag) for name, column in self.columns.items()}

    def alarms(self, held: Bag) -> bool:
        """Return whether tonight alarms."""
        return alarms(measure_bag([*held.values()]), self.one_in)

    def with_fault(self, held: Bag, bag: Sequence[int], rows: pd.DataFrame, struck: Sequence[str]) -> Bag:
        """Return the columns once tonight's rows are others in those that a fault struck."""
        plan = [column for column in self.plan if column.name in struck]
        tonight = profile_batch(plan, rows)
        nights = [*(self.profiles[day] for day in bag[:-1]), tonight]
        return {**held, **{column.name: column_days(column, nights) for column in plan}}


def run_selftest(
    days: Mapping[str, pd.DataFrame],
    kinds: Mapping[str, str],
    one_in_nights: int,
    draws: int,
    seed: int,
    progress: Progress = lambda _: None,
    reference_days: int | None = None,
) -> SelfTest:
    """Return what the days of a model show: its rate of false alarms, and what is found of planted faults.

    days are feature rows by date, kinds their columns (name to number or category). progress is told every shuffle.
    Of each shuffle so many are the reference as `reference_size` says, unless reference_days does.
    Raises DataError when there are too few days to leave some for judging.
    """
    held = reference_days or reference_size(len(days), one_in_nights)
    bench = _bench(list(days.values()), kinds, one_in_nights, held)
    chance = np.random.default_rng(seed)
    rates: list[float] = []
    seen: dict[tuple[Fault, str], list[bool]] = {}
    for draw in range(draws):
        alarmed = list(_shuffle(bench, chance, draw, seen))
        rates.append(sum(alarmed) / len(alarmed))
        progress(draw + 1)
    nights = draws * min(TONIGHTS, len(days) - bench.held)
    error = float(np.std(rates, ddof=1) / math.sqrt(draws)) if draws > 1 else math.inf
    found = [Detection(f.name, f.strength, column, len(hits), sum(hits)) for (f, column), hits in seen.items()]
    return SelfTest(
        len(days), bench.held, one_in_nights, nights, float(np.mean(rates)), error, _in_order(bench), tuple(found)
    )


def reference_size(days: int, one_in_nights: int) -> int:
    """Return how many of the days are the reference: about 60 %, so many that n + 1 is a multiple of one_in_nights.

    Then the stated level is met by whole ranks. Where the days are too few for that, it is 60 % of them. Raises
    DataError when that leaves too few reference days or nights.
    """
    most = days - MIN_NIGHTS
    if most < MIN_REFERENCE_DAYS:
        raise DataError(
            f"The self-test needs {MIN_REFERENCE_DAYS + MIN_NIGHTS} days or more to shuffle, found {days}. Train on "
            "more days, or wait until more have landed."
        )
    fitting = [n for n in range(MIN_REFERENCE_DAYS, most + 1) if (n + 1) % one_in_nights == 0]
    wanted = max(MIN_REFERENCE_DAYS, round(REFERENCE_SHARE * days))
    return min(fitting, key=lambda n: abs(n - wanted)) if fitting else min(wanted, most)


def _bench(days: Sequence[pd.DataFrame], kinds: Mapping[str, str], one_in_nights: int, held: int) -> _Bench:
    plan = plan_profile(pd.concat(days, ignore_index=True)[[*kinds]], kinds)
    profiles = [profile_batch(plan, rows) for rows in days]
    columns = {column.name: column_days(column, profiles) for column in plan}
    return _Bench(days, plan, profiles, columns, field_of(days, kinds), one_in_nights, held)


def _shuffle(bench: _Bench, chance: Chance, draw: int, seen: dict[tuple[Fault, str], list[bool]]) -> Iterator[bool]:
    """Yield the alarms of some unchanged nights against one shuffled reference; note which faults are found."""
    order = chance.permutation(len(bench.days)).tolist()
    for n, tonight in enumerate(order[bench.held :][:TONIGHTS]):
        bag = [*order[: bench.held], tonight]
        held = bench.take(bag)
        yield bench.alarms(held)
        if n < FAULTY:
            _plant_all(bench, held, bag, draw * FAULTY + n, chance, seen)


def _plant_all(
    bench: _Bench,
    held: Bag,
    bag: Sequence[int],
    turn: int,
    chance: Chance,
    seen: dict[tuple[Fault, str], list[bool]],
) -> None:
    for fault in FAULTS:
        if struck := fault.choose(bench.field, turn, chance):
            rows = fault.plant(bench.days[bag[-1]], struck, bench.field, chance)
            faulty = bench.with_fault(held, bag, rows, struck)
            key = fault, "" if fault.needs == "rows" else struck[0]
            seen.setdefault(key, []).append(bench.alarms(faulty))


def _in_order(bench: _Bench) -> float:
    """Return the share of later days that alarm against the first ones, in the order of the calendar."""
    first = range(bench.held)
    later = range(bench.held, len(bench.days))
    return sum(bench.alarms(bench.take([*first, night])) for night in later) / len(later)
