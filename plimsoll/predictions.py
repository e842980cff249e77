"""Predictions: the rows of one batch, and what became of them."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle
from plimsoll.key_hash import key_hashes

if TYPE_CHECKING:
    import pyarrow as pa

Role = Literal["champion", "challenger", "previous"]
COLUMNS = ("model", "batch_date", "version", "role", "key", "score", "snapshot", "run")


@dataclass(frozen=True)
class Served:
    """One version that scores a batch, and in which role."""

    version: int
    role: Role
    bundle: Bundle


@dataclass(frozen=True)
class BatchResult:
    """What became of one batch date."""

    date: str
    state: Literal["committed", "already", "rejected"]
    rows: int
    sentence: str


def predictions_schema() -> "pa.Schema":
    """Return the Arrow schema of the predictions table."""
    import pyarrow as pa

    kinds = {"batch_date": pa.date32(), "version": pa.int32(), "score": pa.float64()}
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), nullable=False) for name in COLUMNS])


def score_rows(frame: pd.DataFrame, served: Sequence[Served], date: str, snapshot: str, run: str) -> "pa.Table":
    """Return the predictions of every served version over the same rows, in the order of the frame."""
    import pyarrow as pa

    schema, day = predictions_schema(), dt.date.fromisoformat(date)
    keys = pa.array(frame[KEY], type=pa.string())

    def rows_of(one: Served) -> "pa.Table":
        same = {"model": one.bundle.model, "batch_date": day, "version": one.version, "role": one.role}
        same |= {"snapshot": snapshot, "run": run}
        columns = {
            name: pa.repeat(pa.scalar(value, schema.field(name).type), len(keys)) for name, value in same.items()
        }
        return pa.table({**columns, "key": keys, "score": one.bundle.score(frame)}).select(list(COLUMNS)).cast(schema)

    return pa.concat_tables([rows_of(one) for one in served])


def scores_digest(table: "pa.Table") -> str:
    """Return the digest of what was predicted, whichever run wrote it and in whatever order the rows lie.

    In order of version, hash of the key, key and score (a hash sorts five times faster): SHA-256 over all versions
    (int32), the lengths of all keys in bytes (int64), all keys (UTF-8), all scores (float64), little-endian.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = table.select(["version", "key", "score"]).combine_chunks()
    hashes = key_hashes(pa.concat_arrays(rows["key"].chunks or [pa.array([], pa.string())]))
    order = [(name, "ascending") for name in ("version", "hash", "key", "score")]
    rows = rows.append_column("hash", pa.array(hashes)).sort_by(order).combine_chunks()
    keys = pa.concat_arrays(rows["key"].chunks or [pa.array([], pa.string())]).cast(pa.large_binary())
    digest = hashlib.sha256()
    for values, kind in ((rows["version"], "<i4"), (pc.binary_length(keys), "<i8")):
        digest.update(values.to_numpy().astype(kind).tobytes())
    digest.update(memoryview(keys.buffers()[2] or b"")[: pc.sum(pc.binary_length(keys)).as_py() or 0])
    digest.update(rows["score"].to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


def summarize(results: Sequence[BatchResult]) -> dict[str, Any]:
    """Return counts by state and the rejected dates with their reasons."""
    states = [result.state for result in results]
    rejected = {r.date: r.sentence for r in results if r.state == "rejected"}
    return {
        "committed": states.count("committed"),
        "already": states.count("already"),
        "rejected": rejected,
        "rows": sum(r.rows for r in results if r.state == "committed"),
    }
