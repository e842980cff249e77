"""Settling: the settings that a training run takes, found by a search, taken over from the champion, or as written."""

from plimsoll.errors import DataError, UserError
from plimsoll.inner_folds import Folds, inner_folds
from plimsoll.matrices import Boost
from plimsoll.row_parts import Rows
from plimsoll.run_record import read_record
from plimsoll.search_config import Search, Value
from plimsoll.settings import Settings, describe_trials, question_of, reused, searches_anew, settle
from plimsoll.store import put_json
from plimsoll.trials import Trial, best_of
from tasks.records import Run
from tasks.searching import Place, key_of, run_trials
from tasks.shrinking import offer_smaller
from tasks.stage import get_run_logger, stage
from tasks.trainers import booster_of


def require_question(run: Run, search: bool) -> None:
    """Raise UserError when a search is asked for and the config says nothing about what to search."""
    if search and run.config.search is None and run.config.shrink is None:
        raise UserError(
            f"configs/models/{run.config.deployment}.yaml has no part search or shrink, so --search has nothing to "
            "look for. docs/tuning.md says how to write one."
        )


@stage
def settle_settings(run: Run, rows: Rows, search: bool) -> None:
    """Settle the estimator's settings; from here on the run's config has them, and its record says where from."""
    if run.config.search is None and run.config.shrink is None:
        return
    known = known_settings(run)
    if searches_anew(run.config, search, known):
        _take(run, _found(run, rows))
    else:
        _take(run, known or _as_written(run))


@stage
def take_known_settings(run: Run) -> None:
    """Take the champion's settings where they answer what the config asks, else those of the config; no search."""
    if run.config.search is not None or run.config.shrink is not None:
        _take(run, known_settings(run) or _as_written(run))


def known_settings(run: Run) -> Settings | None:
    """Return the settings that the champion was trained with, None where they answer another question."""
    standing = run.standing()
    champion = standing.version(standing.champion) if standing.champion else None
    if champion is None:
        return None
    record = read_record(run.workspace.archive, str(champion.trained.facts["run"]))
    end = (record or {}).get("end") or {"outputs": {}}
    return reused(run.config, end["outputs"].get("settings"), champion.number)


def said_of_settings(run: Run) -> str:
    """Return how a run's settings came to be, as the end of a sentence; empty where nothing was searched."""
    return f" {run.outputs['settings']['sentence']}." if "settings" in run.outputs else ""


def _take(run: Run, settings: Settings) -> None:
    run.config = settle(run.config, settings.values)
    run.outputs["settings"] = settings.to_json()
    run.outputs["settled_config"] = put_json(run.store, run.config.model_dump(mode="json"))
    run.parents += [settings.found_by] if settings.origin == "champion" else []
    get_run_logger().info("%s: %s", settings.sentence, dict(settings.values))


def _as_written(run: Run) -> Settings:
    return Settings(question_of(run.config), {}, "written", "", "Settings as the config has them, none were searched")


def _found(run: Run, rows: Rows) -> Settings:
    """Return the settings that a search and a shrinking find, and note in the record what they saw."""
    config, values, said = run.config, dict[str, Value](), list[str]()
    folds = inner_folds(rows, config, config.search.folds if config.search else (config.shrink or Search).folds)
    with booster_of(run) as booster:
        if config.search:
            values |= _searched(run, config.search, folds, booster)
            said.append(run.outputs["search"]["sentence"])
        if config.shrink:
            settled = settle(config, values)
            offer = offer_smaller(run.store, folds, settled, config.shrink, booster)
            run.outputs["shrink"] = offer.told
            values |= offer.settings
            said.append(offer.told["sentence"])
    return Settings(question_of(config), values, "found", run.id, ". ".join(said))


def _searched(run: Run, search: Search, folds: Folds, booster: Boost) -> dict[str, Value]:
    """Return the settings of the best trial; DataError when not one could be trained."""
    key = key_of(run.config, search, str(run.outputs["rows_digest"]), run.start.environment.lock)
    trials: list[Trial] = []
    kept = 0
    for trial, was_kept in run_trials(folds, run.config, search, Place(run.workspace.archive, key), booster):
        trials.append(trial)
        kept += was_kept
        _log(trial, trials, search)
    best = best_of(trials)
    told = describe_trials(trials, kept, run.config.task)
    run.outputs["search"] = {**told, "key": key, "trials": put_json(run.store, [one.to_json() for one in trials])}
    if best is None:
        raise DataError(
            f"{run.config.model}: none of {len(trials)} trials could be trained. The first said: {trials[0].error} "
            "Narrow search.space to what the estimator takes."
        )
    return dict(best.settings)


def _log(trial: Trial, trials: list[Trial], search: Search) -> None:
    best, loss = best_of(trials), f"{trial.loss:.5f}" if trial.loss is not None else "none"
    so_far = f"best {best.loss:.5f} in trial {best.number}" if best else "none complete"
    get_run_logger().info(
        "Trial %d of %d: %s, loss %s, %.1f s; %s", trial.number, search.trials, trial.state, loss, trial.seconds, so_far
    )
