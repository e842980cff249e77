"""Keeping parts of tables: bytes into the object store, once, and what proves that they need not be read again."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from plimsoll import canonical
from plimsoll.archive import Archive
from plimsoll.digest import sha256_json
from plimsoll.errors import DataError, FolderError, IntegrityError
from plimsoll.feed_config import Feed
from plimsoll.snapshot import FileRef
from plimsoll.store import object_key, put_file_object
from tasks.seen import Proofs

RACY_SECONDS = 2.0  # a file this young may change again without a trace in its times
TRIES = 3
THREADS = 4
AT_ONCE = 256  # parts of which the disk hears in one go


class Kept(NamedTuple):
    """What was kept of one part, None when it is not there, and what proves it from now on."""

    ref: FileRef | None
    proof: Any = None  # None: nothing does, or it is noted already


@dataclass(frozen=True)
class Keeper:
    """Puts parts of one table into the store; several threads may use it."""

    archive: Archive
    feed: Feed
    known_types: Mapping[str, str]  # what the config says of the columns
    paranoid: bool = False
    _settling: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def place(self) -> str:
        """The digest of what the settled types of columns are kept under."""
        return sha256_json(
            [self.feed.describe()[kind] for kind in ("path", "sql", "delta") if getattr(self.feed, kind)]
        )

    @cached_property
    def proofs(self) -> Proofs:
        """What is known of parts that were kept before in this form."""
        return Proofs(self.archive, self.place, self.form)

    def known(self, proof: Any) -> FileRef | None:
        """Return what was kept under a proof, None when nothing was or its object is gone.

        Raises IntegrityError when the entry was changed, or its object has not the size that it had.
        """
        if self.paranoid or (ref := self.proofs.find(proof)) is None:
            return None
        key = object_key(ref.digest)
        found = self.archive.store.size(key)
        if found is not None and found != ref.bytes:
            raise IntegrityError(
                f"Object {ref.digest[:12]} at {key} was changed: it had {ref.bytes} bytes and has {found}. "
                "Restore it from a backup; nothing was read from it."
            )
        return ref if found is not None else None

    def remember(self, found: Iterable[tuple[Any, FileRef]]) -> None:
        """Note that whatever has these proofs has been kept as these files."""
        self.proofs.note(found)

    def keep(self, name: str, path: Path) -> FileRef:
        """Store a delivered file and return what it is: byte for byte, or as canonical parquet.

        What cannot be read as a table is kept as it is, with the reason; whoever reads it gets that as a DataError.
        """
        if self.feed.as_delivered:
            return self.describe(name, path, self.put(path))
        with scratch() as folder:
            try:
                whole = self._convert(path, folder / "canonical.parquet", self.feed.part(name))
                return self.describe(name, whole, self.put(whole))
            except DataError as error:
                return FileRef(name, *self.put(path), flaw=str(error))

    def put(self, path: Path) -> tuple[str, int]:
        """Store a file byte for byte and return its digest and bytes."""
        return put_file_object(self.archive.store, path)

    def describe(self, name: str, path: Path, stored: tuple[str, int]) -> FileRef:
        """Return what a parquet file that was stored is, from its footer."""
        return FileRef(name, *stored, *canonical.describe_parquet(path))

    def keep_rows(self, name: str, schema: Any, batches: Iterator[Any]) -> FileRef | None:
        """Store rows as canonical parquet; None when there are none, since a query has no other way to say so."""
        with scratch() as folder:
            path, where = folder / "canonical.parquet", self.feed.part(name)
            rows = canonical.write_canonical(batches, schema, path, where)
            return self.describe(name, path, self.put(path)) if rows else None

    def settle(self, columns: list[str], guess: Callable[[list[str]], dict[str, str]]) -> dict[str, str]:
        """Return the type of every column: stated, settled before, or settled now; one thread at a time."""
        with self._settling:
            from plimsoll.column_types import settle_types

            return settle_types(self.archive, self.place, self.known_types, columns, guess)

    @cached_property
    def form(self) -> Any:
        """Return what, beside its bytes, decides how a file is kept."""
        if self.feed.as_delivered:
            return ["as delivered"]
        body = self.feed.describe()
        return [canonical.FORM, self.feed.file_format, body, sorted(self.known_types.items()), self.place]

    def _convert(self, path: Path, target: Path, where: str) -> Path:
        feed = self.feed
        if feed.file_format == "parquet":
            schema, batches = canonical.read_columns(path, feed.keep_columns, where)
        else:
            from plimsoll.csv_table import read_csv

            types = self._csv_types(path, where)
            schema, batches = read_csv(path, feed.csv, types, where)
        canonical.write_canonical(batches, schema, target, where)
        return target

    def _csv_types(self, path: Path, where: str) -> dict[str, str]:
        """Return the types of the columns that are kept of a CSV file."""
        from plimsoll.column_types import check_stated
        from plimsoll.csv_table import csv_columns, guess_csv

        header = csv_columns(path, self.feed.csv, where)
        check_stated(self.feed.types, header, where)
        wanted = canonical.select_names(header, self.feed.keep_columns, where)
        return self.settle(wanted, lambda unknown: guess_csv(path, self.feed.csv, unknown, where))


def keep_steady(keep: Callable[[], FileRef], proof: Callable[[], Any], where: str) -> tuple[FileRef, Any]:
    """Return what was kept and the proof, which was the same before and after; DataError when it never is."""
    for _ in range(TRIES):
        before = proof()
        ref = keep()
        if proof() == before:
            return ref, before
    raise DataError(
        f"{where} changed while it was read, {TRIES} times over. Deliver files under another name and rename them."
    )


def keep_all(keeper: Keeper, keep: Callable[[str], Kept], names: Sequence[str]) -> list[FileRef | None]:
    """Return what was kept of each part, in their order, several at a time; the first goes alone, for its types.

    What proves them unchanged is noted for many at once, since each note on its own would wait for the disk.
    """
    refs: list[FileRef | None] = []
    with ThreadPoolExecutor(THREADS) as pool:
        first = [keep(name) for name in names[:1]]
        found = chain(first, pool.map(keep, names[1:]))
        while some := list(islice(found, AT_ONCE)):
            refs += note_all(keeper, some)
    return refs


def note_all(keeper: Keeper, kept: Sequence[Kept]) -> list[FileRef | None]:
    """Note what proves parts unchanged from now on, all at once, and return them."""
    keeper.remember((one.proof, one.ref) for one in kept if one.ref and one.proof)
    return [one.ref for one in kept]


def is_racy(changed_at: float, begun: float) -> bool:
    """Say whether a file is too young for its times to prove that it did not change (git's racy-clean rule)."""
    return changed_at > begun - RACY_SECONDS


def clock() -> float:
    """Return the seconds since 1970, as a file system counts them."""
    return time.time()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards; in TMPDIR, which must hold the largest part of a table.

    Raises FolderError when it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
            yield Path(folder)
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        raise FolderError(
            f"Cannot write to the temporary folder {tempfile.gettempdir()}: {said}. Free it, or set TMPDIR to another."
        ) from None


def named(ref: FileRef | None, name: str, version: str = "") -> FileRef | None:
    """Return ref under another name, with its source's version."""
    if ref is None or (ref.name, ref.version) == (name, version):
        return ref
    return replace(ref, name=name, version=version)


def stat_of(path: Path) -> os.stat_result | None:
    """Return a file's stat, None when there is none; DataError when it cannot be read."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
