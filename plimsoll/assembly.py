"""From raw tables to the frame that is validated, trained on and scored: one path for all three."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from plimsoll.ahead import ahead, behind
from plimsoll.assembled import CHUNK_ROWS, Assembled, ScratchFile
from plimsoll.batch_checks import BatchChecks
from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.keys import row_keys
from plimsoll.lookups import join_lookups, join_parts
from plimsoll.model_config import ModelConfig
from plimsoll.part_files import raw_chunks, read_part, read_row
from plimsoll.snapshot import FileRef, Snapshot
from plimsoll.store import Store, open_object

FeatureFunction = Callable[[pd.DataFrame], pd.DataFrame]
KEY = "__key__"  # the row's name as one string
FEW = 256  # rows that keep a single row company
LOOKUP_PARTS = 8
OUTCOME = "__outcome__"  # 0 or 1, or a number; NaN where it has not come


def read_assembled(
    store: Store,
    snapshot: Snapshot,
    config: ModelConfig,
    function: FeatureFunction | None,
    date: str,
    key: str | None = None,
) -> pd.DataFrame:
    """Return one date's rows with lookups and features, in the order of the file, from a snapshot.

    With a key its row is assembled among the first few only, which is quick and gives the same row, unless a feature
    function looks at the whole batch.
    Raises DataError on a missing file or column, a wrong type, a column without a value or no rows.
    """
    return _read_checked(store, snapshot, config, function, date, key).held  # type: ignore[return-value]


def _read_checked(
    store: Store,
    snapshot: Snapshot,
    config: ModelConfig,
    function: FeatureFunction | None,
    date: str,
    key: str | None = None,
) -> Assembled:
    """Return one date's rows in memory; see `read_assembled`."""
    ref = snapshot.file("batch", date)
    if ref is None:
        raise DataError(f"No batch of {config.model} for {date} at {config.source.where}. Was it exported?")
    checks = BatchChecks(config, date)
    # with company, so that a column which is null in the row is not taken for an empty one
    where = checks.where
    batch = read_part(store, ref, where) if key is None else read_row(store, ref, where, config, key, FEW)
    checks.see_raw(batch)
    checks.finish_raw(len(batch), whole=key is None)
    frame = assemble_part(batch, lookup_tables(store, snapshot, config, date), config, function, checks)
    checks.finish_features(len(frame))
    return Assembled(len(frame), frame, checks.infinite_values())


def assemble_rows(
    store: Store, snapshot: Snapshot, config: ModelConfig, function: FeatureFunction | None, date: str, scratch: Path
) -> Assembled:
    """Return one date's rows with lookups and features, in the order of the file; many rows through a file in scratch.

    Memory does not grow with the rows, unless a feature function asks for the whole batch at once.
    Raises DataError like `read_assembled`, and IntegrityError when a part is not as it was kept.
    """
    ref = snapshot.file("batch", date)
    if ref is None or ref.flaw or config.features.whole_batch or (ref.rows or 0) <= CHUNK_ROWS:
        return _read_checked(store, snapshot, config, function, date)
    checks, tables = BatchChecks(config, date), lookup_tables(store, snapshot, config, date)
    numbers = set(config.feature_names) - config.categories
    sink = ScratchFile(
        scratch / f"assembled-{ref.digest}-{config.features_key}.parquet", numbers, {KEY, *config.source.key}
    )
    with open_object(store, ref.digest, scratch) as stream, behind(sink.write) as write:
        for batch in ahead(raw_chunks(stream, checks.where)):
            checks.see_raw(batch)
            write(assemble_part(batch, tables, config, function, checks))
    found = sink.close()
    checks.finish(found.rows)
    return replace(found, infinite=checks.infinite_values())


def assemble(
    batch: pd.DataFrame, tables: Mapping[str, pd.DataFrame], config: ModelConfig, function: FeatureFunction | None
) -> pd.DataFrame:
    """Return a raw batch with its lookups joined, its features built and checked, and its key as one string."""
    checks = BatchChecks(config, "")
    frame = assemble_part(batch, tables, config, function, checks)
    checks.finish_features(len(frame))
    return frame


def assemble_part(
    batch: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    config: ModelConfig,
    function: FeatureFunction | None,
    checks: BatchChecks,
) -> pd.DataFrame:
    """Return some rows of a batch like `assemble`; checks is shown them, and finished by whoever has seen the last."""
    frame = join_lookups(batch, config.source, tables)
    if function:
        frame = _build_features(frame, config, function)
    keys = row_keys(frame, config)
    return checks.see_features(frame, keys).assign(**{KEY: keys})


def _build_features(frame: pd.DataFrame, config: ModelConfig, function: FeatureFunction) -> pd.DataFrame:
    """Return frame with the team's features; DataError where the function misses a column, fails or loses rows."""
    name = f"{config.model}: features.function {config.features.function}"
    try:
        built = function(frame)
    except KeyError as error:
        missing = str(error.args[0])
        raise DataError(
            f"{name} needs column {missing}, which the batch does not have."
            f"{nearest(missing, [str(c) for c in frame.columns])}"
        ) from None
    except Exception as error:  # whatever a team's function raises on a batch stops that batch alone
        raise DataError(f"{name} failed on this batch: {type(error).__name__}: {error}") from error
    if not built.index.equals(frame.index):
        raise DataError(f"{name} must keep the batch's {len(frame)} rows in their order, found {len(built)} rows.")
    return built


def attach_outcome(frame: pd.DataFrame, outcomes: pd.DataFrame | None, config: ModelConfig) -> pd.DataFrame:
    """Return frame with its outcomes by key, NaN where none has come; contradicting outcomes are a DataError."""
    if outcomes is None:
        return frame.assign(**{OUTCOME: float("nan")})
    values = outcome_values(outcomes, config)
    return frame.assign(**{OUTCOME: frame[KEY].map(values).astype("float64")})


def outcome_values(outcomes: pd.DataFrame, config: ModelConfig) -> pd.Series:
    """Return outcomes by row key as floats: 0 or 1 for a yes or no, NaN where there will never be one.

    Raises DataError on a missing column, text where a number belongs, or two outcomes for one key.
    """
    where = f"outcomes of {config.model} ({config.outcome.where})"
    for column in (*config.source.key, config.outcome.column):
        if column not in outcomes:
            raise DataError(f"{where}: column {column} is missing.{nearest(column, list(outcomes.columns))}")
    raw = outcomes[config.outcome.column]
    if not pd.api.types.is_numeric_dtype(raw):
        raise DataError(f"{where}: {config.outcome.column} must be a number, found {raw.dtype}.")
    keys = row_keys(outcomes, config)
    if keys.duplicated().any():
        raise DataError(f"{where}: two outcomes for {keys[keys.duplicated()].iloc[0]}. Send one per row.")
    values = raw.astype("float64")
    if config.outcome.above is not None:
        values = (values > config.outcome.above).astype("float64").where(values.notna())
    return pd.Series(values.to_numpy(), index=pd.Index(keys))


def lookup_tables(store: Store, snapshot: Snapshot, config: ModelConfig, date: str) -> dict[str, pd.DataFrame]:
    """Return each lookup's rows that can matter for a date: the whole table, or that day and the day before."""
    tables = {}
    yesterday = (pd.Timestamp(date) - pd.Timedelta(days=1)).date().isoformat() if config.source.kind == "dates" else ""
    tomorrow = (pd.Timestamp(date) + pd.Timedelta(days=1)).date().isoformat() if yesterday else ""
    for lookup in config.source.lookups:
        refs = [snapshot.file(lookup.name, name) for name in (yesterday, date, tomorrow)]
        unique = {ref.digest: ref for ref in refs if ref}
        parts = {ref.name: _lookup_part(store, ref, f"lookup {lookup.name}") for ref in unique.values()}
        if not parts:
            raise DataError(f"Lookup {lookup.name} has no rows for {date} at {lookup.where}. Was it exported?")
        tables[lookup.name] = join_parts(lookup, parts)
    return tables


@lru_cache(maxsize=LOOKUP_PARTS)
def _lookup_part(store: Store, ref: FileRef, where: str) -> pd.DataFrame:
    """Return one file of a lookup; neighbouring dates share them, so the last few are kept. Not to be changed."""
    return read_part(store, ref, where)
