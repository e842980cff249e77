"""The quarantine: rows that validation set aside, as one parquet object for each batch that had some.

The ledger entry of the batch names the object by its digest, so quarantine and batch cannot disagree.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from plimsoll.ledger import Entry
from plimsoll.standing import Standing
from plimsoll.store import Store, get_object, put_object
from plimsoll.validation import FEW, BadRow, Verdict, quarantined_rows


def keep_bad_rows(store: Store, verdict: Verdict) -> str:
    """Store a verdict's bad rows with the suite that said so and return the object's digest; empty when it has none."""
    return keep_rows(store, [{**asdict(row), "suite": verdict.suite} for row in verdict.bad_rows])


def keep_rows(store: Store, rows: Sequence[Mapping[str, str]]) -> str:
    """Store rows that were set aside, each with its suite, and return the object's digest; empty for none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not rows:
        return ""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in rows[0]])), sink)
    return put_object(store, sink.getvalue())


def last_word(standing: Standing, batch: Entry, version: int | None = None) -> Entry:
    """Return what was said last of the rows that a batch set aside: by its last clear, else by its own entry."""
    return next(reversed(standing.cleared(batch, version)), batch)


def find_bad_row(
    store: Store, standing: Standing, key: str, date: str | None
) -> tuple[Entry, list[dict[str, Any]]] | None:
    """Return the latest batch that set a row aside, and each rule that it broke; None when none did."""
    for batch in reversed(standing.of_kind("batch_committed")):
        if date not in (None, batch.facts["date"]) or not quarantined_rows(batch.facts):
            continue
        entry = last_word(standing, batch)
        if broken := [dict(row) for row in bad_rows_of(store, entry) if row["key"] == key]:
            return entry, broken
    return None


def quarantined_batches(standing: Standing) -> list[Entry]:
    """Return each date's current batch, its last clear or its last rejection, where rows are set aside, by date."""
    dates = sorted({str(e.facts["date"]) for e in standing.of_kind("batch_committed", "batch_rejected")})
    current = (batch for date in dates if (batch := standing.batch(date)) and quarantined_rows(batch.facts))
    return [entry for batch in current if quarantined_rows((entry := last_word(standing, batch)).facts)]


def bad_rows_of(store: Store, entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield key, expectation, column, value and reason of every row that a batch's entry set aside.

    Raises IntegrityError when the object is not as it was written.
    """
    shown = entry.facts.get("quarantined", [])
    if not entry.facts.get("quarantine") or len(shown) < FEW:
        yield from shown
        return
    names = [field.name for field in fields(BadRow)]
    yield from ({name: row[name] for name in names} for row in rows_with_suite(store, entry))


def rows_with_suite(store: Store, entry: Entry) -> list[dict[str, Any]]:
    """Return every row that an entry set aside, with the digest of the suite that said so, as it was kept."""
    import pyarrow.parquet as pq

    if not (digest := entry.facts.get("quarantine")):
        return [{**row, "suite": ""} for row in entry.facts.get("quarantined", [])]
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(get_object(store, digest))).to_pylist()
    return rows
