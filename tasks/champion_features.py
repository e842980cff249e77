"""The champion's own features at a training: it is judged on the rows that its scores would be made of."""

from plimsoll.bundle import Bundle
from plimsoll.errors import DataError, IntegrityError
from plimsoll.model_config import ModelConfig
from plimsoll.own_features import reading_beside
from plimsoll.standing import Version
from tasks.features import changed_features
from tasks.records import Run
from tasks.stage import get_run_logger
from tasks.training_rows import TrainingRows
from tasks.version_config import own_config


def champion_config(run: Run) -> ModelConfig | None:
    """Return the champion's config where its features are others than today's and can be computed, else None."""
    standing = run.standing()
    champion = standing.version(standing.champion) if standing.champion else None
    if champion is None or _changed(run, champion):
        return None
    own = _own(run, champion)
    return None if own.features_key == run.config.features_key else own


def note_champion_features(run: Run, beside: ModelConfig | None, valid: TrainingRows) -> None:
    """Say with which features the champion is judged where they are not those of the candidate."""
    standing = run.standing()
    champion = standing.version(standing.champion) if standing.champion else None
    if champion is None:
        return
    changed = _changed(run, champion) if beside is None else ""
    if beside is not None:
        told = {"version": champion.number, "function": beside.features.function, "key": beside.features_key}
        run.outputs["champion_features"] = told
        get_run_logger().info("v%d is judged with its own features, %s", champion.number, beside.features.function)
    if changed:
        _note(run, changed)
    note_failed_dates(run, valid)


def note_failed_dates(run: Run, valid: TrainingRows) -> None:
    """Say on which dates the champion's own features could not be computed: it is judged on nulls there."""
    for date, why in valid.beside_failed.items():
        _note(run, f"{date}: {why}")


def _note(run: Run, sentence: str) -> None:
    known = run.outputs.setdefault("champion_features_missing", [])
    if sentence not in known:
        known.append(sentence)
        get_run_logger().warning("The champion is not judged with its own features. %s", sentence)


def judged_bundle(run: Run, champion: Version, bundle: Bundle) -> Bundle:
    """Return the champion's bundle as it reads its own features among the rows of a training.

    Raises DataError where another champion with other features came while it trained.
    """
    if _changed(run, champion) or (own := _own(run, champion)).features_key == run.config.features_key:
        return bundle
    if run.outputs.get("champion_features", {}).get("key") != own.features_key:
        raise DataError(
            f"{run.config.model} v{champion.number} became champion while this trained, with other features, so "
            f"nothing was judged. Train again: plimsoll train {run.config.model}"
        )
    return reading_beside(bundle, own)


def _own(run: Run, champion: Version) -> ModelConfig:
    return own_config(run.workspace, run.config, str(champion.trained.facts["run"]))


def _changed(run: Run, champion: Version) -> str:
    """Return why the champion's own features cannot be computed, else nothing."""
    name = f"{run.config.model} v{champion.number}"
    try:
        return changed_features(run.workspace, run.config, str(champion.trained.facts["run"]), name)
    except IntegrityError as error:
        return str(error)
