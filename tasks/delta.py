"""The predictions table in Delta: one atomic commit makes a batch visible, wholly or not at all."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from plimsoll.errors import ConflictError, FolderError, IntegrityError, PlimsollError, ServerError
from plimsoll.predictions import Role, predictions_schema
from tasks.workspace import Workspace

PARTITIONS = ["model", "batch_date", "version"]
MAX_TRIES = 20
# in what delta-rs says of a log that it can read and not make sense of, and of one that it cannot read
DAMAGE = ("ernel error", "Generic DeltaTable error", "Invalid table", "Invalid JSON")
UNREAD = ("object store", "Generic S3", "Generic LocalFileSystem", "os error")
ARROWS = re.compile("\x1b\\[[0-9;]*m|↳")


class Committed(NamedTuple):
    """What one commit wrote in the rows of a version."""

    role: Role
    snapshot: str
    run: str


def storage_options(workspace: Workspace) -> dict[str, str]:
    """Return delta-rs' options for S3, empty for a folder; keys come from the AWS variables."""
    if not workspace.platform.predictions.url.startswith("s3://"):
        return {}
    options = {"aws_conditional_put": "etag", "max_retries": str(workspace.platform.store.retries)}
    if endpoint := workspace.platform.store.endpoint_url:
        options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
    return options


def open_predictions(workspace: Workspace) -> Any | None:
    """Return the Delta table, None while no batch was ever committed."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(workspace.platform.predictions.url, storage_options=storage_options(workspace))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise failed("read predictions at", workspace.platform.predictions.url, error) from None


def commit_batch(workspace: Workspace, parts: list[Any], model: str, date: str, versions: list[int]) -> bool:
    """Make staged files visible in one atomic commit; False when another run had made one of the versions visible.

    Every version of a batch is a transaction of its own name, recorded in the commit that made it visible. The commit
    builds on the very state in which the batch was absent, and delta-rs refuses it when a commit of the same name came
    in between: so the first writer stands. ConflictError when others were faster on 20 tries.
    """
    names = [f"{model}/{date}/v{number}" for number in versions]
    return _append_once(workspace, parts, (model, date, versions), names, lambda _, found: bool(found))


def commit_cleared(workspace: Workspace, parts: list[Any], model: str, date: str, version: int, n: int) -> bool:
    """Add the n-th rows of a batch that were set aside before, like `commit_batch`; they have a name of their own.

    False too when the batch itself is no longer there.
    """
    name = cleared_name(model, date, version, n)
    taken = partial(_is_taken, name)
    return _append_once(workspace, parts, (model, date, [version]), [name], taken)


def cleared_name(model: str, date: str, version: int, n: int) -> str:
    """Return the name of the transaction that makes the n-th cleared rows of a batch visible."""
    return f"{model}/{date}/v{version}/cleared{n}"


def _is_taken(name: str, table: Any, found: list[str]) -> bool:
    return not found or table.transaction_version(name) is not None


def _append_once(
    workspace: Workspace,
    parts: list[Any],
    place: tuple[str, str, list[int]],
    names: list[str],
    taken: Callable[[Any, list[str]], bool],
) -> bool:
    """Append parts in one commit of some names, unless the table with its files of that place says that it is done."""
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import CommitFailedError, DeltaError

    model, date, versions = place
    url, numbers = workspace.platform.predictions.url, ", ".join(str(v) for v in versions)
    predicate = f"model = '{model}' AND batch_date = '{date}' AND version IN ({numbers})"
    named = CommitProperties(app_transactions=[Transaction(name, 1) for name in names])
    for _ in range(MAX_TRIES):
        try:
            there = open_predictions(workspace) or create_predictions(workspace, predictions_schema())
            found = there.file_uris(file_pruning_predicate=predicate)
            if taken(there, found):
                ours = {part.path.rpartition("/")[2] for part in parts}  # an answer that was lost: the commit was ours
                return {uri.rpartition("/")[2] for uri in found} >= ours
            there.create_write_transaction(parts, "append", there.schema(), PARTITIONS, commit_properties=named)
            return True
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise failed(f"commit predictions of {date} to", url, error) from None
    raise ConflictError(f"Could not commit {model} {date}: other writers were faster {MAX_TRIES} times.")


def failed(what: str, url: str, error: Exception) -> PlimsollError:
    """Return the error that says what could not be done where: of damage, of a server for a URL, else of a folder."""
    from deltalake.exceptions import DeltaError

    said = str(error)
    if isinstance(error, DeltaError) and any(w in said for w in DAMAGE) and not any(w in said for w in UNREAD):
        return IntegrityError(
            f"Cannot {what} {url}: its log was changed: {_reason(said)}. Restore it from a backup; plimsoll "
            "verify names the file."
        )
    kind = ServerError if "://" in url else FolderError
    return kind(f"Cannot {what} {url}: {_reason(said)}")


def _reason(said: str) -> str:
    """Return in one line what delta-rs says in several, each the cause of the one before, with colours and arrows."""
    lines = (ARROWS.sub("", line).strip().rstrip(".:") for line in said.splitlines())
    return ": ".join(dict.fromkeys(line for line in lines if line))


def create_predictions(workspace: Workspace, schema: Any) -> Any:
    """Return the table, created empty: two writers that created it with their rows would both be let in."""
    from deltalake import DeltaTable
    from deltalake.exceptions import CommitFailedError, DeltaError

    url, options = workspace.platform.predictions.url, storage_options(workspace) or None
    try:
        return DeltaTable.create(url, schema, mode="ignore", partition_by=PARTITIONS, storage_options=options)
    except CommitFailedError as error:  # another writer created it in the same moment
        if (made := open_predictions(workspace)) is None:
            raise failed("make the predictions table at", url, error) from None
        return made
    except (DeltaError, OSError) as error:
        raise failed("make the predictions table at", url, error) from None


def read_predictions(
    workspace: Workspace,
    model: str,
    *,
    date: str | None = None,
    version: int | None = None,
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """Return a model's predictions, of one date or version when asked; IntegrityError when they are damaged."""
    table = open_predictions(workspace)
    if table is None:
        return pd.DataFrame(
            columns=columns or ["model", "batch_date", "version", "role", "key", "score", "snapshot", "run"]
        )
    where = [("model", "=", model)]
    where += [("batch_date", "=", date)] if date else []
    where += [("version", "=", str(version))] if version is not None else []
    with _reading(workspace, model):
        rows = table.to_pyarrow_dataset(file_pruning_predicate=where).to_table(columns=columns)
    found: pd.DataFrame = rows.to_pandas()
    return found


def scan_predictions(
    workspace: Workspace, model: str, date: str, versions: list[int], run: str, columns: list[str]
) -> Iterator[Any]:
    """Yield what a run wrote about a batch as Arrow tables, part by part, so that memory does not grow with it."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    if (table := open_predictions(workspace)) is None:
        return
    where = [("model", "=", model), ("batch_date", "=", date)]
    wanted = ds.field("version").isin(versions) & (ds.field("run") == run)
    with _reading(workspace, model):
        found = table.to_pyarrow_dataset(file_pruning_predicate=where)
        ahead = {"batch_readahead": 2, "fragment_readahead": 1}
        for batch in found.to_batches(columns=columns, filter=wanted, **ahead):
            yield pa.Table.from_batches([batch])


@contextmanager
def _reading(workspace: Workspace, model: str) -> Iterator[None]:
    """Turn what goes wrong while predictions are read into the error that says whose fault it is."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (pa.ArrowException, DeltaError, OSError, ValueError) as error:
        url = workspace.platform.predictions.url
        if "://" in url and isinstance(error, OSError) and not isinstance(error, pa.ArrowException):
            raise failed("read predictions at", url, error) from None
        said = str(error).splitlines()[0].rstrip(".")
        raise IntegrityError(
            f"The predictions of {model} at {url} cannot be read: {said}. Restore them from a backup; plimsoll verify "
            "names the file."
        ) from None


def table_files(workspace: Workspace, table: Any) -> Any:
    """Return the table's folder as an Arrow file system."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import LocalFileSystem, PyFileSystem, SubTreeFileSystem

    url = workspace.platform.predictions.url
    if "://" not in url:
        return SubTreeFileSystem(url, LocalFileSystem())
    return PyFileSystem(DeltaStorageHandler.from_table(table._table, storage_options(workspace), {}))
