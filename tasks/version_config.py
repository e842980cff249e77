"""The config of a version: today's, with the features and joins that the version was trained with."""

from typing import Any

from plimsoll.config_loading import check_config
from plimsoll.model_config import Features, ModelConfig, Outcome
from plimsoll.own_features import lost_lookups, own_features, own_source
from plimsoll.run_record import read_record
from plimsoll.source_config import Source
from plimsoll.store import get_json
from tasks.workspace import Workspace


def own_config(workspace: Workspace, config: ModelConfig, trained_by: str) -> ModelConfig:
    """Return today's config with the features and joins of the run that trained a version.

    That is today's where it has no record. Raises ConfigError where the run's config cannot be read any more,
    IntegrityError where it is damaged.
    """
    return own_and_lost(workspace, config, trained_by)[0]


def own_and_lost(workspace: Workspace, config: ModelConfig, trained_by: str) -> tuple[ModelConfig, list[str]]:
    """Return what own_config does, and the lookups that the version needs and that today's config does not name."""
    if (then := _recorded(workspace, config, trained_by)) is None:
        return config, []
    features, source = own_features(config.features, then[0]), own_source(config.source, then[1])
    lost = lost_lookups(config.source, then[1])
    if (features, source) == (config.features, config.source):
        return config, lost
    return config.model_copy(update={"features": features, "source": source}), lost


def predicts_another(workspace: Workspace, config: ModelConfig, trained_by: str) -> bool:
    """Return whether today's outcome is another than that which a version learnt; raises what own_config does."""
    then = _recorded(workspace, config, trained_by)
    return then is not None and (then[2].column, then[2].above) != (config.outcome.column, config.outcome.above)


def _recorded(workspace: Workspace, config: ModelConfig, run: str) -> tuple[Features, Source, Outcome] | None:
    if (record := read_record(workspace.archive, run)) is None:
        return None
    body: dict[str, Any] = get_json(workspace.store, str(record["config"]))
    where = f"config of {config.model}, run {run}"
    return (
        check_config(Features, body.get("features") or {}, where),
        check_config(Source, body.get("source") or {}, where),
        check_config(Outcome, body.get("outcome") or {}, where),
    )
