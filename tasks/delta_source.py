"""A Delta table at one version: the newest when the snapshot is taken, or the one that the config pins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plimsoll.canonical import ROW_GROUP_ROWS, select_columns
from plimsoll.errors import ConfigError, DataError
from plimsoll.feed_config import Delta
from plimsoll.snapshot import FileRef
from tasks.keeping import Keeper, Kept, keep_all, named


@dataclass(frozen=True)
class DeltaSource:
    """A Delta table, one part per date or undivided; rows stand in the order of its files' names and of the file.

    A version's files never change, so they prove that a part was read before.
    """

    root: Path
    options: dict[str, str]
    keeper: Keeper
    delta: Delta

    def dates(self) -> list[str]:
        """Return the dates that have rows, in order."""
        import pyarrow.compute as pc

        column = str(self.delta.date_column)
        found: set[str] = set()
        for batch in self._dataset.scanner(columns=[column], batch_size=ROW_GROUP_ROWS).to_batches():
            found |= {str(date)[:10] for date in pc.unique(batch.column(0)).to_pylist() if date is not None}
        return sorted(found)

    def keep(self, names: Sequence[str]) -> tuple[FileRef, ...]:
        """Store the parts of these names that have rows, with the table's version."""
        return tuple(ref for ref in keep_all(self.keeper, self._keep, names) if ref)

    def describe(self) -> dict[str, Any]:
        """Return the place for the manifest, with the version that was read."""
        return {**self.keeper.feed.describe(), "version": self._table.version()}

    @cached_property
    def _table(self) -> Any:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        path = self.delta.path
        try:
            place = path if path.startswith("s3://") else str(self.root / path)
            return DeltaTable(place, version=self.delta.version, storage_options=self.options)
        except TableNotFoundError:
            raise DataError(f"Expected a Delta table at {path}, found none.") from None
        except (DeltaError, OSError) as error:
            version = "" if self.delta.version is None else f" at version {self.delta.version}"
            raise DataError(f"Cannot read the Delta table {path}{version}: {error}.") from None

    @cached_property
    def _dataset(self) -> Any:
        return self._table.to_pyarrow_dataset()

    def _keep(self, name: str) -> Kept:
        fragments = sorted(self._dataset.get_fragments(filter=self._only(name)), key=lambda one: str(one.path))
        proof = ["delta", str(self.delta.path), name, [str(one.path) for one in fragments]]
        version = f"Delta version {self._table.version()}"
        if known := self.keeper.known(proof):
            return Kept(named(known, name, version))
        schema = select_columns(self._dataset.schema, self.keeper.feed.keep_columns, self.keeper.feed.where)
        ref = self.keeper.keep_rows(name, schema, self._rows(fragments, schema, name))
        return Kept(named(ref, name, version), proof)

    def _rows(self, fragments: list[Any], schema: Any, name: str) -> Iterator[Any]:
        for fragment in fragments:
            scanner = fragment.scanner(
                schema=self._dataset.schema,
                columns=schema.names,
                filter=self._only(name),
                batch_size=ROW_GROUP_ROWS,
                use_threads=False,
            )
            yield from scanner.to_batches()

    def _only(self, name: str) -> Any:
        """Return the filter of one date, in the type of the date column; None for an undivided table."""
        import pyarrow as pa
        import pyarrow.dataset as ds

        column = self.delta.date_column
        if column is None:
            return None
        if column not in self._dataset.schema.names:
            raise DataError(f"{self.delta.path}: delta.date_column {column} is missing.")
        kind = self._dataset.schema.field(column).type
        if not (pa.types.is_date(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise ConfigError(f"{self.delta.path}: delta.date_column {column} is {kind}; expected a date or its text.")
        return ds.field(column) == pa.scalar(name).cast(kind)
