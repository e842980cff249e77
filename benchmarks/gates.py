"""Gates

How often the comparison with the champion is wrong, on real scores of real flights. Two models score every flight from
April on. Noise on the log odds of one of them sets the true difference in AUC: the mean over all fortnights that could
be drawn. Then a fortnight is drawn again and again, and `gates.champion` decides at 95 % with the code that
`train_model` runs: a champion's first challenger is held to 96 %, since those that may follow share the rest of the
error. Drawn days are any of the year, as the bootstrap assumes; runs are days in a row, as they come, which hang
together more than that.

**Settings**: both were trained on January to March, with other depths and seeds. **Retrain**: the champion was trained
on January and February, the challenger on February and March, as after a retrain; such models are good on different
days, so a fortnight tells less about them.

**Superiority** asks that the challenger is surely better. It promotes a worse one at most as often as one that is
exactly equal. **Not worse by more than** a margin is `non_inferiority`; there "worse" begins at the margin. The plain
comparison promotes whichever model has the higher number on the fortnight, which was the rule before. The bound without
the correction for few days stands beside ours, and what is refused when the first has all of the error. Five and twenty
challengers, one after the other and all equal to the champion: whether any is promoted, with the error that
`confidence_of` gives each.
Each share is of 500 fortnights (2,000 with `--full`), so one near 5 % is known to two points.

A model that is equal over the year is better in some of its seasons. In runs of days those are promoted more often than
stated, and no goal is set there for a challenger just at the border: what the fortnight says of its own season is true.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import DATE, Flights, lay_out
from plimsoll.assembly import OUTCOME
from plimsoll.champion_gate import confidence_of
from plimsoll.gates_config import AgainstChampion
from plimsoll.paired_bootstrap import Tally, paired_gain, tally
from plimsoll.training import train_bundle

SEED, DRAWS, DAYS, LEVEL = 2013, 1000, 14, 0.95
SCORED_FROM = "2013-04-01"
NOISES = np.linspace(0, 1.6, 9)  # of the log odds, in their standard deviations
BETTER, LESS = 0.01, 0.005
WORSE_PROMOTED, BETTER_REFUSED = 5.0, 20.0  # percent
CHALLENGERS = (5, 20)
GATE = AgainstChampion(metric="auc", rule="superiority", confidence=LEVEL)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator], NDArray[np.intp]]  # returns the days of one fortnight


@dataclass(frozen=True)
class Model:
    """One model to train: on which days, and how deep and from which seed."""

    since: str
    until: str
    depth: int = 5
    seed: int = 7

    def score(self, flights: Flights, rows: pd.DataFrame) -> Floats:
        """Return the log odds that the model gives rows, or the number itself."""
        estimator = flights.config.estimator
        how = {"seed": self.seed, "params": {**estimator.params, "max_depth": self.depth}}
        config = flights.config.model_copy(update={"estimator": estimator.model_copy(update=how)})
        days = flights.rows[DATE]
        bundle = train_bundle(flights.rows[(days >= self.since) & (days < self.until)], config, folds=False)
        if config.task == "regression":
            return np.asarray(bundle.score(rows))
        p = np.clip(bundle.score(rows), 1e-6, 1 - 1e-6)
        return np.asarray(np.log(p / (1 - p)))


PAIRS = {
    "settings": (Model("2013-01-01", SCORED_FROM), Model("2013-01-01", SCORED_FROM, depth=4, seed=11)),
    "retrain": (Model("2013-02-01", SCORED_FROM), Model("2013-01-01", "2013-03-01")),
}


class Pool:
    """Every later flight, scored by two models; how much noise makes them differ by how much."""

    def __init__(self, flights: Flights, models: Sequence[Model], draws: int) -> None:
        later = flights.rows[(flights.rows[DATE] >= SCORED_FROM) & flights.rows[OUTCOME].notna()]
        self.outcome = later[OUTCOME].to_numpy(dtype=np.float64)
        names, unit = np.unique(later[DATE].to_numpy(), return_inverse=True)
        self.unit, self.days, self.draws = unit.astype(np.int32), len(names), draws
        self.odds = [model.score(flights, later) for model in models]
        if auc(self.tally(0, 0.0)) < auc(self.tally(1, 0.0)):
            self.odds.reverse()  # the challenger is the better one until noise says otherwise
        self.noisy = {(side, noise): self.tally(side, noise) for side in (0, 1) for noise in NOISES}

    def tally(self, side: int, noise: float, seed: int = 0) -> Tally:
        """Return what each day adds to the AUC of one model with noise."""
        chance = np.random.default_rng([SEED, side, seed])
        odds = self.odds[side] + noise * self.odds[side].std() * chance.normal(size=len(self.outcome))
        return tally("auc", self.outcome, odds, self.unit, self.days)

    def pair(self, difference: float, draw: Draw, seed: int = 0) -> tuple[Tally, Tally]:
        """Return challenger and champion that differ so much over the fortnights that a draw gives."""
        base = self.mean_gain(self.noisy[0, 0.0], self.noisy[1, 0.0], draw)
        side = 0 if difference < base else 1  # noise on the challenger makes it worse, on the champion better
        sides = [
            (self.noisy[0, n], self.noisy[1, 0.0]) if side == 0 else (self.noisy[0, 0.0], self.noisy[1, n])
            for n in NOISES
        ]
        gains = np.array([self.mean_gain(*pair, draw) for pair in sides])
        order = np.argsort(gains)
        noise = float(np.interp(difference, gains[order], NOISES[order]))
        quiet = self.noisy[1 - side, 0.0]
        found = self.tally(side, noise, seed)
        return (found, quiet) if side == 0 else (quiet, found)

    def mean_gain(self, mine: Tally, rival: Tally, draw: Draw) -> float:
        """Return the mean difference over fortnights."""
        chance = np.random.default_rng([SEED, 1])
        picks = [draw(chance) for _ in range(self.draws)]
        return float(np.mean([auc(mine.of(days)) - auc(rival.of(days)) for days in picks]))


def measure(full: bool) -> Iterator[Figure]:
    """Yield how often a challenger is promoted by its true difference, and what other rules would have done."""
    draws = 2000 if full else 500
    with tempfile.TemporaryDirectory() as name:
        flights = lay_out(Path(name))
    for pair, models in PAIRS.items():
        pool = Pool(flights, models, draws)
        days = partial(drawn, pool.days)
        yield from _errors(pool, f"{pair}, drawn days", days, at_the_border=True)
        runs = partial(in_a_row, pool.days)
        yield from _errors(pool, f"{pair}, runs of days", runs, at_the_border=False)
        yield from _longer(pool, pair)
        for count in CHALLENGERS:
            yield from _together(pool, f"{pair}, drawn days", days, count)


def _longer(pool: Pool, pair: str) -> Iterator[Figure]:
    """Yield what more days to judge by would find."""
    for days in (28, 56):
        refused = 100 - _shares(pool, partial(drawn, pool.days, count=days), BETTER)["ours"]
        yield plain(f"{pair}, {days} drawn days, superiority, better by {BETTER}: refused", refused, "%")


def _errors(pool: Pool, how: str, draw: Draw, *, at_the_border: bool) -> Iterator[Figure]:
    """Yield the errors of each rule; at the border says whether 5 % are asked of a challenger that lies just on it."""
    bordering = at_most if at_the_border else _no_goal
    equal, better, worse = (_shares(pool, draw, difference) for difference in (0.0, BETTER, -BETTER))
    yield bordering(f"{how}, superiority, equal: promoted", equal["ours"], "%", WORSE_PROMOTED)
    yield plain(f"{how}, superiority, equal: promoted without the correction for few days", equal["uncorrected"], "%")
    yield at_most(f"{how}, superiority, worse by {BETTER}: promoted", worse["ours"], "%", WORSE_PROMOTED)
    yield at_most(f"{how}, superiority, better by {BETTER}: refused", 100 - better["ours"], "%", BETTER_REFUSED)
    whole = 100 - better["undivided"]
    yield plain(f"{how}, superiority, better by {BETTER}: refused when the first has all of the error", whole, "%")
    yield plain(f"{how}, plain comparison, equal: promoted", equal["plain"], "%")
    yield plain(f"{how}, plain comparison, worse by {BETTER}: promoted", worse["plain"], "%")
    yield plain(f"{how}, plain comparison, better by {BETTER}: refused", 100 - better["plain"], "%")
    for margin in (LESS, BETTER):
        name = f"{how}, not worse by more than {margin}"
        at, good = (_shares(pool, draw, difference, margin)["ours"] for difference in (-margin, BETTER))
        yield bordering(f"{name}, worse by just that: promoted", at, "%", WORSE_PROMOTED)
        yield at_most(f"{name}, better by {BETTER}: refused", 100 - good, "%", BETTER_REFUSED)


def _no_goal(figure: str, value: float, unit: str, _: float) -> Figure:
    return plain(figure, value, unit)


def _shares(pool: Pool, draw: Draw, difference: float, margin: float = 0.0) -> dict[str, float]:
    """Return in percent how often a challenger of a true difference is promoted, by four rules."""
    mine, rival = pool.pair(difference, draw)
    chance = np.random.default_rng([SEED, 2])
    won = {"ours": 0, "undivided": 0, "uncorrected": 0, "plain": 0}
    for n in range(pool.draws):
        days = draw(chance)
        sides = mine.of(days), rival.of(days)
        gain, whole = (paired_gain(*sides, level, n, DRAWS) for level in (confidence_of(GATE, 1), LEVEL))
        assert gain is not None
        assert whole is not None
        won["ours"] += gain.low > -margin
        won["undivided"] += whole.low > -margin
        won["plain"] += gain.gain > -margin
        won["uncorrected"] += percentile_low(*sides, n) > -margin
    return {rule: 100 * count / pool.draws for rule, count in won.items()}


def _together(pool: Pool, how: str, draw: Draw, count: int) -> Iterator[Figure]:
    """Yield how often any of several equal challengers is promoted, as the code has it and each as if alone."""
    pairs = [pool.pair(0.0, draw, seed) for seed in range(count)]
    chance = np.random.default_rng([SEED, 3])
    spent = [confidence_of(GATE, tries) for tries in range(1, count + 1)]
    won = {"spent": 0, "alone": 0}
    for n in range(pool.draws):
        days = draw(chance)
        sides = [(mine.of(days), rival.of(days)) for mine, rival in pairs]
        for rule, levels in (("spent", spent), ("alone", [LEVEL] * count)):
            won[rule] += any(_promoted(pair, level, n) for pair, level in zip(sides, levels, strict=True))
    name = f"{how}, {count} equal challengers: any promoted"
    yield at_most(name, 100 * won["spent"] / pool.draws, "%", WORSE_PROMOTED)
    yield plain(f"{name} when each is judged as if alone", 100 * won["alone"] / pool.draws, "%")


def _promoted(pair: tuple[Tally, Tally], level: float, seed: int) -> bool:
    gain = paired_gain(*pair, level, seed, DRAWS, student=True)
    return gain is not None and gain.low > 0


def drawn(days: int, chance: np.random.Generator, count: int = DAYS) -> NDArray[np.intp]:
    """Return days drawn from all of them, each once."""
    return chance.choice(days, count, replace=False)


def in_a_row(days: int, chance: np.random.Generator, count: int = DAYS) -> NDArray[np.intp]:
    """Return days in a row."""
    return int(chance.integers(0, days - count + 1)) + np.arange(count)


def percentile_low(mine: Tally, rival: Tally, seed: int) -> float:
    """Return the lower bound that the plain percentile of the draws gives."""
    units = len(mine.sums)
    weights = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), DRAWS).astype(np.float64)
    return float(np.quantile(mine.value(weights) - rival.value(weights), 1 - LEVEL))


def auc(one: Tally) -> float:
    """Return the AUC over all days of a tally."""
    return float(one.value(np.ones((1, len(one.sums))))[0])
