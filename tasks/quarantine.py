"""The quarantine: rows that validation set aside, as one parquet object for each batch that had some.

The ledger entry of the batch names the object by its digest, so quarantine and batch cannot disagree.
"""

import io
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from plimsoll.ledger import Entry
from plimsoll.standing import Standing
from plimsoll.store import Store, get_object, put_object
from plimsoll.validation import FEW, BadRow, Verdict, quarantined_rows


def keep_bad_rows(store: Store, verdict: Verdict) -> str:
    """Store a verdict's bad rows with the suite that said so and return the object's digest; empty when it has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not verdict.bad_rows:
        return ""
    rows = [{**asdict(row), "suite": verdict.suite} for row in verdict.bad_rows]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in rows[0]])), sink)
    return put_object(store, sink.getvalue())


def find_bad_row(
    store: Store, standing: Standing, key: str, date: str | None
) -> tuple[Entry, list[dict[str, Any]]] | None:
    """Return the latest batch that set a row aside, and each rule that it broke; None when none did."""
    for entry in reversed(standing.of_kind("batch_committed")):
        if date not in (None, entry.facts["date"]) or not quarantined_rows(entry.facts):
            continue
        if broken := [dict(row) for row in bad_rows_of(store, entry) if row["key"] == key]:
            return entry, broken
    return None


def quarantined_batches(standing: Standing) -> list[Entry]:
    """Return each date's current batch, or its last rejection, where that set rows aside; in order of date."""
    dates = sorted({str(e.facts["date"]) for e in standing.of_kind("batch_committed", "batch_rejected")})
    current = (standing.batch(date) for date in dates)
    return [entry for entry in current if entry and quarantined_rows(entry.facts)]


def bad_rows_of(store: Store, entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield key, expectation, column, value and reason of every row that a batch's entry set aside.

    Raises IntegrityError when the object is not as it was written.
    """
    import pyarrow.parquet as pq

    shown = entry.facts.get("quarantined", [])
    if not (digest := entry.facts.get("quarantine")) or len(shown) < FEW:
        yield from shown
        return
    names = [field.name for field in fields(BadRow)]
    yield from pq.read_table(io.BytesIO(get_object(store, digest)), columns=names).to_pylist()
