"""Optuna: which settings to try next, given all trials so far.

A study is made anew for every trial, told of all those before it, and its sampler is seeded for this trial alone. So
what is proposed depends on the trials before and the seed, and on nothing else: a search that was killed and gone on
with proposes what an undisturbed one would have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plimsoll.search_config import Search, Span, Value
from plimsoll.search_space import is_whole
from plimsoll.trials import Trial, rounded

STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


def propose(search: Search, kind: str, before: Sequence[Trial]) -> dict[str, Value]:
    """Return the settings to try next, by name.

    By the tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS), after ten random trials; the first trial
    has the start values.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {name: _distribution(span, is_whole(kind, name)) for name, span in sorted(search.space.items())}
    seed = int(np.random.SeedSequence([search.seed, len(before)]).generate_state(1)[0])
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.add_trials([_told(one, space) for one in before])
    if not before and (starts := _starts(search, kind)):
        study.enqueue_trial(starts)
    return {name: _tidy(value, search.space[name]) for name, value in study.ask(space).params.items()}


def _starts(search: Search, kind: str) -> dict[str, Value]:
    """Return the values to begin with; a whole number may be written with a point."""
    given = {name: (span.start, span.choices) for name, span in search.space.items() if span.start is not None}
    return {
        name: int(start) if is_whole(kind, name) and choices is None else start
        for name, (start, choices) in given.items()
    }


def _distribution(span: Span, whole: bool) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if span.choices is not None:
        return CategoricalDistribution(span.choices)
    low, high = span.low or 0.0, span.high or 0.0
    if whole:
        return IntDistribution(int(low), int(high), log=span.log)
    return FloatDistribution(low, high, log=span.log)


def _told(trial: Trial, space: Mapping[str, Any]) -> Any:
    from optuna.trial import TrialState, create_trial

    return create_trial(
        state=TrialState[STATES[trial.state]],
        params=dict(trial.settings),
        distributions=dict(space),
        value=trial.loss if trial.state == "complete" else None,
        intermediate_values=dict(enumerate(trial.losses)),
    )


def _tidy(value: Any, span: Span) -> Value:
    """Return a value with few digits; those of a list stay as they were written."""
    if span.choices is None and isinstance(value, float):
        return rounded(value, span.low or 0.0, span.high or 0.0)
    return value  # type: ignore[no-any-return]
