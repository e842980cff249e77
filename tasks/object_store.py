"""The object store on a local folder, and the choice between folder and S3."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plimsoll.errors import ConfigError, FolderError
from plimsoll.platform_config import StoreConfig
from plimsoll.store import Store


@dataclass(frozen=True)
class FolderStore:
    """A store in a folder: a key is a file, and a file appears whole or not at all."""

    root: Path

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write data under key unless key exists; True when this call wrote it.

        The bytes are flushed to disk under a temporary name and then linked: a link to an existing name
        fails, so a crash leaves no half file and a race has one winner.
        """
        target = self.root / key
        if target.exists():
            return False
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            return _link(Path(stream.name), target)
        except OSError as error:
            raise FolderError(
                f"Cannot write to the store at {self.root}: {error.strerror}. Free or unlock it, or name another."
            ) from None

    def get(self, key: str) -> bytes | None:
        """Return the bytes under key, None when there are none."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FolderError(f"Cannot read {key} in the store at {self.root}: {error.strerror}.") from None

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with prefix, sorted."""
        folder = self.root / prefix
        start = folder if prefix.endswith("/") else folder.parent
        found = (p.relative_to(self.root).as_posix() for p in start.rglob("*") if p.is_file() and p.name[0] != ".")
        yield from sorted(key for key in found if key.startswith(prefix))


def _link(temporary: Path, target: Path) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def open_store(config: StoreConfig) -> Store:
    """Return the store that a URL names: a folder, or s3://bucket/prefix.

    Raises ConfigError for any other kind of URL.
    """
    if config.url.startswith("s3://"):
        from tasks.s3 import S3Store, connect

        bucket, _, prefix = config.url.removeprefix("s3://").partition("/")
        return S3Store(connect(config.endpoint_url), bucket, prefix.strip("/"))
    if "://" in config.url:
        raise ConfigError(f"store.url: expected a folder or s3://bucket/prefix, found {config.url!r}.")
    return FolderStore(Path(config.url))
