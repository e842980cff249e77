"""Searching: trial after trial, each kept in the store as soon as it is finished, so that a search can be gone on with.

A trial is kept under the digest of all that could change it: rows, space, seed, folds, estimator, code and lock. How
many trials and minutes are asked for is no part of it: who asks for more later goes on.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from plimsoll import encoder, estimators, inner_folds, matrices, metrics, row_parts, trials
from plimsoll.archive import Archive, get_sealed, put_sealed
from plimsoll.code_digests import code_of
from plimsoll.digest import sha256_json
from plimsoll.errors import ConfigError, DataError, IntegrityError
from plimsoll.inner_folds import Folds
from plimsoll.matrices import Boost, boost
from plimsoll.model_config import ModelConfig
from plimsoll.search_config import Search
from plimsoll.trials import Trial, has_time, is_hopeless, same_settings, trial_from_json, with_settings
from tasks import proposals

FORMAT = 1
MADE_BY = (encoder, estimators, inner_folds, matrices, metrics, row_parts, trials, proposals)


@dataclass(frozen=True)
class Place:
    """Where the trials of one search are kept."""

    archive: Archive
    key: str

    def read(self, number: int) -> Trial | None:
        """Return a finished trial, None where it was not tried yet; IntegrityError when a byte of it changed."""
        try:
            body = get_sealed(self.archive, self._name(number))
        except IntegrityError as error:
            raise IntegrityError(
                f"{error} Nothing of it was used. A trial can be made again: remove {self._name(number)} from the "
                "store, and train again."
            ) from None
        return None if body is None else trial_from_json(body)

    def keep(self, trial: Trial) -> Trial:
        """Keep a trial, once, and return what is kept: another run of the same search may have been quicker."""
        put_sealed(self.archive, self._name(trial.number), trial.to_json())
        return self.read(trial.number) or trial

    def _name(self, number: int) -> str:
        return f"searches/{self.key}/{number:04d}.json"


def key_of(config: ModelConfig, search: Search, rows_digest: str, lock: str) -> str:
    """Return the digest of all that could change a trial."""
    how = config.model_dump(mode="json", include={"model", "estimator", "split", "features"})
    asked = search.model_dump(mode="json", exclude={"trials", "minutes", "when"})
    return sha256_json(["search", FORMAT, how, asked, config.source.kind, rows_digest, lock, code_of(MADE_BY)])


def run_trials(
    folds: Folds, config: ModelConfig, search: Search, place: Place, booster: Boost = boost
) -> Iterator[tuple[Trial, bool]]:
    """Yield trial after trial, and whether it was kept before, until there are as many as asked for or time is up."""
    done: list[Trial] = []
    while has_time(done, search):
        kept = place.read(len(done))
        trial = kept or place.keep(_try(folds, config, search, done, booster))
        done.append(trial)
        yield trial, kept is not None


def _try(folds: Folds, config: ModelConfig, search: Search, before: list[Trial], booster: Boost) -> Trial:
    """Return the next trial: done, given up after a fold, or failed with a reason."""
    settings, number = proposals.propose(search, config.estimator.kind, before), len(before)
    if same := same_settings(before, settings):
        return Trial(number, settings, same.state, same.losses, 0.0, same.error)
    begun, losses = time.perf_counter(), list[float]()
    hopeless: Callable[[], bool] = lambda: search.prune and is_hopeless(before, losses)  # noqa: E731
    try:
        for loss in folds.running_losses(with_settings(config.estimator, settings), booster):
            losses.append(loss)
            if len(losses) < len(folds.folds) and hopeless():
                return Trial(number, settings, "pruned", tuple(losses), _since(begun))
    except (ConfigError, DataError, ValueError) as error:  # of XGBoost and scikit-learn they are ValueErrors
        said = str(error).splitlines()[0][:500]
        return Trial(number, settings, "failed", tuple(losses), _since(begun), said)
    return Trial(number, settings, "complete", tuple(losses), _since(begun))


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 3)
