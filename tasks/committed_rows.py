"""The rows of a batch as a ledger entry committed or cleared them: checked before anything is concluded from them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from plimsoll.archive import get_sealed
from plimsoll.assembly import outcome_values
from plimsoll.errors import DataError, IntegrityError
from plimsoll.key_buckets import BUCKET_ROWS, HASH, hashed
from plimsoll.key_hash import BITS, key_hashes
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.part_files import read_part
from plimsoll.scores_digest import batch_digest
from plimsoll.snapshot import FileRef
from plimsoll.store import open_object
from plimsoll.validation import of_earlier_code
from plimsoll.verification import expired_batch_key
from tasks.delta import read_predictions, scan_predictions
from tasks.scratch import scratch_folder
from tasks.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ["version", "key", "score"]
T = TypeVar("T")
Take = Callable[["pa.Table"], None]
OUTCOMES_AT_ONCE = 262_144  # rows of an outcome file


def committed_rows(workspace: Workspace, batch: Entry, share: float = 1, among: pd.Index | None = None) -> pd.DataFrame:
    """Return version, key and score of every row that a ledger entry committed or cleared, after checking their digest.

    Of less than all a share is returned by a hash of the key, the same keys of every batch, and those alone that are
    among some keys; then the batch is read in parts, and memory grows with what is returned. Raises IntegrityError when
    rows were changed, added or lost. Where the retention policy took one version of several, what is left cannot be
    checked: the entry's digest is that of all together.
    """
    if share >= 1 and among is None:
        return _proved(workspace, batch, partial(_read, workspace, batch))
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = list[pa.Table]()
    asked = None if among is None else pa.array(among.to_numpy(dtype=object), pa.string())

    def keep(part: pa.Table) -> None:
        mine = pa.array(part[HASH].to_numpy() < share * 2**BITS)
        some = part.filter(mine if asked is None else pc.and_(mine, pc.is_in(part["key"].cast(pa.string()), asked)))
        kept.append(some.select(COLUMNS))

    _proved(workspace, batch, partial(_stream, workspace, batch, keep))
    rows: pd.DataFrame = pa.concat_tables(kept).to_pandas() if kept else pd.DataFrame(columns=COLUMNS)
    return rows.astype({"version": "int32", "score": "float64"})


def take_committed(workspace: Workspace, batch: Entry, take: Take) -> None:
    """Hand version, key, score and hash of every row that a ledger entry committed or cleared to take, part by part.

    Memory does not grow with the batch. Their digest is checked after the last one: what was taken counts only once
    this returns. Raises IntegrityError like `committed_rows`.
    """
    few = int(batch.facts["rows"]) * len(batch.facts["versions"]) <= BUCKET_ROWS
    _proved(workspace, batch, partial(_take_few if few else _stream, workspace, batch, take))


def _proved(workspace: Workspace, batch: Entry, read: Callable[[], tuple[T, str, set[str]]]) -> T:
    """Return what is read of a batch's rows, once the digest that comes with it is that of the entry."""
    try:
        found, digest, versions = read()
    except IntegrityError as error:
        said = f"The predictions of {batch.model} for {batch.facts['date']} are not those of ledger entry {batch.n}"
        raise IntegrityError(f"{said}: {error}") from None
    if digest == batch.facts["scores"] or _expired(workspace, batch, versions):
        return found
    raise IntegrityError(
        f"The predictions of {batch.model} for {batch.facts['date']} are not those of ledger entry {batch.n}: rows "
        f"were changed, added or lost. They lie in {workspace.platform.predictions.url}; restore them from a backup."
    )


def _read(workspace: Workspace, batch: Entry) -> tuple[pd.DataFrame, str, set[str]]:
    """Return all rows of a batch, their digest and their versions."""
    import pyarrow as pa

    date = str(batch.facts["date"])
    rows = read_predictions(workspace, batch.model, date=date, columns=[*COLUMNS, "run"]).astype({"version": "int32"})
    mine = rows["version"].isin([int(v) for v in batch.facts["versions"]]) & (rows["run"] == batch.facts["scored_by"])
    rows = pd.DataFrame(rows[mine], columns=COLUMNS)
    digest = _digest(workspace, batch, iter([pa.Table.from_pandas(rows, preserve_index=False)]), len(rows))
    return rows, digest, set(rows["version"].astype(str))


def _take_few(workspace: Workspace, batch: Entry, take: Take) -> tuple[None, str, set[str]]:
    """Hand a batch over that fits into memory: the table is opened once."""
    import pyarrow as pa

    rows, digest, versions = _read(workspace, batch)
    take(hashed(pa.Table.from_pandas(rows, preserve_index=False)))
    return None, digest, versions


def _stream(workspace: Workspace, batch: Entry, take: Take) -> tuple[None, str, set[str]]:
    """Hand a batch over part by part, and return the digest and the versions of all its rows."""
    import pyarrow.compute as pc

    versions = set[str]()

    def passed(parts: "Iterator[pa.Table]") -> "Iterator[pa.Table]":
        for part in map(hashed, parts):
            versions.update(str(one) for one in pc.unique(part["version"]).to_pylist())
            take(part)
            yield part

    wanted = [int(version) for version in batch.facts["versions"]]
    about = workspace, batch.model, str(batch.facts["date"]), wanted, str(batch.facts["scored_by"])
    count = sum(len(part) for part in scan_predictions(*about, columns=["run"]))
    digest = _digest(workspace, batch, passed(scan_predictions(*about, columns=COLUMNS)), count)
    return None, digest, versions


def _digest(workspace: Workspace, batch: Entry, parts: "Iterator[pa.Table]", rows: int) -> str:
    with scratch_folder(workspace) as scratch:
        return batch_digest(parts, rows, scratch, undealt=of_earlier_code(batch.facts))


def _expired(workspace: Workspace, batch: Entry, there: set[str]) -> bool:
    """Return whether the retention policy took the versions that are not there."""
    gone = set(batch.facts["versions"]) - there
    keys = [expired_batch_key(batch.model, str(batch.facts["date"]), int(version)) for version in gone]
    return bool(gone) and all(get_sealed(workspace.archive, key) for key in keys)


def outcome_share(workspace: Workspace, config: ModelConfig, ref: FileRef, where: str, share: float) -> pd.Series:
    """Return the outcomes of one file by row key, or of the rows of a share as `committed_rows` takes them.

    Of a share the file is read in parts. Raises DataError like `outcome_values`.
    """
    import pyarrow as pa

    if share >= 1 or ref.flaw:
        return outcome_values(read_part(workspace.store, ref, where), config)
    kept = []
    for part in outcome_parts(workspace, config, ref, where):
        values = outcome_values(part, config)
        keys = pa.array(values.index.to_numpy(dtype=object), pa.string(), from_pandas=True).fill_null("")
        kept.append(values[key_hashes(keys) < share * 2**BITS])
    found: pd.Series = pd.concat(kept)
    if found.index.duplicated().any():
        raise DataError(f"{where}: two outcomes for {found.index[found.index.duplicated()][0]}. Send one per row.")
    return found


def outcome_parts(workspace: Workspace, config: ModelConfig, ref: FileRef, where: str) -> Iterator[pd.DataFrame]:
    """Yield key columns and outcome of one file, part by part, the first one empty so that a missing column is named.

    Raises DataError for a file that is no parquet, or was kept as it came because it is not one.
    """
    if ref.flaw:
        raise DataError(ref.flaw)
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [*config.source.key, config.outcome.column]
    with scratch_folder(workspace) as scratch, open_object(workspace.store, ref.digest, scratch) as stream:
        try:
            file = pq.ParquetFile(stream, pre_buffer=False)
            names = [name for name in wanted if name in file.schema_arrow.names]
            yield file.schema_arrow.empty_table().select(names).to_pandas()  # so that a missing column is named
            if names == wanted:
                for batch in file.iter_batches(OUTCOMES_AT_ONCE, columns=wanted):
                    yield pa.Table.from_batches([batch]).to_pandas()
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{where}: expected a parquet file, found bytes that are not one ({error}).") from None
