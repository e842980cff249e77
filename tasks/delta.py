"""The predictions table in Delta: one atomic commit makes a batch visible, wholly or not at all."""

import os
from typing import Any

import pandas as pd

from plimsoll.errors import ConflictError, ServerError
from tasks.workspace import Workspace

PARTITIONS = ["model", "batch_date", "version"]
MAX_TRIES = 20


def storage_options(workspace: Workspace) -> dict[str, str]:
    """Return delta-rs' options for S3, empty for a folder; keys come from the AWS variables."""
    if not workspace.platform.predictions.url.startswith("s3://"):
        return {}
    options = {"aws_conditional_put": "etag"}
    if endpoint := workspace.platform.store.endpoint_url:
        options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
    return options


def open_predictions(workspace: Workspace) -> Any | None:
    """Return the Delta table, None while no batch was ever committed."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(workspace.platform.predictions.url, storage_options=storage_options(workspace))
    except TableNotFoundError:
        return None
    except OSError as error:
        raise ServerError(f"Cannot read predictions at {workspace.platform.predictions.url}: {error}") from None


def committed_versions(workspace: Workspace, model: str, date: str) -> dict[int, tuple[str, str]]:
    """Return the versions whose results for a batch are visible, each with its role and snapshot id."""
    rows = read_predictions(workspace, model, date=date, columns=["version", "role", "snapshot"]).drop_duplicates()
    found = zip(rows["version"], rows["role"], rows["snapshot"], strict=True)
    return {int(version): (str(role), str(snapshot)) for version, role, snapshot in found}


def commit_batch(workspace: Workspace, table: Any, model: str, date: str, versions: list[int]) -> None:
    """Make a batch visible in one commit that replaces exactly its own partitions.

    Equal results written twice replace each other; ConflictError when others were faster on 20 tries.
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    url = workspace.platform.predictions.url
    numbers = ", ".join(str(v) for v in versions)
    predicate = f"model = '{model}' AND batch_date = '{date}' AND version IN ({numbers})"
    for _ in range(MAX_TRIES):
        exists = open_predictions(workspace) is not None
        how = {"mode": "overwrite", "predicate": predicate} if exists else {"mode": "error"}
        try:
            write_deltalake(
                url, table, partition_by=PARTITIONS, storage_options=storage_options(workspace) or None, **how
            )
            return
        except (CommitFailedError, FileExistsError):
            continue
        except DeltaError as error:
            if "already exists" in str(error):
                continue
            raise ServerError(f"Cannot commit predictions of {date} to {url}: {error}") from None
        except OSError as error:
            raise ServerError(
                f"Cannot commit predictions of {date} to {url}: {os.strerror(error.errno or 0)}"
            ) from None
    raise ConflictError(f"Could not commit {model} {date}: other writers were faster {MAX_TRIES} times.")


def read_predictions(
    workspace: Workspace,
    model: str,
    *,
    date: str | None = None,
    version: int | None = None,
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """Return a model's predictions, of one date or version when asked."""
    table = open_predictions(workspace)
    if table is None:
        return pd.DataFrame(
            columns=columns or ["model", "batch_date", "version", "role", "key", "score", "snapshot", "run"]
        )
    where = [("model", "=", model)]
    where += [("batch_date", "=", date)] if date else []
    where += [("version", "=", str(version))] if version is not None else []
    found: pd.DataFrame = table.to_pyarrow_dataset(file_pruning_predicate=where).to_table(columns=columns).to_pandas()
    return found


def find_key(workspace: Workspace, model: str, key: str, date: str | None) -> pd.DataFrame:
    """Return every prediction ever made for one key of a model, the date narrowing the search."""
    import pyarrow.dataset as ds

    table = open_predictions(workspace)
    if table is None:
        return pd.DataFrame()
    where = [("model", "=", model), *([("batch_date", "=", date)] if date else [])]
    rows = table.to_pyarrow_dataset(file_pruning_predicate=where).to_table(filter=ds.field("key") == key)
    found: pd.DataFrame = rows.to_pandas().sort_values(["batch_date", "version"])
    return found
