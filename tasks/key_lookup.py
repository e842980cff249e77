"""Looking a key up in the predictions: by partition, by statistics, by the key index, then in single row groups."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from plimsoll.predictions import COLUMNS, predictions_schema
from tasks.key_index import FEW, open_index
from tasks.prediction_files import LiveFiles, checked, live_files
from tasks.workspace import Workspace

THREADS = 8
IN_FILE = ["role", "key", "score", "snapshot", "run"]  # the other columns are the partition's


def find_key(workspace: Workspace, key: str, *, model: str | None = None, date: str | None = None) -> pd.DataFrame:
    """Return every prediction ever made for a key, of one model or date when asked, in order of date and version."""
    live = live_files(workspace)
    if live is None:
        return pd.DataFrame(columns=list(COLUMNS))
    files = _narrowed(live, _candidates(live, key, model, date), key)
    with ThreadPoolExecutor(min(THREADS, len(files) or 1)) as pool:
        parts = list(pool.map(lambda file: _rows(live, file, key), files))
    rows = [row for part in parts for row in part]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values(["batch_date", "model", "version"], ignore_index=True)


def _candidates(live: LiveFiles, key: str, model: str | None, date: str | None) -> list[dict[str, Any]]:
    """Return the files that may hold a key by what the log says of them."""
    import datetime as dt

    import pyarrow.compute as pc

    files = live.files
    may = pc.and_(
        pc.fill_null(pc.less_equal(files["first"], key), True), pc.fill_null(pc.greater_equal(files["last"], key), True)
    )
    if model:
        may = pc.and_(may, pc.equal(files["model"], model))
    if date:
        may = pc.and_(may, pc.equal(files["batch_date"], dt.date.fromisoformat(date)))
    found: list[dict[str, Any]] = files.filter(may).to_pylist()
    return found


def _narrowed(live: LiveFiles, files: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return files without those that the key index rules out; those that it does not cover stay."""
    if len(files) <= FEW or not (index := open_index(live)):
        return files
    covered, named = {name for name, _ in index.files}, index.files_with(key)
    return [file for file in files if file["path"] in named or file["path"] not in covered]


def _rows(live: LiveFiles, about: dict[str, Any], key: str) -> list[tuple[Any, ...]]:
    """Return a file's rows of a key, from the row groups whose first and last key enclose it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    file = live.open_file(about["path"])
    at = file.schema_arrow.get_field_index("key")
    found = []
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(at).statistics
        if bounds is not None and bounds.has_min_max and not bounds.min <= key <= bounds.max:
            continue
        with checked(about["path"]):
            keys = file.read_row_group(group, ["key"])["key"]
            here = pc.indices_nonzero(pc.equal(keys, pa.scalar(key, keys.type)))
            if len(here):
                found.append(file.read_row_group(group, IN_FILE).take(here))
    if not found:
        return []
    rows = pa.concat_tables(found)
    same = {name: [about[name]] * len(rows) for name in ("model", "batch_date", "version")}
    columns = {**same, **{name: rows[name] for name in IN_FILE}}
    table = pa.table({name: columns[name] for name in COLUMNS}).cast(predictions_schema())
    return list(zip(*(table[name].to_pylist() for name in COLUMNS), strict=True))
