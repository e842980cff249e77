"""Feature functions: the one piece of Python that a team may add, in configs/features/."""

import importlib.util
from pathlib import Path

from plimsoll.assembly import FeatureFunction
from plimsoll.errors import ConfigError
from plimsoll.model_config import ModelConfig


def load_feature_function(root: Path, config: ModelConfig) -> FeatureFunction | None:
    """Return the function that a model config names as file:function, None when it names none.

    Raises ConfigError when configs/features has no such file, or the file no such function.
    """
    if (path := feature_file(root, config)) is None:
        return None
    name = str(config.features.function).partition(":")[2]
    spec = importlib.util.spec_from_file_location(f"configs_features_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ConfigError(
            f"configs/models/{config.deployment}.yaml: features.function needs {path}, which does not exist."
        )
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a team's file: whatever is wrong in it, they must hear which file
        raise ConfigError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(function := getattr(module, name, None)):
        raise ConfigError(f"{path}: expected a function {name}(batch), found none.")
    return function  # type: ignore[no-any-return]  # its signature is the contract in docs/models.md


def feature_file(root: Path, config: ModelConfig) -> Path | None:
    """Return the file of a model's feature function, None when it has none."""
    if config.features.function is None:
        return None
    return root / "configs/features" / f"{config.features.function.partition(':')[0]}.py"
