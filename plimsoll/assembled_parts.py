"""A date's assembled rows part by part, for who needs few columns or few rows of them and never the whole in memory."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from plimsoll.ahead import ahead
from plimsoll.assembly import KEY, FeatureFunction, assemble_part, lookup_tables, read_assembled
from plimsoll.batch_checks import BatchChecks
from plimsoll.keys import row_keys
from plimsoll.model_config import ModelConfig
from plimsoll.part_files import raw_chunks
from plimsoll.snapshot import Snapshot
from plimsoll.store import Store, open_object


def assembled_parts(
    store: Store, snapshot: Snapshot, config: ModelConfig, function: FeatureFunction | None, date: str, scratch: Path
) -> Iterator[pd.DataFrame]:
    """Yield one date's rows with lookups and features, in the order of the file, part by part.

    Memory does not grow with the rows, unless a feature function asks for the whole batch at once. Raises DataError
    like `read_assembled`, but not for what only the whole batch shows: it was scored.
    """
    ref = snapshot.file("batch", date)
    if ref is None or ref.flaw or config.features.whole_batch:
        yield read_assembled(store, snapshot, config, function, date)
        return
    checks, tables = BatchChecks(config, date), lookup_tables(store, snapshot, config, date)
    with open_object(store, ref.digest, scratch) as stream:
        for batch in ahead(raw_chunks(stream, checks.where)):
            yield assemble_part(batch, tables, config, function, checks)


def column_parts(
    store: Store,
    snapshot: Snapshot,
    config: ModelConfig,
    function: FeatureFunction | None,
    date: str,
    columns: Sequence[str],
    scratch: Path,
) -> Iterator[pd.DataFrame]:
    """Yield the keys and some columns of a date's assembled rows, part by part like `assembled_parts`.

    What the file has already, and no feature function can change, is read alone.
    """
    import pyarrow.parquet as pq

    ref = snapshot.file("batch", date)
    if ref and not ref.flaw and function is None:
        with open_object(store, ref.digest, scratch) as stream:
            needed = list(dict.fromkeys([*config.source.key, *columns]))
            if set(needed) <= set(pq.read_schema(stream).names):
                stream.seek(0)
                for chunk in raw_chunks(stream, f"{config.source.where} of {date}", needed):
                    yield chunk[[*columns]].assign(**{KEY: row_keys(chunk, config)})
                return
    for frame in assembled_parts(store, snapshot, config, function, date, scratch):
        yield frame[[KEY, *columns]]


def sampled_rows(
    store: Store,
    snapshot: Snapshot,
    config: ModelConfig,
    function: FeatureFunction | None,
    date: str,
    scratch: Path,
    most: int,
    seed: int,
) -> pd.DataFrame:
    """Return at most so many of a date's assembled rows, drawn while they are read: only they are assembled.

    Raises DataError like `assembled_parts`.
    """
    ref = snapshot.file("batch", date)
    if ref is None or ref.flaw or config.features.whole_batch:
        return draw([read_assembled(store, snapshot, config, function, date)], most, seed)
    checks, tables = BatchChecks(config, date), lookup_tables(store, snapshot, config, date)
    with open_object(store, ref.digest, scratch) as stream:
        rows = draw(ahead(raw_chunks(stream, checks.where)), most, seed)
    return assemble_part(rows, tables, config, function, checks)


def draw(parts: Iterable[pd.DataFrame], most: int, seed: int) -> pd.DataFrame:
    """Return at most so many rows of parts, in their order: each draws a lot while it passes, the lowest are kept.

    What is drawn does not depend on how the rows are parted. No parts give no rows and no columns.
    """
    chance, kept, lots = np.random.default_rng(seed), pd.DataFrame(), np.empty(0)
    for part in parts:
        drawn = chance.random(len(part))
        worst = lots.max() if len(lots) >= most else np.inf
        near = drawn < worst
        kept = pd.concat([kept, part[near]], ignore_index=True) if len(kept) else part[near].reset_index(drop=True)
        lots = np.concatenate([lots, drawn[near]])
        if len(lots) > most:
            best = np.sort(np.argpartition(lots, most)[:most])
            kept, lots = kept.iloc[best].reset_index(drop=True), lots[best]
    return kept
