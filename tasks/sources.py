"""The choice of source for every table of a model, and one moment for all that a snapshot reads."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from plimsoll.model_config import ModelConfig
from plimsoll.platform_config import StoreConfig
from plimsoll.snapshot import FileRef
from tasks.bucket_source import BucketSource
from tasks.delta_source import DeltaSource
from tasks.folder_source import FolderSource
from tasks.keeping import Keeper
from tasks.sql_source import Databases, SqlSource
from tasks.workspace import Workspace


class TableSource(Protocol):
    """Where one table comes from."""

    def dates(self) -> list[str]:
        """Return the dates that are there, in order."""

    def keep(self, names: Sequence[str]) -> tuple[FileRef, ...]:
        """Store the parts of these names that are there, and return them in the order of names."""

    def describe(self) -> dict[str, Any]:
        """Return the place, the query and the slice as JSON for the manifest."""


@dataclass(frozen=True)
class Sources:
    """The tables of one model; all queries on one database see it as it was at one moment."""

    workspace: Workspace
    config: ModelConfig
    databases: Databases

    def table(self, name: str) -> TableSource:
        """Return the source of a table: batch, outcome, or a lookup by its name."""
        feed, root = self.config.feeds[name], self.workspace.data
        keeper = Keeper(
            self.workspace.archive, feed, self.config.known_types(name), self.workspace.platform.snapshot.paranoid
        )
        if feed.sql:
            return SqlSource(self.databases, keeper, feed.sql, tuple(feed.sql.order_by or self.config.row_names(name)))
        if feed.delta:
            return DeltaSource(root, self._delta_options(feed.delta.path), keeper, feed.delta)
        if str(feed.path).startswith("s3://"):
            from tasks.s3_client import connect

            return BucketSource(connect(self._s3), keeper)
        return FolderSource(root, keeper)

    @property
    def _s3(self) -> StoreConfig:
        """The settings of the S3 server that sources lie on."""
        platform = self.workspace.platform
        endpoint = platform.snapshot.endpoint_url or platform.store.endpoint_url
        return platform.store.model_copy(update={"endpoint_url": endpoint})

    def _delta_options(self, path: str) -> dict[str, str]:
        if not path.startswith("s3://") or not (endpoint := self._s3.endpoint_url):
            return {}
        return {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}


@contextmanager
def open_sources(workspace: Workspace, config: ModelConfig) -> Iterator[Sources]:
    """Open a model's tables for one snapshot; databases are asked at the first use and let go at the end."""
    with ExitStack() as closing:
        yield Sources(workspace, config, Databases(closing))
