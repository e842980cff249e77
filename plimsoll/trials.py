"""Trials of a search: what was tried, what came of it, when one is given up, and which was best."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from plimsoll.estimator_config import Estimator
from plimsoll.search_config import Search, Value
from plimsoll.search_space import ROUNDS

State = Literal["complete", "pruned", "failed"]
BEFORE_PRUNING = 5  # trials that have to be complete: a median of fewer says little
DIGITS = 6  # of a number that is tried: short to read, and the same number when it is written down


@dataclass(frozen=True)
class Trial:
    """One set of settings and what it lost."""

    number: int
    settings: Mapping[str, Value]
    state: State
    losses: tuple[float, ...]  # mean loss of all rows judged so far, after each fold
    seconds: float  # that it took where it was run; part of the budget, nothing else
    error: str = ""  # why it failed

    @property
    def loss(self) -> float | None:
        """Mean loss of a row over the folds that were reached; None where not one was."""
        return self.losses[-1] if self.losses else None

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON."""
        return {**asdict(self), "settings": dict(self.settings), "losses": list(self.losses)}


def trial_from_json(body: Mapping[str, Any]) -> Trial:
    """Return a trial from its JSON."""
    return Trial(**{**body, "losses": tuple(body["losses"])})


def is_hopeless(before: Sequence[Trial], losses: Sequence[float]) -> bool:
    """Return whether a trial is given up after its last fold: it lost more than the median of complete ones by then.

    The median stopping rule of Golovin et al. 2017 (Google Vizier, section 3.2.2): running means are compared fold by
    fold, since folds differ in how hard they are.
    """
    rivals = [one.losses[len(losses) - 1] for one in before if one.state == "complete"]
    return len(rivals) >= BEFORE_PRUNING and losses[-1] > statistics.median(rivals)


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the complete trial with the least loss, the earlier of equals; None when there is none."""
    complete = [one for one in trials if one.state == "complete"]
    return min(complete, key=lambda one: (one.losses[-1], one.number), default=None)


def has_time(trials: Sequence[Trial], search: Search) -> bool:
    """Return whether another trial may begin: the first always, others within the trials and minutes asked for.

    Seconds are those of the trials themselves, so a search that is gone on with has what its first part left over, and
    one that was finished begins no more.
    """
    spent = sum(one.seconds for one in trials)
    return not trials or (len(trials) < search.trials and spent < 60 * search.minutes)


def same_settings(before: Sequence[Trial], settings: Mapping[str, Value]) -> Trial | None:
    """Return an earlier trial of exactly these settings: it would lose the same again."""
    return next((one for one in before if one.settings == settings), None)


def with_settings(estimator: Estimator, settings: Mapping[str, Value]) -> Estimator:
    """Return an estimator with settings that were found."""
    params = {name: value for name, value in settings.items() if name != ROUNDS}
    rounds = int(settings.get(ROUNDS, estimator.rounds))
    return estimator.model_copy(update={"rounds": rounds, "params": {**estimator.params, **params}})


def rounded(value: float, low: float, high: float) -> float:
    """Return a number with few digits, still within its limits."""
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)
