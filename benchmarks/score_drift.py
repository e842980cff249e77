"""Prediction drift

How often the verdict on a model's scores is wrong, and what it finds, beside the verdict on its inputs on the same
nights. Days are shuffled as on the page on drift: 59 drawn days are the reference, other days are judged as tonight, an
alarm on an unchanged night is false. The scores are those of days that the model did not learn from: **flights**, a
model of January to March on the later days that pass the suite; **generated**, days whose effects hang together, scored
by a formula of four of their columns. One in 20 and one in 60 are asked; the goals are those of data drift.

**Found** is power at one in 20. All scores of a night moved by so many sd of the log odds are what only the scores
show: the inputs are as they were. A fault in one column, each column in its turn, moves the scores as far as the model
looks at that column; so the verdict on scores says less often that something moved, and what it says is about the
model.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.children import in_child
from benchmarks.drift import LEVELS, POINTS, REFERENCE_DAYS
from benchmarks.drift_tables import SEED, Chance, Table, flights, generated
from benchmarks.figures import Figure, near, plain
from benchmarks.flights import lay_out
from plimsoll.drift import alarms, measure_bag
from plimsoll.drift_faults import FAULTS, field_of
from plimsoll.drift_measures import column_days
from plimsoll.profile import Profile, plan_profile, profile_batch
from plimsoll.row_parts import DATE
from plimsoll.score_reference import score_reference, tally_scores
from plimsoll.score_sketch import sketch_scores
from plimsoll.training import train_bundle

KEPT_WHOLE = True  # a quick run shows its figures and leaves those of a whole one
TRAINED_BEFORE = "2013-04-01"
TONIGHTS = 16  # unchanged nights of a shuffle
SHIFTS = (0.05, 0.1, 0.25, 0.5)  # sd of the log odds
PLANTED = ("mean shift", "unit error", "mass moved to a category", "more nulls", "two columns swapped")
SCORES, INPUTS = "scores", "inputs"

Floats = NDArray[np.float64]
Score = Callable[[pd.DataFrame], Floats]


class Bench:
    """Days, the model that scores them, and what both verdicts say of one beside others."""

    def __init__(self, table: Table, score: Score) -> None:
        """Score and profile every day."""
        self.score, self.days = score, [*table.rows.values()]
        self.about = field_of(self.days, table.kinds)
        self.scores = [score(rows) for rows in self.days]
        self.sd = float(np.std(log_odds(np.concatenate(self.scores))))
        of_days = zip(table.rows, self.scores, strict=True)
        tallies = [tally_scores(np.full(len(found), day), found, np.zeros(len(found))) for day, found in of_days]
        reference = score_reference(tallies)
        assert reference is not None
        self._of_scores = reference
        self._plans = {SCORES: (reference.plan,), INPUTS: plan_profile(pd.concat(self.days), table.kinds)}
        self._kept = {
            SCORES: [self.of_scores(found) for found in self.scores],
            INPUTS: [self.of_inputs(rows) for rows in self.days],
        }
        self._columns = {
            name: [column_days(one, self._kept[name]) for one in plan] for name, plan in self._plans.items()
        }

    def of_scores(self, found: Floats) -> Profile:
        """Return the profile of a night's scores."""
        return self._of_scores.profile(sketch_scores(found))

    def of_inputs(self, rows: pd.DataFrame) -> Profile:
        """Return the profile of a night's rows."""
        return profile_batch(self._plans[INPUTS], rows)

    def unchanged(self, verdict: str, held: list[int], tonight: int) -> list[bool]:
        """Return whether a day as it is alarms beside others, at each level."""
        measures = measure_bag([column.take([*held, tonight]) for column in self._columns[verdict]])
        return [alarms(measures, level) for level in LEVELS]

    def found(self, verdict: str, held: list[int], tonight: Profile) -> bool:
        """Return whether a night that was changed alarms at the first level."""
        bag = [*(self._kept[verdict][day] for day in held), tonight]
        return alarms(measure_bag([column_days(one, bag) for one in self._plans[verdict]]), LEVELS[0])

    def in_order(self, verdict: str) -> float:
        """Return the share of later days that alarm against the first ones, in the order of the calendar."""
        held = [*range(REFERENCE_DAYS)]
        return statistics.fmean(self.unchanged(verdict, held, n)[0] for n in range(REFERENCE_DAYS, len(self.days)))


def measure(full: bool) -> Iterator[Figure]:
    """Yield false alarms of both verdicts, and what each finds of shifts of the scores and of faults in columns."""
    draws = 200 if full else 40
    yield from in_child(of_flights, draws)
    yield from told("generated", Bench(generated(180, SEED), formula), draws)


def of_flights(draws: int) -> list[Figure]:
    """Return the figures of flights."""
    days, _ = flights(1, 0)
    with tempfile.TemporaryDirectory() as folder:
        given = lay_out(Path(folder) / "landing")
    bundle = train_bundle(given.rows[given.rows[DATE] < TRAINED_BEFORE], given.config)
    later = Table({day: rows for day, rows in days.rows.items() if day >= TRAINED_BEFORE}, days.kinds)
    return [*told("flights", Bench(later, bundle.score), draws)]


def formula(rows: pd.DataFrame) -> Floats:
    """Return a score of generated rows."""
    odds = 0.8 * rows["steady"] + 0.4 * rows["moving"].fillna(0) + 0.3 * (rows["kind"] == "a") + 0.1 * rows["count"]
    return np.asarray(1 / (1 + np.exp(1 - odds)), dtype=np.float64)


def told(name: str, bench: Bench, draws: int) -> Iterator[Figure]:
    """Yield the figures of one table."""
    chance = np.random.default_rng(SEED)
    false: dict[str, list[list[bool]]] = {SCORES: [], INPUTS: []}
    hits: dict[str, dict[str, list[bool]]] = {}
    for draw in range(draws):
        order = chance.permutation(len(bench.days)).tolist()
        held, others = order[:REFERENCE_DAYS], order[REFERENCE_DAYS:][:TONIGHTS]
        for verdict, seen in false.items():
            seen.extend(bench.unchanged(verdict, held, tonight) for tonight in others)
        for what, tonight in changed(bench, others[0], draw, chance):
            for verdict, profile in tonight.items():
                hits.setdefault(what, {}).setdefault(verdict, []).append(bench.found(verdict, held, profile))
    for verdict, seen in false.items():
        yield from rates(f"{name}, {verdict}", seen)
        yield plain(
            f"{name}, {verdict}: later nights that alarm at 5 %, unshuffled", 100 * bench.in_order(verdict), "%"
        )
    for what, by_verdict in hits.items():
        shares = {verdict: 100 * statistics.fmean(found) for verdict, found in by_verdict.items()}
        beside = f" (in the inputs {shares[INPUTS]:.0f} %)" if INPUTS in shares else ""
        yield plain(f"{name}: found in the scores: {what}, {draws} nights{beside}", shares[SCORES], "%")


def rates(name: str, seen: list[list[bool]]) -> Iterator[Figure]:
    """Yield the shares of unchanged nights that alarm at each level."""
    often, rarely = (100 * statistics.fmean(one[level] for one in seen) for level in range(len(LEVELS)))
    yield near(f"{name}: false alarms at 5 %, {len(seen):,} nights", often, "%", 5, POINTS)
    stated = 100 / LEVELS[1]
    told = near(f"{name}: at one in 60, {len(seen):,} nights", rarely, "%", stated, stated)
    yield replace(told, met=stated / 2 <= rarely <= 2 * stated)


def changed(bench: Bench, night: int, turn: int, chance: Chance) -> Iterator[tuple[str, dict[str, Profile]]]:
    """Yield a night with every change: the profiles of its scores, and of its inputs where these changed."""
    for shift in SHIFTS:
        moved = 1 / (1 + np.exp(-(log_odds(bench.scores[night]) + shift * bench.sd)))
        yield f"all scores moved by {shift:g} sd", {SCORES: bench.of_scores(moved)}
    for fault in (fault for fault in FAULTS if fault.name in PLANTED):
        if struck := fault.choose(bench.about, turn, chance):
            rows = fault.plant(bench.days[night], struck, bench.about, chance)
            profiles = {SCORES: bench.of_scores(bench.score(rows)), INPUTS: bench.of_inputs(rows)}
            yield f"{fault.name} {fault.strength}", profiles


def log_odds(scores: Floats) -> Floats:
    """Return the log odds of scores."""
    inside = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)
