"""The workspace: configs, store and folders that every task needs, opened once per run."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from plimsoll.approvers_config import ApproversConfig
from plimsoll.archive import Archive
from plimsoll.config_loading import check_config, nearest, overlay, parse_config, parse_yaml
from plimsoll.digest import sha256_hex
from plimsoll.errors import ConfigError
from plimsoll.families import members_of
from plimsoll.model_config import ModelConfig
from plimsoll.platform_config import PlatformConfig
from plimsoll.store import Store
from tasks.object_store import open_store
from tasks.signing import VARIABLE, FileWitness, open_seal

PREFIX = "PLIMSOLL_"
# which project folder, who sits at the terminal, and the one secret
NOT_CONFIG = frozenset({f"{PREFIX}ROOT", f"{PREFIX}USER", VARIABLE})
PROJECT = Path(__file__).parents[1]
FILE_NAME = re.compile(r"[a-z][a-z0-9_]*")
FEW = 5  # names that a sentence lists


@dataclass(frozen=True)
class Workspace:
    """The project folder, its effective platform config, and what follows from them."""

    root: Path
    platform: PlatformConfig  # resolved: a folder named {home} is nobody's home

    def __post_init__(self) -> None:
        """Refuse a config that was not resolved, which would write beside whoever runs it."""
        if "{home}" in self.platform.model_dump_json():
            raise ValueError("The platform config still says {home}: see resolved().")

    @cached_property
    def store(self) -> Store:
        """The object store."""
        return open_store(self.platform.store)

    @cached_property
    def archive(self) -> Archive:
        """The store with the keys that sign what is written to it, and the witness of its ledgers."""
        folder = self.home / "witness" / sha256_hex(self.platform.store.url.encode())[:16]
        return Archive(self.store, open_seal(self.platform, self.store), FileWitness(folder))

    @property
    def home(self) -> Path:
        """The folder of local state."""
        return Path(self.platform.home)

    @property
    def data(self) -> Path:
        """The data root that model configs' paths start from."""
        return Path(self.platform.data)

    @property
    def reports(self) -> Path:
        """The folder of pages made for people."""
        return self.home / "reports"

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models, of every config and every member; ConfigError where a template is unreadable."""
        return tuple(sorted(one for name, _ in self._configs() for one in (self.members(name) or (name,))))

    @property
    def listed(self) -> tuple[str, ...]:
        """The names of all models, and by its own name a family whose template cannot be read: it harms no other."""
        return tuple(sorted(one for name, _ in self._configs() for one in self._members_or_itself(name)))

    def members(self, family: str) -> tuple[str, ...]:
        """Return the models of a family in the order of its values, none when it is no family."""
        return tuple(self._family(family))

    def model(self, name: str) -> ModelConfig:
        """Return a model's config; ConfigError names the nearest model when there is none, and a family's members."""
        if members := self.members(name):
            raise ConfigError(
                f"{name} is a family of {len(members)} models: {few_of(members)}. This needs one of them."
            )
        path = self.root / "configs/models" / f"{name}.yaml"
        if FILE_NAME.fullmatch(name) and path.is_file():
            return _checked(parse_yaml(path.read_text(), self._shown(path)), name, self._shown(path))
        for family, where in self._configs():
            if name.startswith(f"{family}_") and (body := self._family(family).get(name)):
                return check_config(ModelConfig, body, f"{self._shown(where)} ({name})")
        raise ConfigError(f"No model named {name!r} in configs/models.{nearest(name, list(self.listed))}")

    def _members_or_itself(self, name: str) -> tuple[str, ...]:
        try:
            return self.members(name) or (name,)
        except ConfigError:
            return (name,)

    def _configs(self) -> list[tuple[str, Path]]:
        return sorted((path.stem, path) for path in (self.root / "configs/models").glob("*.yaml"))

    def _family(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the configs of a family's members by their names; none when it is no family."""
        path = self.root / "configs/models" / f"{name}.yaml"
        if not FILE_NAME.fullmatch(name) or not path.is_file():
            return {}
        if not (members := _members(path.read_text(), name, where := self._shown(path))):
            return {}  # most configs: a hundred of them do not list the folder a hundred times
        if taken := sorted(set(members) & {stem for stem, _ in self._configs()}):
            raise ConfigError(f"{where}: for_each makes {taken[0]}, which has a config of its own. Rename one of them.")
        for other in (stem for stem, _ in self._configs() if stem != name and _may_share(stem, name)):
            if shared := sorted(set(members) & set(self._made_by(other))):
                raise ConfigError(
                    f"{where}: for_each makes {shared[0]}, and so does that of {other}. Rename one of them."
                )
        return members

    def _made_by(self, family: str) -> dict[str, dict[str, Any]]:
        """Return what a template makes, whatever others make; nothing where it cannot be read."""
        path = self.root / "configs/models" / f"{family}.yaml"
        try:
            return _members(path.read_text(), family, self._shown(path))
        except ConfigError:
            return {}

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def approvers(self) -> ApproversConfig:
        """Return who may approve."""
        where = "configs/approvers.yaml"
        return parse_config(ApproversConfig, (self.root / where).read_text(), where)


def few_of(names: Sequence[str]) -> str:
    """Return the first few names as a list for people."""
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _may_share(one: str, other: str) -> bool:
    """Return whether two templates could make a model of one name: its name begins with both of theirs."""
    return one.startswith(f"{other}_") or other.startswith(f"{one}_")


@lru_cache(maxsize=64)
def _members(text: str, name: str, where: str) -> dict[str, dict[str, Any]]:
    """Return the configs of a family's members, none when the text is no template; not to be changed."""
    if "for_each:" not in text or "for_each" not in (body := parse_yaml(text, where)):
        return {}
    _require_name(body, name, where)
    return members_of(body, where)


def _checked(body: dict[str, Any], name: str, where: str) -> ModelConfig:
    config = check_config(ModelConfig, body, where)
    _require_name(body, name, where)
    if config.segment and config.segment.family:
        raise ConfigError(f"{where}: segment.family is written by for_each alone; leave it out.")
    return config


def _require_name(body: Mapping[str, Any], name: str, where: str) -> None:
    if body.get("model") != name:
        raise ConfigError(f"{where}: model must be {name!r} like the file, found {body.get('model')!r}.")


def open_workspace() -> Workspace:
    """Return the workspace of this project folder, with PLIMSOLL_ variables laid over platform.yaml.

    PLIMSOLL_ROOT names another project folder than the one this code lies in. Raises ConfigError.
    """
    root = Path(os.environ.get(f"{PREFIX}ROOT", PROJECT)).resolve()
    where = "configs/platform.yaml"
    if not (root / where).is_file():
        raise ConfigError(f"Expected {where} in {root}, found none. Set {PREFIX}ROOT to a Plimsoll project folder.")
    environ = {name: value for name, value in os.environ.items() if name not in NOT_CONFIG}
    body = overlay(parse_yaml((root / where).read_text(), where), environ, PREFIX)
    config = check_config(PlatformConfig, body, f"{where} (with {PREFIX}… variables)")
    return Workspace(root, resolved(config, root))


def resolved(config: PlatformConfig, root: Path) -> PlatformConfig:
    """Return config with {home} filled in and every folder absolute."""
    home = str((root / config.home).resolve())
    body = _fill(config.model_dump(), home)
    body["home"] = home
    body["data"] = str((root / body["data"]).resolve())
    body["signing"]["file"] = str((root / body["signing"]["file"]).resolve())
    for part in ("store", "predictions"):
        if "://" not in body[part]["url"]:
            body[part]["url"] = str((root / body[part]["url"]).resolve())
    return PlatformConfig.model_validate(body)


def _fill(value: Any, home: str) -> Any:
    if isinstance(value, dict):
        return {key: _fill(inner, home) for key, inner in value.items()}
    return value.replace("{home}", home) if isinstance(value, str) else value
