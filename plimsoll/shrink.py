"""Shrinking: fewer and shallower trees whose loss surely stays within a margin.

The one-standard-error rule (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3; Hastie et al.
2009, section 7.10) takes the simplest model within one standard error of the best. That gives up the more, the fewer
days there are. Here the difference to the whole model is taken on the same rows, paired by day, and its one-sided upper
bound may not pass a margin that the team has set: few days make the bound wide, and less is given up.

Of each depth ever fewer trees are looked at, and the first bound beyond the margin ends it: a fixed sequence of tests
needs no correction (Maurer et al. 1995). The chance of a mistake is shared out among the depths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plimsoll.clustered import clustered_mean
from plimsoll.estimator_config import Estimator
from plimsoll.estimators import Boosted, Fitted
from plimsoll.inner_folds import Fold, Folds
from plimsoll.matrices import Boost, boost
from plimsoll.metrics import Numbers
from plimsoll.search_config import Shrink, Value
from plimsoll.search_space import ROUNDS
from plimsoll.trials import with_settings

DEPTH = "max_depth"
XGBOOST_DEPTH = 6  # where the config names none
DEPTH_SHARES = (1.0, 0.8, 0.6, 0.4)
STEP, SMALLEST_SHARE = 0.85, 0.04  # of the trees: each step leaves so many of them, down to this share


@dataclass(frozen=True)
class Size:
    """One smaller model beside the whole one."""

    rounds: int
    max_depth: int
    bytes: int  # of the last fold's model
    loss: float
    given_up: float  # mean loss above that of the whole model, on the same rows
    at_most: float  # its one-sided upper bound; NaN where there are too few days
    passes: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, undefined numbers as null."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class Shrunk:
    """What can be had smaller."""

    whole: Size
    chosen: Size  # the whole one where nothing smaller surely stays within the margin
    sizes: tuple[Size, ...]  # all that were looked at
    pair: tuple[Boosted, Boosted]  # whole and chosen, of the last fold: to be timed

    @property
    def smaller(self) -> bool:
        """Whether something smaller was found."""
        return self.chosen != self.whole

    def settings(self, estimator: Estimator) -> dict[str, Value]:
        """Return the settings of the chosen model; a depth only where it is another than the estimator's."""
        found: dict[str, Value] = {ROUNDS: self.chosen.rounds}
        return found | ({DEPTH: self.chosen.max_depth} if self.chosen.max_depth != depth_of(estimator) else {})


def depth_of(estimator: Estimator) -> int:
    """Return how deep an estimator's trees may grow; 0 is as deep as they like."""
    return int(estimator.params.get(DEPTH, XGBOOST_DEPTH))


def depths_to_try(depth: int) -> list[int]:
    """Return the depths that are tried, the deepest first; only itself where there is no limit or nothing below."""
    return list(dict.fromkeys(max(1, round(share * depth)) for share in DEPTH_SHARES)) if depth > 0 else [depth]


def rounds_to_try(rounds: int) -> list[int]:
    """Return the numbers of trees that are tried, all of them first."""
    steps = int(np.log(SMALLEST_SHARE) / np.log(STEP))
    return list(dict.fromkeys(max(1, round(rounds * STEP**n)) for n in range(steps + 1)))


def shrink_model(folds: Folds, estimator: Estimator, asked: Shrink, booster: Boost = boost) -> Shrunk:
    """Return the smallest model, in bytes, that surely loses no more than the margin, and all that were looked at.

    Each depth is trained once a fold; fewer trees are the first ones of those.
    """
    depths, rounds = depths_to_try(depth_of(estimator)), rounds_to_try(estimator.rounds)
    models: dict[int, Boosted] = {}
    lost: dict[int, tuple[Numbers, Numbers]] = {}
    for depth in depths:
        told = with_settings(estimator, {DEPTH: depth})
        models[depth], lost[depth] = _path(folds, told, rounds, booster)
    base, counts = lost[depths[0]][0][0], lost[depths[0]][1]
    tail = (1 - asked.confidence) / len(depths)
    sizes = [
        size
        for depth in depths
        for size in _sizes(models[depth], depth, rounds, lost[depth][0], base, counts, asked.margin, tail)
    ]
    chosen = min((one for one in sizes if one.passes), key=lambda one: (one.bytes, one.loss))
    last = models[chosen.max_depth]
    pair = models[depths[0]], Boosted(last.booster[: chosen.rounds])
    return Shrunk(sizes[0], chosen, tuple(sizes), pair)


def _path(
    folds: Folds, estimator: Estimator, rounds: Sequence[int], booster: Boost
) -> tuple[Boosted, tuple[Numbers, Numbers]]:
    """Return the last fold's model, and total losses (numbers of trees × days) and rows by day of all folds."""
    totals, counts = np.zeros((len(rounds), len(folds.rows.days))), np.zeros(len(folds.rows.days))
    booster_of_last: Any = None
    for fold in folds.folds:
        booster_of_last = _trees(folds.fit(fold, estimator, booster))
        here = np.zeros(len(counts))
        for at, scores in enumerate(_scores(booster_of_last, fold, rounds)):
            added, here = folds.losses(fold, scores)
            totals[at] += added
        counts += here
    return Boosted(booster_of_last), (totals, counts)


def _trees(fitted: Fitted) -> Any:
    if not isinstance(fitted, Boosted):
        raise TypeError(f"only trees can be shrunk, found {type(fitted).__name__}")
    return fitted.booster


def _scores(trees: Any, fold: Fold, rounds: Sequence[int]) -> Numbers:
    """Return the scores by ever fewer trees (numbers of trees × rows)."""
    pages = [
        np.stack([trees.inplace_predict(matrix, iteration_range=(0, n)) for n in rounds])
        for matrix, _ in fold.judge.read()
    ]
    return np.concatenate(pages, axis=1).astype(np.float64)


def _sizes(
    model: Boosted,
    depth: int,
    rounds: Sequence[int],
    totals: Numbers,
    base: Numbers,
    counts: Numbers,
    margin: float,
    tail: float,
) -> list[Size]:
    """Return the models of one depth, each with whether it and all with more trees pass."""
    found: list[Size] = []
    for n, lost in zip(rounds, totals, strict=True):
        more = clustered_mean(lost - base, counts)
        bound = more.bounds(tail)[1]
        whole = bool((lost == base).all())
        passes = whole or (bool(bound <= margin) and all(one.passes for one in found))
        size = len(model.booster[:n].save_raw("ubj"))
        loss = float(lost.sum() / counts.sum())
        found.append(Size(n, depth, size, loss, more.value, bound, passes))
    return found


def describe_shrunk(shrunk: Shrunk, asked: Shrink, speed: Mapping[str, float]) -> dict[str, Any]:
    """Return what record, page and terminal tell about a smaller model, as JSON."""
    body = {
        "margin": asked.margin,
        "confidence": asked.confidence,
        "taken": asked.take and shrunk.smaller,
        "whole": shrunk.whole.to_json(),
        "chosen": shrunk.chosen.to_json(),
        "speed": dict(speed),
        "looked_at": len(shrunk.sizes),
    }
    return {**body, "sentence": _sentence(shrunk, asked, speed)}


def _sentence(shrunk: Shrunk, asked: Shrink, speed: Mapping[str, float]) -> str:
    whole, chosen = shrunk.whole, shrunk.chosen
    if not shrunk.smaller:
        return f"No smaller model surely stays within {asked.margin:g} of the loss of all {whole.rounds} trees"
    depth = f" of depth {chosen.max_depth}" if chosen.max_depth != whole.max_depth else ""
    said = f"{chosen.rounds} trees{depth} are enough for {whole.rounds}"
    said += f" of depth {whole.max_depth}" if depth else ""
    gain = f"loss {chosen.given_up:+.4f}, surely at most {chosen.at_most:+.4f}; {speed['ratio']:.1f} times as fast"
    advice = "" if asked.take else ", not taken: shrink.take is false"
    return f"{said} ({gain}{advice})"
