"""Millions of generated predictions beside a real batch: a Delta table as months of scoring leave it."""

import datetime as dt
import json
import uuid
from typing import Any

import numpy as np

from plimsoll.predictions import predictions_schema
from tasks.delta import PARTITIONS
from tasks.workspace import Workspace

DAY_ROWS = 100_000
FIRST = dt.date(2000, 1, 1)  # none of these days is one of the demo's
SHAPES = ("dated keys", "random keys")
PER_COMMIT = 100


def add_days(workspace: Workspace, model: str, days: int, shape: str) -> None:
    """Add days of DAY_ROWS predictions each, unsorted as scoring leaves them, by a version 1 to an existing table."""
    from deltalake import DeltaTable

    table, random = DeltaTable(workspace.platform.predictions.url), np.random.default_rng(0)
    actions: list[Any] = []
    for n in range(days):
        actions.append(_write_day(table.table_uri, model, (FIRST + dt.timedelta(days=n)).isoformat(), shape, random))
        if len(actions) == PER_COMMIT or n == days - 1:
            table.create_write_transaction(actions, "append", table.schema(), PARTITIONS)
            actions = []


def _write_day(uri: str, model: str, day: str, shape: str, random: np.random.Generator) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction
    from pyarrow.fs import FileSystem

    filesystem, root = FileSystem.from_uri(uri)
    keys = _keys(day, shape, random)
    same = {"role": "champion", "snapshot": "0" * 64, "run": "0" * 40}
    columns: dict[str, Any] = {name: pa.repeat(value, DAY_ROWS) for name, value in same.items()}
    rows = pa.table({**columns, "key": keys, "score": random.random(DAY_ROWS)})
    schema = predictions_schema()
    rows = rows.select([name for name in schema.names if name not in PARTITIONS])
    values = {"model": model, "batch_date": day, "version": "1"}
    folder = "/".join(f"{name}={value}" for name, value in values.items())
    path = f"{folder}/part-{uuid.UUID(bytes=random.bytes(16))}.parquet"
    filesystem.create_dir(f"{root}/{folder}")
    pq.write_table(rows, f"{root}/{path}", filesystem=filesystem)
    bounds = pc.min_max(keys).as_py()
    stats = {"numRecords": DAY_ROWS, "minValues": {"key": bounds["min"]}, "maxValues": {"key": bounds["max"]}}
    size = filesystem.get_file_info(f"{root}/{path}").size
    return AddAction(path, size, values, 0, True, json.dumps({**stats, "nullCount": {"key": 0}}))


def _keys(day: str, shape: str, random: np.random.Generator) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if shape == "random keys":
        return pa.array(np.frombuffer(random.bytes(16 * DAY_ROWS).hex().encode(), dtype="S32")).cast(pa.string())
    numbers = pa.array(random.permutation(DAY_ROWS)).cast(pa.string())
    return pc.binary_join_element_wise(day, pc.binary_join_element_wise("UA", numbers, ""), "EWR", "/")
