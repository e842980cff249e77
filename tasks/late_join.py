"""A night's quality: its predictions, outcomes and slices joined by key in parts, so that memory does not grow with it.

Each side is read part by part and dealt by the hash of its keys; each bucket is then joined by the keys themselves.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from plimsoll.assembly import KEY, outcome_values
from plimsoll.errors import DataError
from plimsoll.joined import JoinedPart, join_part
from plimsoll.key_buckets import Buckets, bucket_bits
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import FileRef, load_snapshot
from tasks.assemble import batch_partition, column_parts
from tasks.committed_rows import outcome_parts, take_committed
from tasks.scratch import scratch_folder
from tasks.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


def joined_parts(
    workspace: Workspace,
    config: ModelConfig,
    version: int,
    entries: Sequence[Entry],
    ref: FileRef,
    former: FileRef | None = None,
) -> list[JoinedPart]:
    """Return what a version's rows of a batch, and of what was cleared of it later, add to the quality of its night.

    ref is the outcomes' file, former the one of an earlier delivery. Raises DataError for outcomes that break their
    form; a former delivery that does is not compared.
    """
    where = f"outcomes of {config.model} ({config.outcome.where})"
    with scratch_folder(workspace) as scratch:
        most = max(ref.rows or 0, *(_rows(workspace, config, entry) for entry in entries))
        dealing = _Dealing(workspace, config, scratch, bucket_bits(most))
        outcomes = dealing.outcomes(ref, "outcomes")
        before = dealing.former(former) if former else None
        slices = dealing.slices(entries) if config.drift.slices else None
        mine = dealing.predictions(version, entries)
        sides = zip(mine, outcomes, slices or repeat(None), before or repeat(None), strict=False)
        return [join_part(p, o, config.task, where, s, f) for p, o, s, f in sides]


def _rows(workspace: Workspace, config: ModelConfig, entry: Entry) -> int:
    """Return how many rows of an entry are read at most: of slices the whole batch, of a segment or not."""
    if not config.drift.slices:
        return int(entry.facts["rows"])
    snapshot = load_snapshot(workspace.store, str(entry.facts["snapshot"]))
    ref = snapshot.file("batch", batch_partition(config, str(entry.facts["date"])))
    return int((ref and ref.rows) or entry.facts["rows"])


class _Dealing:
    """Deals every side of one night by the same bits."""

    def __init__(self, workspace: Workspace, config: ModelConfig, scratch: Path, bits: int) -> None:
        self._workspace, self._config, self._scratch, self._bits = workspace, config, scratch, bits

    def outcomes(self, ref: FileRef, name: str) -> Buckets:
        """Return key and outcome of a file; DataError where it breaks its form."""
        import pyarrow as pa

        buckets = self._buckets(name, outcome=pa.float64())
        for part in outcome_parts(self._workspace, self._config, ref, f"outcomes of {ref.name}"):
            values = outcome_values(part, self._config)
            keys = pa.array(values.index.to_numpy(dtype=object), pa.string(), from_pandas=True)
            buckets.add(pa.table({"key": keys, "outcome": values.to_numpy()}))
        buckets.close()
        return buckets

    def former(self, ref: FileRef) -> Buckets | None:
        """Return the outcomes of an earlier delivery; None where it was made for another config."""
        with suppress(DataError):
            return self.outcomes(ref, "former")
        return None

    def slices(self, entries: Sequence[Entry]) -> Buckets:
        """Return key and watched columns of every row of the batch, of later deliveries after those before."""
        import pyarrow as pa

        buckets = self._buckets("slices", **dict.fromkeys(self._config.drift.slices, pa.string()))
        for part in self._slice_parts(entries):
            buckets.add(part)
        buckets.close()
        return buckets

    def _slice_parts(self, entries: Sequence[Entry]) -> "Iterator[pa.Table]":
        import pyarrow as pa

        columns = self._config.drift.slices
        partition = batch_partition(self._config, str(entries[0].facts["date"]))
        for one in dict.fromkeys(str(entry.facts["snapshot"]) for entry in entries):
            snapshot = load_snapshot(self._workspace.store, one)
            for frame in column_parts(self._workspace, self._config, snapshot, partition, columns, self._scratch):
                words = frame[[KEY, *columns]].astype("string").rename(columns={KEY: "key"})
                yield pa.Table.from_pandas(words, preserve_index=False)

    def predictions(self, version: int, entries: Sequence[Entry]) -> Buckets:
        """Return the keys and scores of a version, after checking each entry's digest."""
        import pyarrow as pa
        import pyarrow.compute as pc

        buckets = self._buckets("predictions", score=pa.float64())
        for entry in entries:
            take_committed(
                self._workspace, entry, lambda part: buckets.add(part.filter(pc.equal(part["version"], version)))
            )
        return buckets

    def _buckets(self, name: str, **columns: "pa.DataType") -> Buckets:
        import pyarrow as pa

        schema = pa.schema([("key", pa.string()), *columns.items()])
        return Buckets(self._scratch / name, self._bits, schema)
