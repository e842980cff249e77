"""The config of a version: today's, with the features that the version was trained with."""

from plimsoll.config_loading import check_config
from plimsoll.model_config import Features, ModelConfig
from plimsoll.own_features import own_features
from plimsoll.run_record import read_record
from plimsoll.store import Store, get_json
from tasks.workspace import Workspace


def own_config(workspace: Workspace, config: ModelConfig, trained_by: str) -> ModelConfig:
    """Return today's config with the features of the run that trained a version; today's where it has no record.

    Raises ConfigError where the run's features cannot be read any more, IntegrityError where they are damaged.
    """
    if (record := read_record(workspace.archive, trained_by)) is None:
        return config
    then = own_features(config.features, _recorded(workspace.store, str(record["config"]), config.model, trained_by))
    return config if then == config.features else config.model_copy(update={"features": then})


def _recorded(store: Store, digest: str, model: str, run: str) -> Features:
    return check_config(Features, get_json(store, digest).get("features") or {}, f"config of {model}, run {run}")
