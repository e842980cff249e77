"""Searching and shrinking

What a search is worth on days that come later, and what a smaller model costs and saves, on real flights. As of two
days (three with `--full`) the last 90 days train, and the 28 after are scored: neither a trial nor a fit ever saw them.
**Written** are the settings that stand in the demo's config; **defaults** are XGBoost's own, with as many trees. The
search has six settings of XGBoost, 3 inner folds and a number of trials; the search that gives up early is held against
one of as many trials that finishes each. Percentages are of log loss, positive is better.

**Shrinking** starts from what the search found, with a margin of 0.002 and one of 0.01. What it cost on those later
days stands beside the margin as its goal. The speed is that of scoring assembled rows, encoding included, on this
machine, as a ratio over models in turns.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import DATE, SEAL, Flights, lay_out
from plimsoll.archive import Archive
from plimsoll.assembly import OUTCOME
from plimsoll.bundle import Bundle
from plimsoll.inner_folds import Folds, inner_folds
from plimsoll.metrics import row_losses
from plimsoll.model_config import ModelConfig
from plimsoll.operations_gate import time_ratio
from plimsoll.row_parts import rows_of
from plimsoll.search_config import Search, Shrink
from plimsoll.search_space import ROUNDS
from plimsoll.settings import settle
from plimsoll.shrink import shrink_model
from plimsoll.training import train_bundle
from plimsoll.trials import Trial, best_of
from tasks.object_store import FolderStore
from tasks.searching import Place, run_trials

AS_OF = ("2013-04-15", "2013-07-15", "2013-10-15")
TRAIN_DAYS, LATER_DAYS = 90, 28
TRIALS, FULL_TRIALS = 15, 40
MARGINS = (0.002, 0.01)
SPACE: dict[str, Any] = {
    "max_depth": {"low": 3, "high": 8},
    "learning_rate": {"low": 0.02, "high": 0.3, "log": True},
    "min_child_weight": {"low": 1, "high": 50, "log": True},
    "subsample": {"low": 0.5, "high": 1.0},
    "reg_lambda": {"low": 0.1, "high": 30, "log": True},
    ROUNDS: {"low": 50, "high": 400},
}


@dataclass(frozen=True)
class Season:
    """The days that train as of a day, and those after."""

    config: ModelConfig
    train: pd.DataFrame
    later: pd.DataFrame

    def bundle(self, config: ModelConfig) -> Bundle:
        """Return the bundle that a config trains."""
        return train_bundle(self.train, config, folds=False)

    def loss(self, bundle: Bundle) -> float:
        """Return the mean log loss of a bundle on the days after."""
        return float(row_losses(self.later[OUTCOME].to_numpy(), bundle.score(self.later), bundle.task).mean())


def measure(full: bool) -> Iterator[Figure]:
    """Yield what a search gains and costs, and what a smaller model costs and saves."""
    with tempfile.TemporaryDirectory() as name:
        flights = lay_out(Path(name) / "landing")
        told = [_season(season_of(flights, day), Path(name) / day, full) for day in AS_OF[: 3 if full else 2]]
    mean = {name: float(np.mean([one[name] for one in told])) for name in told[0]}
    trials = FULL_TRIALS if full else TRIALS
    yield plain(f"loss on later days, {trials} trials against written settings", mean["written"], "%")
    yield plain(f"loss on later days, {trials} trials against XGBoost's defaults", mean["defaults"], "%")
    yield plain("the same, worst season", min(one["defaults"] for one in told), "%")
    yield plain(f"{trials} trials, giving up early", mean["seconds"], "s")
    yield plain(f"{trials} trials, each finished", mean["seconds_whole"], "s")
    yield plain("loss on later days for giving up early", mean["pruning"], "%")
    yield plain("choosing what to try next and keeping it, a trial", 1000 * mean["proposing"], "ms")
    yield plain("shrinking", mean["seconds_shrink"], "s")
    for margin in MARGINS:
        given_up = max(one[f"given_up {margin}"] for one in told)
        yield at_most(f"margin {margin}: given up on later days, worst season", given_up, "log loss", margin)
        yield plain(f"margin {margin}: bytes of the smaller model", mean[f"bytes {margin}"], "% of the whole one")
        yield plain(f"margin {margin}: scoring with it", mean[f"speed {margin}"], "times as fast")


def season_of(flights: Flights, day: str) -> Season:
    """Return the rows around a day; the config judges nothing of what comes after it."""
    days = sorted(flights.rows[DATE].unique())
    before, after = [d for d in days if d < day][-TRAIN_DAYS:], [d for d in days if d >= day][:LATER_DAYS]
    rows = flights.rows[flights.rows[OUTCOME].notna()]
    return Season(flights.config, rows[rows[DATE].isin(before)], rows[rows[DATE].isin(after)])


def _season(season: Season, folder: Path, full: bool) -> dict[str, float]:
    plainly = settle(season.config, {})
    open_config = plainly.model_copy(update={"estimator": plainly.estimator.model_copy(update={"params": {}})})
    folds = inner_folds(rows_of(season.train), open_config, 3)
    (trials, seconds), (whole, seconds_whole) = (_searched(folds, open_config, folder, p, full) for p in (True, False))
    found = settle(open_config, _best(trials).settings)
    mine = season.bundle(found)
    loss = season.loss(mine)
    told = {"seconds": seconds, "seconds_whole": seconds_whole}
    told |= {"proposing": (seconds - sum(one.seconds for one in trials)) / len(trials)}
    rivals = {"written": plainly, "defaults": open_config, "pruning": settle(open_config, _best(whole).settings)}
    told |= {name: 100 * (season.loss(season.bundle(config)) / loss - 1) for name, config in rivals.items()}
    return told | _shrunk(season, found, folds, mine, loss)


def _searched(folds: Folds, config: ModelConfig, folder: Path, prune: bool, full: bool) -> tuple[list[Trial], float]:
    asked = {"space": SPACE, "trials": FULL_TRIALS if full else TRIALS, "minutes": 600, "prune": prune}
    place = Place(Archive(FolderStore(folder), SEAL), str(prune))
    begun = time.perf_counter()
    trials = [trial for trial, _ in run_trials(folds, config, Search.model_validate(asked), place)]
    return trials, time.perf_counter() - begun


def _best(trials: list[Trial]) -> Trial:
    best = best_of(trials)
    assert best is not None
    return best


def _shrunk(season: Season, found: ModelConfig, folds: Folds, mine: Bundle, loss: float) -> dict[str, float]:
    told: dict[str, float] = {}
    for margin in MARGINS:
        begun = time.perf_counter()
        shrunk = shrink_model(folds, found.estimator, Shrink(margin=margin))
        told["seconds_shrink"] = time.perf_counter() - begun
        small = season.bundle(settle(found, shrunk.settings(found.estimator)))
        sizes = [len(one.files["model.ubj"]) for one in (small, mine)]
        told[f"bytes {margin}"] = 100 * sizes[0] / sizes[1]
        told[f"given_up {margin}"] = season.loss(small) - loss
        score_whole, score_small = partial(mine.score, season.later), partial(small.score, season.later)
        told[f"speed {margin}"] = time_ratio(score_whole, score_small, time.perf_counter)
    return told
