"""A table in local files: one per date in a folder, or one undivided file."""

import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plimsoll import canonical
from plimsoll.errors import DataError
from plimsoll.snapshot import FileRef
from tasks.keeping import (
    AT_ONCE,
    THREADS,
    Keeper,
    Kept,
    clock,
    is_racy,
    keep_all,
    keep_steady,
    named,
    note_all,
    stat_of,
)

MANY = 16  # files that are kept in two rounds


@dataclass(frozen=True)
class FolderSource:
    """Parquet or CSV files below the data root."""

    root: Path
    keeper: Keeper

    def dates(self) -> list[str]:
        """Return the dates that have a file, in order."""
        suffix = f".{self.keeper.feed.file_format}"
        return sorted(path.stem for path in self._path.glob(f"????-??-??{suffix}"))

    def keep(self, names: Sequence[str]) -> tuple[FileRef, ...]:
        """Store the parts of these names that are there, and return them."""
        proofs = {name: proof for name in names if (proof := _proof(self._file(name)))}
        found = {name: named(self.keeper.known(proof), name) for name, proof in proofs.items()}
        unknown = [name for name, ref in found.items() if ref is None]
        in_rounds = self.keeper.feed.as_delivered and len(unknown) >= MANY
        kept = self._keep_in_rounds(unknown) if in_rounds else keep_all(self.keeper, self._keep, unknown)
        found |= dict(zip(unknown, kept, strict=True))
        return tuple(ref for ref in found.values() if ref)

    def describe(self) -> dict[str, Any]:
        """Return the place for the manifest; it holds no time and no absolute path, so that a copy has the same id."""
        return self.keeper.feed.describe()

    @cached_property
    def _path(self) -> Path:
        return self.root / str(self.keeper.feed.path)

    @cached_property
    def _suffix(self) -> str:
        return f".{self.keeper.feed.file_format}" if self.keeper.feed.dated else ""

    def _file(self, name: str) -> Path:
        return self._path / f"{name}{self._suffix}" if self._suffix else self._path

    def _keep(self, name: str) -> Kept:
        path, begun = self._file(name), clock()
        ref, proof = keep_steady(
            lambda: self.keeper.keep(name, path), lambda: _proof(path), self.keeper.feed.part(name)
        )
        return _kept(ref, proof, begun)

    def _keep_in_rounds(self, names: Sequence[str]) -> Iterator[FileRef | None]:
        """Yield many files kept as delivered: first all bytes, while pyarrow loads, then all footers."""
        with ThreadPoolExecutor(THREADS) as pool:
            for some in (names[n : n + AT_ONCE] for n in range(0, len(names), AT_ONCE)):
                begun, files = clock(), [self._file(name) for name in some]
                before = [_proof(path) for path in files]
                loading = pool.submit(canonical.load)
                stored = list(pool.map(self.keeper.put, files))
                loading.result()
                refs = list(map(self.keeper.describe, some, files, stored))
                rounds = zip(some, refs, before, map(_proof, files), strict=True)
                kept = [_kept(ref, old, begun) if old and old == now else self._keep(n) for n, ref, old, now in rounds]
                yield from note_all(self.keeper, kept)


def _kept(ref: FileRef, proof: list[Any], begun: float) -> Kept:
    return Kept(ref, None if is_racy(max(proof[2:4]) / 1e9, begun) else proof)


def _proof(path: Path) -> list[Any] | None:
    """Return what would differ had the file changed: a change sets ctime, even one that puts mtime back."""
    found = stat_of(path)
    if found is None:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise DataError(
            f"{path} is a folder; expected one file. Have it written as one file, for instance by Spark's coalesce(1)."
        )
    return [str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino]
