"""Explanations made while a batch was scored: one parquet object, named by the ledger entry of the batch."""

import io
from typing import Any

from plimsoll.errors import DataError
from plimsoll.standing import Standing
from plimsoll.store import Store, get_object, put_object


def keep_explained(store: Store, table: Any | None) -> dict[str, Any]:
    """Store the explanations of a batch and return what its entry says of them; nothing where there are none."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if table is None:
        return {}
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return {
        "explained_rows": int(pc.sum(pc.equal(table["rank"], 1)).as_py()),
        "explained": put_object(store, sink.getvalue()),
    }


def explained_rows(store: Store, standing: Standing, date: str) -> Any:
    """Return key, rank, feature, value and contribution of what was explained of a date's current result (pa.Table).

    Raises DataError when nothing was, IntegrityError when the object is not as it was written.
    """
    import pyarrow.parquet as pq

    entry = standing.batch(date)
    if entry is None or "explained" not in entry.facts:
        raise DataError(
            f"No score of {standing.model} {date} was explained while it was scored. Set scoring.explain_share for the "
            f"batches to come, or take one apart now: plimsoll trace KEY --date {date}"
        )
    return pq.read_table(io.BytesIO(get_object(store, entry.facts["explained"])))
