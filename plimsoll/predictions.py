"""Predictions: the rows of one batch, and what became of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle
from plimsoll.digest import sha256_hex

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
    """Return the digest of what was predicted: version, key and score of every row, whichever run wrote it."""
    import pyarrow as pa

    kept = table.select(["version", "key", "score"]).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, kept.schema) as writer:
        writer.write_table(kept)
    return sha256_hex(sink.getvalue().to_pybytes())


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
