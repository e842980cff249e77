"""Feature functions: the one piece of Python that a team may add, in configs/features/; and whether it is as it was."""

import ast
from pathlib import Path
from typing import NamedTuple

from plimsoll.archive import Archive
from plimsoll.assembly import FeatureFunction
from plimsoll.digest import sha256_file, sha256_hex
from plimsoll.errors import ConfigError, IntegrityError
from plimsoll.feature_imports import Reader, imported_files
from plimsoll.feature_source import Source, means_the_same
from plimsoll.model_config import ModelConfig
from plimsoll.run_record import read_record
from plimsoll.store import get_json, object_key, put_object
from tasks.feature_modules import hint, load_module
from tasks.git import read_source
from tasks.secrecy import refuse_passwords, refuse_secrets
from tasks.source_tree import recorded_tree
from tasks.version_config import own_and_lost
from tasks.workspace import Workspace

FOLDER = "configs/features"


class Trained(NamedTuple):
    """The feature function that a run had."""

    function: str  # file:function; empty without one
    files: dict[str, str]  # digests of the files of its folder, by name
    commit: str  # empty outside git

    @property
    def digest(self) -> str:
        """The digest of its file; empty without one."""
        return self.files.get(feature_name(self.function), "")


def load_feature_function(root: Path, config: ModelConfig) -> FeatureFunction | None:
    """Return the function that a model config names as file:function, None when it names none.

    Raises ConfigError when configs/features has no such file, or the file no such function.
    """
    if (path := feature_file(root, config)) is None:
        return None
    name = str(config.features.function).partition(":")[2]
    if not path.is_file():
        raise ConfigError(
            f"configs/models/{config.deployment}.yaml: features.function needs {path}, which does not exist."
        )
    try:
        module = load_module(path.parent, path.stem)
    except Exception as error:  # a team's file: whatever is wrong in it, they must hear which file
        said = f"{path} cannot be imported: {type(error).__name__}: {error}"
        raise ConfigError(f"{said.rstrip('.')}.{hint(error, path.parent)}") from error
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


def feature_files(root: Path, config: ModelConfig) -> dict[str, Path]:
    """Return the file of a model's feature function and those of its folder that it imports, by name, in order.

    One that is no Python imports nothing: loading it says so.
    """
    path = feature_file(root, config)
    if path is None or not path.is_file():
        return {}
    try:
        beside = imported_files([ast.parse(path.read_bytes())], path.name, reader(path.parent))
    except (SyntaxError, ValueError):
        beside = {}
    return {f"{FOLDER}/{name}": path.parent / name for name in sorted({path.name, *beside})}


def reader(folder: Path) -> Reader:
    """Return what reads the files of a folder by their paths in it."""

    def read(name: str) -> bytes | None:
        path = folder / name
        return path.read_bytes() if path.is_file() else None

    return read


def keep_feature_files(workspace: Workspace, config: ModelConfig) -> None:
    """Keep the source of a model's feature function as objects: what scores later is compared with it.

    The record of the run names them in its list of source files. Raises ConfigError for a function that is not there.
    """
    load_feature_function(workspace.root, config)  # before anything else is read
    for name, path in feature_files(workspace.root, config).items():
        refuse_secrets(data := path.read_bytes(), name)
        refuse_passwords(data, name)
        put_object(workspace.store, data)


def changed_features(workspace: Workspace, config: ModelConfig, trained_by: str, name: str) -> str:
    """Return in a sentence why a version's rows cannot be made as those that it was trained with, else nothing.

    The function and lookups that its own training named are looked at, whichever today's config names. Comments,
    layout, docstrings and what the function does not reach in its file may differ. trained_by is the training run, name
    the version in words. Raises ConfigError for a function of today's config that is not there, IntegrityError where
    the run's record is gone or damaged.
    """
    then = _trained(workspace.archive, trained_by)
    try:
        own, gone = own_and_lost(workspace, config, trained_by)
    except ConfigError as error:
        return (
            f"{name} was trained with features that cannot be read any more. {error} Train and approve a new version."
        )
    if gone:
        return (
            f"{name} was trained with the lookup {' and '.join(gone)}, which configs/models/{config.deployment}.yaml "
            f"does not name now. Put it back beside the new ones until no version that scores needs it."
        )
    try:
        load_feature_function(workspace.root, own)
    except ConfigError as error:
        if own.features.function == config.features.function:
            raise  # one that is not there, or cannot be imported, says so itself
        return f"{name} was trained with the feature function {then.function}. {error} {_back(then, config.model)}"
    if not then.function or not (lost := _otherwise(workspace, own, then, name)):
        return ""
    return f"{lost} {_back(then, config.model)}"


def _otherwise(workspace: Workspace, own: ModelConfig, then: Trained, name: str) -> str:
    """Return in a sentence that a function computes something else than it did, or may, else nothing."""
    files, place, before = feature_files(workspace.root, own), feature_name(then.function), _reader_of(workspace, then)
    now = Source(files[place].read_bytes(), Path(place).name, reader(workspace.root / FOLDER))
    try:
        source = before(now.file)
    except ValueError:
        source = None
    if source is not None and means_the_same(Source(source, now.file, before), now, then.function.partition(":")[2]):
        return ""
    others = [file for file, path in files.items() if sha256_file(path) != then.files.get(file, "")]
    by = f", by {' and '.join(others)} that it imports," if others and place not in others else ""
    known = "computes something else than" if source is not None else "has other bytes than"
    return f"{place}{by} {known} what {name} was trained with, so its scores would mean nothing."


def _reader_of(workspace: Workspace, then: Trained) -> Reader:
    """Return what reads the folder as it was: from the store, as it lies there now where it is the same, or from git.

    It raises ValueError for a file that was there and that nobody has any more.
    """

    def read(name: str) -> bytes | None:
        if (digest := then.files.get(place := f"{FOLDER}/{name}")) is None:
            return None
        today = reader(workspace.root / FOLDER)(name)
        if today is not None and sha256_hex(today) == digest:
            return today
        data = workspace.store.get(object_key(digest)) or read_source(workspace.root, then.commit, place)
        if data is None or sha256_hex(data) != digest:
            raise ValueError(place)
        return data

    return read


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
    tree = recorded_tree(archive.store, record["code"]) if function else {}
    files = {name: digest for name, digest in tree.items() if name.startswith(f"{FOLDER}/")}
    return Trained(function, files, str(record["code"]["commit"]))
