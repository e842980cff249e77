"""Planted faults

What broken data makes the controller do. A model of flights, trained on the ninety days before April, serves a hundred
and twenty nights. In some of them (six, with `--full` twenty), one night alone and three in a row, every fault of the
page on drift is planted: another unit, a new category, two columns swapped, a feed that breaks off. Each night goes
through the suite, is scored with what is left, profiled and judged, its losses come on the next night, and `decide` is
asked about the nights with the fault and the seven after them, with the policy of the model's config, but with neither
cooldown, budget nor maximum age to stop or ask. A retrain is led to by the fault where the same night without it has
none. It must be none.

**Caught** is what the suite stops or sets aside, or the verdicts on inputs or scores find, as the config asks them: one
false alarm in fourteen nights.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.children import in_child
from benchmarks.decisions import FIRST, SERVED_DAYS, WINDOW_DAYS, facts_of, quality_of, unhindered
from benchmarks.drift_tables import BROKEN, SEED, planted
from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.flights import Flights, lay_out
from plimsoll.archive import Archive
from plimsoll.assembled import Assembled
from plimsoll.bundle import Bundle
from plimsoll.drift_faults import FAULTS, Fault, field_of
from plimsoll.night_verdict import NIGHTS_SEEN, LateVerdict, NightVerdict, Observed, judge_late, judge_night
from plimsoll.outcomes import NightlyQuality
from plimsoll.profile import profile_batch
from plimsoll.retrain import Decision, decide
from plimsoll.row_parts import DATE
from plimsoll.score_sketch import sketch_scores
from plimsoll.seal import SECRET_BYTES, seal_of
from plimsoll.training import train_bundle
from plimsoll.validation import too_many_bad_rows
from tasks.expectations import judge_rows
from tasks.object_store import FolderStore
from tasks.workspace import PROJECT

KEPT_WHOLE = True  # a quick run shows its figures and leaves those of a whole one
IN_A_ROW, AFTER = (1, 3), 7  # nights with the fault, and nights after them
LEAST_CAUGHT = 95.0  # %


@dataclass(frozen=True)
class Lived:
    """One night as the model's ledger has it."""

    day: str
    stopped: bool  # the batch
    aside: bool  # some of its rows
    seen: Observed | None
    quality: NightlyQuality | None  # known from the next night on


@dataclass(frozen=True)
class Case:
    """A fault from some night on: whether its first night was caught and how, and the retrains it led to."""

    fault: str
    in_a_row: int
    by_suite: bool
    by_drift: bool
    during: int  # retrains on nights with the fault that the same nights without it do not have
    after: int
    rules: tuple[str, ...]


def measure(full: bool) -> Iterator[Figure]:
    """Yield how many broken nights are caught and by what, and how many retrains they lead to."""
    cases, usual = in_child(live, 20 if full else 6)
    yield plain("unchanged nights on which a retrain is decided", 100 * usual, "%")
    for fault in dict.fromkeys(case.fault for case in cases):
        mine = [case for case in cases if case.fault == fault and case.in_a_row == 1]
        suite, caught = (100 * float(np.mean([one(case) for case in mine])) for one in (by_suite, by_any))
        yield at_least(f"caught: {fault}, {len(mine)} nights ({suite:.0f} % by the suite)", caught, "%", LEAST_CAUGHT)
    for many in IN_A_ROW:
        some = [case for case in cases if case.in_a_row == many]
        what = f"{len(some)} faults of {many} {'night' if many == 1 else 'nights'}"
        yield at_most(f"{what}: retrains on those nights", sum(case.during for case in some), "", 0)
        yield at_most(f"{what}: faults that lead to a retrain in the {AFTER} nights after", led(some), "", 0)
        for fault in dict.fromkeys(case.fault for case in some if case.during + case.after):
            mine = [case for case in some if case.fault == fault]
            rules = ", ".join(sorted({rule for case in mine for rule in case.rules}))
            retrained = sum(bool(case.during + case.after) for case in mine)
            yield plain(f"{what}, of them {fault} ({rules})", retrained, f"of {len(mine)}")


def by_suite(case: Case) -> bool:
    """Return whether the suite caught it."""
    return case.by_suite


def by_any(case: Case) -> bool:
    """Return whether anything caught it."""
    return case.by_suite or case.by_drift


def led(cases: Sequence[Case]) -> int:
    """Return how many cases led to a retrain once the fault was over."""
    return sum(case.after > 0 for case in cases)


def live(starts: int) -> tuple[list[Case], float]:
    """Return all cases of so many nights, and the share of unchanged nights with a decision to retrain."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(lay_out(Path(folder) / "landing"), Path(folder))
        return service.cases(starts), service.usual


class Service:
    """A model that serves: its nights as they were, and what would have been decided with others in their place."""

    def __init__(self, given: Flights, folder: Path) -> None:
        """Train the model and live its nights."""
        self.given, self.folder = given, folder
        self.archive = Archive(FolderStore(folder / "store"), seal_of(bytes(SECRET_BYTES)))
        first, end = FIRST - timedelta(days=WINDOW_DAYS), FIRST + timedelta(days=SERVED_DAYS)
        past = given.rows[(given.rows[DATE] >= str(first)) & (given.rows[DATE] < str(FIRST))]
        self.bundle: Bundle = train_bundle(past, given.config)
        self.days = {day: rows for day, rows in given.days.items() if str(FIRST) <= day < str(end)}
        self.lived = [self.live(day, rows, "as it was") for day, rows in self.days.items()]
        self.decided = [self.decide(n, {}) for n in range(len(self.lived))]
        self.usual = float(np.mean([one.retrain for one in self.decided]))
        kinds = {feature.name: str(feature.kind) for feature in given.config.features.columns}
        self.field = field_of([rows[[*kinds]] for rows in self.days.values()], kinds)

    def live(self, day: str, rows: pd.DataFrame, what: str) -> Lived:
        """Validate, score and profile one night."""
        source = f"{what} {day}"
        verdict = judge_rows(self.archive, PROJECT, self.given.config, Assembled(len(rows), rows), source, self.folder)
        if verdict.stops or too_many_bad_rows(verdict, self.given.config.scoring.max_quarantined_share):
            return Lived(day, True, False, None, None)
        kept = verdict.keep_good(rows)
        scores = self.bundle.score(kept)
        seen = Observed(day, profile_batch(self.bundle.reference.plan, kept), sketch_scores(scores))
        return Lived(day, False, verdict.bad_keys > 0, seen, quality_of(day, kept, scores, self.bundle))

    def judge(self, n: int, instead: Mapping[int, Lived]) -> LateVerdict:
        """Return what the n-th night shows, with other nights in the place of some."""
        nights = [instead.get(m, night) for m, night in enumerate(self.lived[: n + 1])]
        late = [night.quality for night in nights[:-1] if night.quality]
        config, reference, through = self.given.config, self.bundle.reference, self.bundle.trained_through
        if nights[-1].stopped:
            return judge_late(config.drift, reference, through, nights[-1].day, late, delay_days=1)
        seen = [night.seen for night in nights if night.seen][-NIGHTS_SEEN:]
        return judge_night(config.drift, reference, through, seen, late, delay_days=1)

    def decide(self, n: int, instead: Mapping[int, Lived]) -> Decision:
        """Return the controller's decision about the n-th night."""
        policy, night = unhindered(self.given.config), instead.get(n, self.lived[n])
        return decide(facts_of(policy, night.day, self.judge(n, instead)), policy)

    def cases(self, starts: int) -> list[Case]:
        """Return every fault from some nights on, for one night and for more in a row."""
        chance, found = np.random.default_rng(SEED), list[Case]()
        good = [n for n, night in enumerate(self.lived[: -max(IN_A_ROW) - AFTER]) if not night.stopped]
        some = chance.permutation(good)[:starts].tolist()
        for fault in (fault for fault in FAULTS if fault.name in BROKEN):
            for turn, n in enumerate(some):
                broken = {n + m: self.broken(n + m, fault, turn, chance) for m in range(max(IN_A_ROW))}
                found += [self.case(fault, n, {m: broken[m] for m in range(n, n + many)}) for many in IN_A_ROW]
        return found

    def broken(self, n: int, fault: Fault, turn: int, chance: np.random.Generator) -> Lived:
        """Return the n-th night with a fault; its outcomes are as they were."""
        day = self.lived[n].day
        rows = planted(fault, self.days[day], turn, self.field, chance)
        return self.live(day, rows, f"{fault.name} {fault.strength}")

    def case(self, fault: Fault, n: int, broken: Mapping[int, Lived]) -> Case:
        """Return what became of a fault that began on the n-th night."""
        first, verdict = broken[n], self.judge(n, broken)
        inputs = isinstance(verdict, NightVerdict) and verdict.input_alarm
        scores = isinstance(verdict, NightVerdict) and verdict.scores is not None and verdict.scores.alarm
        nights = range(n, n + len(broken) + AFTER)
        told = {m: self.decide(m, broken) for m in nights if not self.decided[m].retrain}
        led_to = {m: decision.rule for m, decision in told.items() if decision.retrain}
        during = sum(m in broken for m in led_to)
        return Case(
            f"{fault.name} {fault.strength}",
            len(broken),
            first.stopped or first.aside,
            bool(inputs or scores),
            during,
            len(led_to) - during,
            tuple(led_to.values()),
        )
