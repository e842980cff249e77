"""Predictions: the rows of one batch, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from plimsoll.bundle import Bundle

if TYPE_CHECKING:
    import pyarrow as pa

Role = Literal["champion", "challenger", "previous", "backfill"]  # the last: asked for by its number
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
    state: Literal["committed", "already", "rejected", "cleared"]
    rows: int
    sentence: str


def predictions_schema() -> "pa.Schema":
    """Return the Arrow schema of the predictions table."""
    import pyarrow as pa

    kinds = {"batch_date": pa.date32(), "version": pa.int32(), "score": pa.float64()}
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), nullable=False) for name in COLUMNS])


def summarize(results: Sequence[BatchResult]) -> dict[str, Any]:
    """Return counts by state and the rejected dates with their reasons."""
    states = [result.state for result in results]
    rejected = {r.date: r.sentence for r in results if r.state == "rejected"}
    return {
        "committed": states.count("committed"),
        "already": states.count("already"),
        "rejected": rejected,
        "cleared": states.count("cleared"),
        "rows": sum(r.rows for r in results if r.state == "committed"),
    }
