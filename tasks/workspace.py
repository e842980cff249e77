"""The workspace: configs, store and folders that every task needs, opened once per run."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plimsoll.approvers_config import ApproversConfig
from plimsoll.archive import Archive
from plimsoll.config_loading import check_config, nearest, overlay, parse_config, parse_yaml
from plimsoll.digest import sha256_hex
from plimsoll.errors import ConfigError
from plimsoll.model_config import ModelConfig
from plimsoll.platform_config import PlatformConfig
from plimsoll.store import Store
from tasks.object_store import open_store
from tasks.signing import VARIABLE, FileWitness, open_seal

PREFIX = "PLIMSOLL_"
# which project folder, who sits at the terminal, and the one secret
NOT_CONFIG = frozenset({f"{PREFIX}ROOT", f"{PREFIX}USER", VARIABLE})
PROJECT = Path(__file__).parents[1]


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
        """The names of all model configs."""
        return tuple(sorted(path.stem for path in (self.root / "configs/models").glob("*.yaml")))

    def model(self, name: str) -> ModelConfig:
        """Return a model's config; ConfigError names the nearest model when there is none."""
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name not in self.models:
            raise ConfigError(f"No model named {name!r} in configs/models.{nearest(name, list(self.models))}")
        where = f"configs/models/{name}.yaml"
        config = parse_config(ModelConfig, (self.root / where).read_text(), where)
        if config.model != name:
            raise ConfigError(f"{where}: model must be {name!r} like the file, found {config.model!r}.")
        return config

    def approvers(self) -> ApproversConfig:
        """Return who may approve."""
        where = "configs/approvers.yaml"
        return parse_config(ApproversConfig, (self.root / where).read_text(), where)


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
