"""Feature functions: the one piece of Python that a team may add, in configs/features/; and whether it is as it was."""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NamedTuple

from plimsoll.archive import Archive
from plimsoll.assembly import FeatureFunction
from plimsoll.digest import sha256_hex
from plimsoll.errors import ConfigError, IntegrityError
from plimsoll.feature_source import means_the_same
from plimsoll.model_config import ModelConfig
from plimsoll.run_record import read_record
from plimsoll.store import get_json, object_key, put_object
from tasks.git import read_source
from tasks.secrecy import refuse_passwords, refuse_secrets
from tasks.source_tree import recorded_tree
from tasks.version_config import own_config
from tasks.workspace import Workspace

FOLDER = "configs/features"


class Trained(NamedTuple):
    """The feature function that a run had."""

    function: str  # file:function; empty without one
    digest: str  # of its file
    commit: str  # empty outside git


class _Uncached(SourceFileLoader):
    """Runs the bytes that lie there: Python takes bytecode for that of any file of the same size and second."""

    def path_stats(self, path: str) -> dict[str, float]:
        """Say that nothing is known of the file's age, so that no bytecode is read or written."""
        raise OSError(path)


def load_feature_function(root: Path, config: ModelConfig) -> FeatureFunction | None:
    """Return the function that a model config names as file:function, None when it names none.

    Raises ConfigError when configs/features has no such file, or the file no such function.
    """
    if (path := feature_file(root, config)) is None:
        return None
    name = str(config.features.function).partition(":")[2]
    module_name = f"configs_features_{path.stem}"
    loader = _Uncached(module_name, str(path))
    spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
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
    return root / feature_name(config.features.function)


def feature_name(function: str) -> str:
    """Return the name of the file of file:function, from the project folder."""
    return f"{FOLDER}/{function.partition(':')[0]}.py"


def keep_feature_file(workspace: Workspace, config: ModelConfig) -> None:
    """Keep the source of a model's feature function as an object: what scores later is compared with it.

    The record of the run names it in its list of source files.
    """
    path = feature_file(workspace.root, config)
    if path is not None and path.is_file():
        refuse_secrets(data := path.read_bytes(), name := feature_name(str(config.features.function)))
        refuse_passwords(data, name)
        put_object(workspace.store, data)


def changed_features(workspace: Workspace, config: ModelConfig, trained_by: str, name: str) -> str:
    """Return in a sentence why the feature function of a version is not what it was trained with, else nothing.

    The function that its own training named is looked at, whichever today's config names. Comments, layout, docstrings
    and what the function does not reach in its file may differ. trained_by is the training run, name the version in
    words. Raises ConfigError for a function of today's config that is not there, IntegrityError where the run's record
    is gone or damaged.
    """
    then = _trained(workspace.archive, trained_by)
    own = own_config(workspace, config, trained_by)
    try:
        load_feature_function(workspace.root, own)
    except ConfigError as error:
        if own.features.function == config.features.function:
            raise  # one that is not there, or cannot be imported, says so itself
        return f"{name} was trained with the feature function {then.function}. {error} {_back(then, config.model)}"
    path = feature_file(workspace.root, own)
    if path is None or sha256_hex(now := path.read_bytes()) == then.digest:
        return ""
    place, entry = feature_name(then.function), then.function.partition(":")[2]
    before = workspace.store.get(object_key(then.digest)) or read_source(workspace.root, then.commit, place)
    if before is not None and sha256_hex(before) == then.digest and means_the_same(before, now, entry):
        return ""
    known = "computes something else than" if before is not None else "has other bytes than"
    lost = f"{place} {known} what {name} was trained with, so its scores would mean nothing."
    return f"{lost} {_back(then, config.model)}"


def _back(then: Trained, model: str) -> str:
    """Return what to do about a function that is not as it was."""
    commit = f", commit {then.commit[:12]} as it was then" if then.commit else ""
    return (
        f"Put that function back (object {then.digest[:12]} of the store{commit}), and the new one beside it under "
        f"another name, which features.function of the config names: then this version scores on until a new one is "
        f"approved. plimsoll train {model}"
    )


def _trained(archive: Archive, run_id: str) -> Trained:
    record = read_record(archive, run_id)
    if record is None:
        raise IntegrityError(f"Run {run_id} has no record, so nobody knows with which feature function it trained.")
    function = str((get_json(archive.store, record["config"]).get("features") or {}).get("function") or "")
    digest = recorded_tree(archive.store, record["code"]).get(feature_name(function), "") if function else ""
    return Trained(function, digest, str(record["code"]["commit"]))
