"""Rules as delivered

How often the rule of `gates.champion` that each delivered config asks for is wrong, read from the configs and decided
by the code that `train_model` runs, a champion's first challenger, at the config's own `split.test_days`. Beside it
stand other margins, so that a choice can be held against its neighbours.

**Flights** are scored from April on by two models whose true difference noise sets, as under Gates: **settings** were
trained on the same days, **retrain** a month later than the champion. The yardstick is AUC over the year, also for the
minutes, whose scores are asked to tell flights that came more than fifteen minutes late. Each line says how far apart
that is in the metric of the rule. Fortnights are drawn days of the year. **Samples** are those of the breast-cancer
table, each scored by a model that has not seen it; two models of other settings judge as many as the config's share
gives, drawn again and again, and the yardstick is the log loss itself, since AUC is near 1.

Each share is of 500 draws (2,000 with `--full`), so one near 5 % is known to two points. A rule that the config only
warns by refuses nothing and is not among these; `gates.slices.champion_margin` and comparisons on a holdout are not
simulated.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import DATE, MODEL, Flights, lay_out, read_days
from benchmarks.gates import BETTER, BETTER_REFUSED, PAIRS, SCORED_FROM, WORSE_PROMOTED, Model
from plimsoll.assembly import OUTCOME, attach_outcome
from plimsoll.champion_gate import confidence_of
from plimsoll.gates_config import AgainstChampion, Metric
from plimsoll.metrics import row_losses
from plimsoll.model_config import ModelConfig
from plimsoll.paired_bootstrap import Gain, Tally, paired_gain, tally
from tasks.workspace import open_workspace

SEED, DRAWS, LATE = 2013, 1000, 15.0
MOST_NOISE, HALVINGS = 6.0, 14  # in standard deviations of the scores
MINUTES, SAMPLES = "flight_delay_minutes", "breast_cancer"
FAR = 0.03  # a challenger that nobody would want
MARGINS = {MODEL: (0.005, 0.0075, 0.01, 0.05), MINUTES: (0.5, 1.0, 2.0), SAMPLES: (0.05,)}  # of the first metric

Floats = NDArray[np.float64]
Scores = tuple[Floats, Floats]  # of the challenger, of the champion
Lows = dict[Metric, Floats]  # the bound of each draw


@dataclass(frozen=True, eq=False)
class Field:
    """Rows with outcomes and their units, what two models say of them before noise, and how that is read."""

    outcome: Floats
    unit: NDArray[np.int32]
    drawn: int  # units that judge
    raw: Scores
    read: Callable[[Floats], Floats]  # raw scores to what a metric takes
    better: Callable[[Floats], float]  # how good raw scores are, on the yardstick

    @property
    def units(self) -> int:
        """How many units there are to draw from."""
        return int(self.unit.max()) + 1

    def pair(self, difference: float) -> Scores:
        """Return raw scores of a challenger that is so much better over all rows: noise makes one of them worse."""
        mine, rival = sorted(self.raw, key=self.better, reverse=True)
        on_mine = difference < self.better(mine) - self.better(rival)
        noise = np.random.default_rng([SEED, on_mine]).normal(size=len(self.outcome))
        noise *= (mine if on_mine else rival).std()
        low, high = 0.0, MOST_NOISE
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            pair = (mine + middle * noise, rival) if on_mine else (mine, rival + middle * noise)
            gap = self.better(pair[0]) - self.better(pair[1])
            low, high = (middle, high) if (gap > difference) == on_mine else (low, middle)
        return pair

    def lows(self, gates: Sequence[AgainstChampion], pair: Scores, draws: int) -> tuple[Lows, dict[Metric, float]]:
        """Return for each gate's metric the bound of every draw, and the true difference over all rows."""
        chance = np.random.default_rng([SEED, 2])
        picks = [chance.choice(self.units, self.drawn, replace=False) for _ in range(draws)]
        bounds: Lows = {}
        gaps: dict[Metric, float] = {}
        for gate in gates:
            sides = [tally(gate.metric, self.outcome, self.read(raw), self.unit, self.units) for raw in pair]
            found = (self._gain(gate, [side.of(days) for side in sides], n) for n, days in enumerate(picks))
            bounds[gate.metric] = np.array([gain.low if gain else -np.inf for gain in found])
            values = [float(side.value(np.ones((1, self.units)))[0]) for side in sides]
            gaps[gate.metric] = values[0] - values[1]
        return bounds, gaps

    def _gain(self, gate: AgainstChampion, sides: Sequence[Tally], seed: int) -> Gain | None:
        return paired_gain(sides[0], sides[1], confidence_of(gate, 1), seed, DRAWS, student=True)


def measure(full: bool) -> Iterator[Figure]:
    """Yield how often each delivered rule passes a challenger, by its true difference."""
    draws = 2000 if full else 500
    with tempfile.TemporaryDirectory() as name:
        flights = lay_out(Path(name))
        minutes = with_minutes(flights)
    for one in (flights, minutes):
        for pair, models in PAIRS.items():
            field = of_flights(one, models)
            yield from _rules(f"{one.config.model}, {pair}", one.config, field, (BETTER, 0.0, -BETTER, -FAR), draws)
    config = open_workspace().model(SAMPLES)
    yield from _rules(SAMPLES, config, of_samples(config), (0.02, 0.0, -0.02, -0.05), draws)


def _rules(name: str, config: ModelConfig, field: Field, differences: Sequence[float], draws: int) -> Iterator[Figure]:
    """Yield the shares of one config's rule and of its neighbours; goals are set for the delivered one."""
    gates = [gate for gate in config.gates.champion if gate.effect == "block"]
    told = " and ".join(f"{gate.metric} {gate.margin:g}" for gate in gates)
    first = gates[0]
    for difference in differences:
        bounds, gaps = field.lows(gates, field.pair(difference), draws)
        where = f"{name}, {_words(difference)}"
        for metric, gap in gaps.items():
            yield plain(f"{where}: difference of {metric} over all rows", gap, metric)
        within = {told: np.all([bounds[gate.metric] >= -gate.margin for gate in gates], axis=0)}
        within |= {f"{first.metric} {margin:g}": bounds[first.metric] >= -margin for margin in MARGINS[config.model]}
        for rule, passed in within.items():
            yield _judged(where, rule, difference, 100 * float(passed.mean()), delivered=rule == told)


def _words(difference: float) -> str:
    return f"{'better' if difference > 0 else 'worse'} by {abs(difference)}" if difference else "equal"


def _judged(where: str, rule: str, difference: float, passed: float, *, delivered: bool) -> Figure:
    """Return what a rule did: of a better challenger how often it refused, of others how often it promoted."""
    better = difference > 0
    figure = f"{where}: {'refused' if better else 'promoted'}, {rule}{' as delivered' if delivered else ''}"
    share, goal = (100 - passed, BETTER_REFUSED) if better else (passed, WORSE_PROMOTED)
    return at_most(figure, share, "%", goal) if delivered and difference else plain(figure, share, "%")


def with_minutes(flights: Flights) -> Flights:
    """Return the flights with minutes late as their outcome."""
    config = open_workspace().model(MINUTES)
    rows = attach_outcome(flights.rows.drop(columns=OUTCOME), read_days(flights.landing / "outcomes"), config)
    return Flights(flights.landing, config, rows)


def of_flights(flights: Flights, models: Sequence[Model]) -> Field:
    """Return what two models say of every later flight: log odds of a late one, or minutes."""
    later = flights.rows[(flights.rows[DATE] >= SCORED_FROM) & flights.rows[OUTCOME].notna()]
    outcome = later[OUTCOME].to_numpy(dtype=np.float64)
    odds = flights.config.task == "classification"
    mine, rival = (model.score(flights, later) for model in models)
    unit = np.unique(later[DATE].to_numpy(), return_inverse=True)[1].astype(np.int32)
    late = outcome if odds else outcome > LATE
    read = expit if odds else np.asarray
    return Field(
        outcome, unit, flights.config.split.test_days, (mine, rival), read, lambda raw: roc_auc_score(late, raw)
    )


def of_samples(config: ModelConfig) -> Field:
    """Return what two logistic regressions say of each sample of the table, of which neither was trained on it."""
    table = load_breast_cancer()
    outcome = 1.0 - table.target  # malignant
    usual = float(config.estimator.params["C"])
    raw = [
        cross_val_predict(
            make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)),
            table.data,
            outcome,
            cv=5,
            method="decision_function",
        )
        for c in (usual, 10 * usual)
    ]
    drawn = int(config.split.test_share * len(outcome))
    unit = np.arange(len(outcome), dtype=np.int32)
    return Field(
        outcome,
        unit,
        drawn,
        (raw[0], raw[1]),
        expit,
        lambda odds: -float(row_losses(outcome, expit(odds), "classification").mean()),
    )
