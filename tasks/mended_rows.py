"""What a newer delivery mends: of the rows that a batch had set aside, those that the suite accepts now."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.key_hash import Hashes, key_hashes
from plimsoll.ledger import Entry
from plimsoll.store import Store
from plimsoll.validation import BadRow, Verdict, quarantine_facts
from tasks.night import Rows
from tasks.prediction_files import batch_parts, key_column, live_files
from tasks.quarantine import keep_rows, rows_with_suite
from tasks.workspace import Workspace


class Mended(NamedTuple):
    """Keys that can be scored now, and what stays set aside, each row with its suite."""

    keys: frozenset[str]
    left: tuple[Mapping[str, str], ...]

    def facts(self, store: Store, verdict: Verdict) -> dict[str, Any]:
        """Return what a ledger entry says of what stays set aside, which is kept as an object."""
        bad = tuple(BadRow(**{name: row[name] for name in BadRow.__dataclass_fields__}) for row in self.left)
        return quarantine_facts(replace(verdict, bad_rows=bad), keep_rows(store, self.left))


def mended(store: Store, last: Entry, rows: Rows) -> Mended:
    """Hold the rows that an entry says are set aside against those of a newer delivery and its verdict.

    A row that is still bad is left with its new reasons; one that was not delivered again keeps the old ones.
    """
    aside = rows_with_suite(store, last)
    waiting = {row["key"] for row in aside}
    again = [{**asdict(row), "suite": rows.verdict.suite} for row in rows.verdict.bad_rows if row.key in waiting]
    bad = {row["key"] for row in again}
    good = {key for keys in _keys(rows) for key in keys[keys.isin(waiting - bad)]}
    gone = [row for row in aside if row["key"] not in bad | good]
    return Mended(frozenset(good), (*again, *gone))


def count_new(workspace: Workspace, last: Entry, version: int, rows: Rows, waiting: frozenset[str]) -> int:
    """Return how many rows of a delivery were neither scored by a version nor set aside: they come too late."""
    import pyarrow as pa

    known = _known(workspace, last.model, str(last.facts["date"]), version)
    late = 0
    for keys in _keys(rows):
        others = keys[~keys.isin(waiting)]
        hashes = key_hashes(pa.array(others, pa.string(), from_pandas=True).drop_null())
        late += int((~np.isin(hashes, known)).sum())
    return late


def _known(workspace: Workspace, model: str, date: str, version: int) -> Hashes:
    live = live_files(workspace)
    paths = [path for number, path in batch_parts(live, model, date) if number == version] if live else []
    found = [key_hashes(key_column(path, live.open_file(path))) for path in paths]  # type: ignore[union-attr]
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def _keys(rows: Rows) -> Iterator["pd.Series[Any]"]:
    return (chunk[KEY].astype("string") for chunk in rows.assembled.chunks([KEY]))
