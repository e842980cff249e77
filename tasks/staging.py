"""Part files of a batch, staged in the table's own folders: nobody sees them until one commit names them.

A file's name carries the host and the run that wrote it, so two attempts never touch the same file. Files that no
commit names are removed by `maintain_store`.
"""

import json
import socket
import time
import uuid
from collections.abc import Sequence
from typing import Any

from plimsoll.errors import DataError
from plimsoll.predictions import Served, predictions_schema
from tasks.delta import PARTITIONS, create_predictions, failed, open_predictions, table_files
from tasks.workspace import Workspace


class Stage:
    """Takes the scores of one batch, chunk by chunk, into one part file per version."""

    def __init__(
        self, workspace: Workspace, model: str, date: str, snapshot: str, run: str, what: str = "part"
    ) -> None:
        self._url = workspace.platform.predictions.url
        self._table = open_predictions(workspace) or create_predictions(workspace, predictions_schema())
        self._filesystem = table_files(workspace, self._table)
        self._place = {"model": model, "batch_date": date}
        self._same = {"snapshot": snapshot, "run": run}
        self._name = f"{what}-{socket.gethostname()}-{run[:16]}-{uuid.uuid4().hex[:12]}.parquet"
        self._parts: dict[int, _Part] = {}

    def open(self, served: Sequence[Served]) -> None:
        """Begin a part file for every version; raises FolderError or ServerError where there can be none."""
        for one in served:
            place = {**self._place, "version": str(one.version)}
            folder = "/".join(f"{name}={place[name]}" for name in PARTITIONS)
            same = {"role": one.role, **self._same}
            try:
                self._filesystem.create_dir(folder, recursive=True)
                self._parts[one.version] = _Part(self._filesystem, f"{folder}/{self._name}", place, same)
            except OSError as error:
                raise failed("write predictions to", self._url, error) from None

    def write(self, version: int, keys: Any, scores: Any) -> None:
        """Append the scores of one chunk; raises FolderError or ServerError when they cannot be written.

        DataError when a row has no key.
        """
        import pyarrow as pa

        try:
            self._parts[version].write(keys, scores)
        except pa.ArrowInvalid as error:
            raise DataError(f"A row without a key cannot be scored: {error}. Let the suite ask for keys.") from None
        except OSError as error:
            raise failed("write predictions to", self._url, error) from None

    def close(self, versions: set[int]) -> list[Any]:
        """Finish the files and return what a commit says of those of some versions; the others are removed."""
        try:
            for number, part in self._parts.items():
                part.close()
                if number not in versions:
                    self._filesystem.delete_file(part.path)
        except OSError as error:
            raise failed("write predictions to", self._url, error) from None
        return [part.action(self._filesystem) for number, part in self._parts.items() if number in versions]

    def discard(self) -> None:
        """Remove the files again; what cannot be removed is left to the upkeep of the store."""
        for part in self._parts.values():
            try:
                part.close()
                self._filesystem.delete_file(part.path)
            except OSError:
                continue


class _Part:
    """One part file: rows of one version, with the statistics that a commit says of them."""

    def __init__(self, filesystem: Any, path: str, place: dict[str, str], same: dict[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path, self._place, self._same, self._rows = path, place, same, 0
        self._bounds: list[str] = []
        self._schema = pa.schema([field for field in predictions_schema() if field.name not in PARTITIONS])
        self._sink = filesystem.open_output_stream(path)
        self._writer = pq.ParquetWriter(
            self._sink, self._stored_schema(), store_schema=False, write_page_checksum=True, use_dictionary=[*same]
        )

    def write(self, keys: Any, scores: Any) -> None:
        """Append one row group."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(keys):
            return
        codes = pa.repeat(pa.scalar(0, pa.int32()), len(keys))
        columns = {name: pa.DictionaryArray.from_arrays(codes, [value]) for name, value in self._same.items()}
        arrays = [{**columns, "key": keys, "score": scores}[name] for name in self._schema.names]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._stored_schema()))
        bounds = pc.min_max(keys).as_py()
        self._bounds += [bounds["min"], bounds["max"]]
        self._rows += len(keys)

    def close(self) -> None:
        """Write the footer, once."""
        if not self._sink.closed:
            self._writer.close()
            self._sink.close()

    def action(self, filesystem: Any) -> Any:
        """Return what a commit says of the finished file."""
        from deltalake.transaction import AddAction

        same = dict(self._same)
        low, high = (min(self._bounds), max(self._bounds)) if self._bounds else ("", "")
        stats = {
            "numRecords": self._rows,
            "minValues": {**same, "key": low},
            "maxValues": {**same, "key": high},
            "nullCount": dict.fromkeys(self._schema.names, 0),
        }
        size = filesystem.get_file_info(self.path).size
        return AddAction(self.path, size, self._place, int(time.time() * 1000), True, json.dumps(stats))

    def _stored_schema(self) -> Any:
        import pyarrow as pa

        word = pa.dictionary(pa.int32(), pa.string())
        return pa.schema([f.with_type(word) if f.name in self._same else f for f in self._schema])
