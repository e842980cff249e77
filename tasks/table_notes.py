"""Notes of the predictions table: the digest of every file that a commit wrote, signed, in the object store.

The ledger holds the digest of a batch's scores. A table is more than its scores: its log decides which files count,
footers and statistics decide which are read. So each file of the log, each checkpoint and each index of keys gets a
note, and a commit's note covers the files of rows that it added. A note is written once; of files that maintenance
removed it stays.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from plimsoll.archive import put_sealed
from plimsoll.digest import CHUNK_BYTES
from plimsoll.errors import IntegrityError
from tasks.delta import storage_options
from tasks.key_index import FOLDER as INDEX
from tasks.workspace import Workspace

NOTES = "layout/"
LOG = "_delta_log"
LATEST = f"{LOG}/_last_checkpoint"  # the one file that is written over
COMMIT, CHECKPOINT = ".json", ".parquet"


def open_folder(workspace: Workspace) -> Any:
    """Return the table's folder as an Arrow file system; nothing of it is read."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import LocalFileSystem, PyFileSystem, SubTreeFileSystem

    url = workspace.platform.predictions.url
    if "://" not in url:
        return SubTreeFileSystem(url, LocalFileSystem())
    return PyFileSystem(DeltaStorageHandler(url, storage_options(workspace)))


def list_files(folder: Any, *below: str) -> dict[str, int]:
    """Return the bytes of each file of the table by its path, in order; of some folders when asked."""
    from pyarrow.fs import FileSelector, FileType

    found = {}
    for start in below or ("",):
        for about in folder.get_file_info(FileSelector(start, allow_not_found=True, recursive=True)):
            if about.type == FileType.File:
                found[about.path.lstrip("/")] = int(about.size)
    return dict(sorted(found.items()))


def file_digest(folder: Any, path: str) -> tuple[str, int]:
    """Return the SHA-256 and the bytes of a file of the table, read in chunks."""
    digest, size = sha256(), 0
    with folder.open_input_stream(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def note_key(path: str) -> str:
    """Return where the note about a file of the table is stored."""
    return f"{NOTES}{path.removesuffix(COMMIT)}{COMMIT}"


def wants_note(path: str) -> bool:
    """Say whether a file of the table gets a note of its own; rows are covered by the note of their commit."""
    name = path.rpartition("/")[2]
    in_log = path.startswith(f"{LOG}/") and name[:1].isdigit() and name.endswith((COMMIT, CHECKPOINT))
    return in_log or path.startswith(f"{INDEX}/")


def note_table(workspace: Workspace, rows: Iterable[str] = ()) -> list[str]:
    """Note every file of the log and every key index that has no note yet, and the given files of rows; return them.

    Safe to run at any time and twice: of a file that does not change every process writes the same note.
    """
    archive, folder = workspace.archive, open_folder(workspace)
    noted = set(archive.store.keys(NOTES))
    files = [*(path for path in list_files(folder, LOG, INDEX) if wants_note(path)), *rows]
    new = [path for path in files if note_key(path) not in noted]
    for path in new:
        if (body := _describe(folder, path)).get(path):  # the log's clean-up may have been faster
            put_sealed(archive, note_key(path), body)
    return new


def version_of(path: str) -> int:
    """Return the table version that a file of the log is about."""
    return int(path.rpartition("/")[2].partition(".")[0])


def _describe(folder: Any, path: str) -> dict[str, list[Any]]:
    """Return digest and bytes of a file, and of those that came with it."""
    files = [path]
    if path.startswith(LOG) and path.endswith(COMMIT):
        files += _added(folder, path)
    elif path.startswith(LOG) and _latest_version(folder) == version_of(path):
        files.append(LATEST)
    there = (about for about in folder.get_file_info(files) if about.is_file)
    return {about.path.lstrip("/"): list(file_digest(folder, about.path)) for about in there}


def _added(folder: Any, path: str) -> list[str]:
    from urllib.parse import unquote

    with folder.open_input_stream(path) as stream:
        text = stream.read()
    try:
        actions = [json.loads(line) for line in text.splitlines()]
        return [unquote(action["add"]["path"]) for action in actions if "add" in action]
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} of the predictions table cannot be read: {error}. Restore it.") from None


def _latest_version(folder: Any) -> int:
    try:
        with folder.open_input_stream(LATEST) as stream:
            return int(json.loads(stream.read())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1
