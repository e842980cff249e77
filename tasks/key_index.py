"""The key index: which files of the predictions table may hold a key, where their statistics cannot tell.

Keys that begin with a date lead to a file by its first and last key. Random keys lie everywhere; for them
maintenance writes one parquet file beside the table, `_key_index/<version>-<random>.parquet`: the hash of every
key, sorted, with the file that holds it. It names the files it covers; files that came later are searched without
it. It can be deleted at any time and is written again.
"""

import itertools
import json
import secrets
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from plimsoll.errors import IntegrityError
from plimsoll.key_hash import BITS, Hashes, key_hashes
from tasks.prediction_files import LiveFiles, checked, key_column

FOLDER = "_key_index"
FORMAT = "1"
RUN_ROWS = 4_000_000  # sorted at once, 100 MB
GROUP_ROWS = 65_536
FEW = 8  # files that are read sooner than an index is asked
END = "\U0010ffff"  # after every key
KEPT = 2  # index files: the newest, and the one before, which a reader may have open
Ordinals = npt.NDArray[np.int32]


class Run(NamedTuple):
    """Hashes in order and the numbers of their files."""

    hashes: Hashes
    files: Ordinals


class KeyIndex:
    """One index file, opened: its footer and its bounds are in memory, its rows are read as they are asked for."""

    def __init__(self, path: str, file: Any) -> None:
        about = file.schema_arrow.metadata or {}
        if about.get(b"format") != FORMAT.encode():
            raise IntegrityError(f"{path} is no key index of format {FORMAT}. Delete it: it is written again.")
        self.path, self.file = path, file
        self.files: list[tuple[str, int]] = [(name, rows) for name, rows in json.loads(about[b"files"])]
        if sum(rows for _, rows in self.files) != file.metadata.num_rows:
            raise IntegrityError(f"{path} does not hold every key of its files. Delete it: it is written again.")
        groups = [file.metadata.row_group(n).column(0).statistics for n in range(file.num_row_groups)]
        self.lows = np.array([group.min for group in groups], dtype=np.int64)
        self.highs = np.array([group.max for group in groups], dtype=np.int64)

    def files_with(self, key: str) -> set[str]:
        """Return the files that may hold a key; no other file that the index covers holds it."""
        import pyarrow as pa

        wanted = int(key_hashes(pa.array([key]))[0])
        first, end = int(np.searchsorted(self.highs, wanted, "left")), int(np.searchsorted(self.lows, wanted, "right"))
        found: set[str] = set()
        for group in range(first, end):
            with checked(self.path):
                rows = self.file.read_row_group(group)
            hashes = rows["hash"].to_numpy()
            here = slice(*np.searchsorted(hashes, [wanted, wanted + 1], "left"))
            found |= {self.files[n][0] for n in rows["file"].slice(here.start, here.stop - here.start).to_pylist()}
        return found


_open: dict[tuple[str, str], KeyIndex] = {}


def open_index(live: LiveFiles) -> KeyIndex | None:
    """Return the newest index beside the table, None when there is none."""
    if not (names := _names(live)):
        return None
    at = (live.url, names[-1])
    if at not in _open:
        _open.clear()
        _open[at] = KeyIndex(names[-1], live.open_file(names[-1]))
    return _open[at]


def index_is_stale(live: LiveFiles) -> bool:
    """Return whether a key may lie in more files of a model than are read in a blink, though the index is asked."""
    index = open_index(live)
    covered = {name for name, _ in index.files} if index else set()
    files = live.files.select(["path", "model", "first", "last"]).to_pylist()
    bounds: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        if file["path"] not in covered:
            bounds.setdefault(file["model"], []).append((file["first"] or "", file["last"] or END))
    return any(_depth(ranges) > FEW for ranges in bounds.values())


def _depth(ranges: Sequence[tuple[str, str]]) -> int:
    """Return how many ranges of keys share one key, at most."""
    firsts, lasts = sorted(first for first, _ in ranges), sorted(last for _, last in ranges)
    return max(bisect_right(firsts, key) - bisect_left(lasts, key) for key in firsts)


def write_index(live: LiveFiles) -> str:
    """Write an index of all live files and return its name; what the last index knows is not read again."""
    names = live.files["path"].to_pylist()
    numbers = {name: n for n, name in enumerate(names)}
    rows = live.files["rows"].to_pylist()
    path = f"{FOLDER}/{live.version:020d}-{secrets.token_hex(4)}.parquet"
    before = open_index(live)
    covered = {name for name, _ in before.files} if before else set()
    new = [name for name in names if name not in covered]
    with tempfile.TemporaryDirectory() as folder:
        parts = itertools.chain(_known(before, numbers), _read(live, new, numbers))
        runs = [_spill(Path(folder) / str(n), run) for n, run in enumerate(_gathered(parts))]
        if (total := sum(len(run.hashes) for run in runs)) != sum(rows):
            raise IntegrityError(f"The key index would hold {total} keys, the table has {sum(rows)}. None was written.")
        _merge(live, path, runs, list(zip(names, rows, strict=True)))
    for old in _names(live)[:-KEPT]:
        live.filesystem.delete_file(old)
    return path


def _names(live: LiveFiles) -> list[str]:
    """Return the index files beside the table, oldest first."""
    from pyarrow.fs import FileSelector

    found = live.filesystem.get_file_info(FileSelector(FOLDER, allow_not_found=True))
    return sorted(f"{FOLDER}/{info.base_name}" for info in found if info.base_name.endswith(".parquet"))


def _known(index: KeyIndex | None, numbers: dict[str, int]) -> Iterator[Run]:
    """Yield what the last index knows of files that are still live."""
    if index is None:
        return
    renumbered = np.array([numbers.get(name, -1) for name, _ in index.files], dtype=np.int32)
    for group in range(index.file.num_row_groups):
        with checked(index.path):
            rows = index.file.read_row_group(group)
        files = renumbered[rows["file"].to_numpy()]
        live = files >= 0
        yield Run(rows["hash"].to_numpy()[live], files[live])


def _read(live: LiveFiles, names: Sequence[str], numbers: dict[str, int]) -> Iterator[Run]:
    """Yield the hashes of the keys of files."""
    for name in names:
        file = live.open_file(name)
        for group in range(file.num_row_groups):
            hashes = key_hashes(key_column(name, file, group))
            yield Run(hashes, np.full(len(hashes), numbers[name], dtype=np.int32))


def _gathered(parts: Iterable[Run]) -> Iterator[Run]:
    """Yield parts put together to runs of about RUN_ROWS rows, each in order of its hashes."""
    held: list[Run] = []
    for part in parts:
        held.append(part)
        if sum(len(run.hashes) for run in held) >= RUN_ROWS:
            yield _in_order(held)
            held = []
    if held:
        yield _in_order(held)


def _in_order(runs: Sequence[Run]) -> Run:
    hashes, files = np.concatenate([run.hashes for run in runs]), np.concatenate([run.files for run in runs])
    order = np.lexsort((files, hashes))
    return Run(hashes[order], files[order])


def _spill(path: Path, run: Run) -> Run:
    """Write a run to disk and return it as it lies there."""
    mapped = []
    for name, values in zip(run._fields, run, strict=True):
        np.save(target := path.with_suffix(f".{name}.npy"), np.asarray(values))
        mapped.append(np.load(target, mmap_mode="r"))
    return Run(*mapped)


def _merge(live: LiveFiles, path: str, runs: Sequence[Run], files: Sequence[tuple[str, int]]) -> None:
    """Write all runs as one sorted file, a slice of the hashes at a time: they are spread evenly."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {"format": FORMAT, "files": json.dumps(files)}
    schema = pa.schema([pa.field("hash", pa.int64()), pa.field("file", pa.int32())], metadata=about)
    options = {"use_dictionary": ["file"], "column_encoding": {"hash": "DELTA_BINARY_PACKED"}}
    slices = sum(len(run.hashes) for run in runs) // RUN_ROWS + 1
    bounds = [n * 2**BITS // slices for n in range(slices + 1)]
    live.filesystem.create_dir(FOLDER)
    with (
        live.filesystem.open_output_stream(path) as stream,
        pq.ParquetWriter(stream, schema, write_page_checksum=True, compression="zstd", **options) as writer,
    ):
        for low, high in itertools.pairwise(bounds):
            parts = [_between(run, low, high) for run in runs]
            merged = _in_order(parts)
            writer.write_table(pa.table({"hash": merged.hashes, "file": merged.files}, schema), GROUP_ROWS)


def _between(run: Run, low: int, high: int) -> Run:
    here = slice(*np.searchsorted(run.hashes, [low, high], "left"))
    return Run(run.hashes[here], run.files[here])
