"""Ledger

A folder store on the local disk, where every entry is flushed before it counts, with entries like those of a real
model: a batch (0.9 kB), then the drift decision about it (4 kB). Every append reads and verifies the whole chain
first, so its rate falls as the chain grows. An entry whose bytes this process has seen is hashed, and not written out
again for comparison; the first reading is that of a new process. S3 is left out.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.children import median_ms, seconds_of
from benchmarks.figures import Figure, plain
from plimsoll.archive import Archive
from plimsoll.digest import sha256_hex
from plimsoll.ledger import ORIGIN, Entry, Kind, _encode, _exact, append, entry_key, mark_head, parse_entry, read_ledger
from plimsoll.seal import seal_of
from tasks.object_store import FolderStore

MODEL = "a_model"
DATE, NOW = "2013-03-01", "2013-03-01T05:00:00.000+00:00"
SHORT, LONG = 300, 1000
APPENDS = 40
SECRET = bytes(32)  # of a key that signs nothing else
COLUMNS, REFERENCE_DAYS = 17, 60


def measure(full: bool) -> Iterator[Figure]:
    """Yield appends per second on 300 entries, and the milliseconds to read and verify 1,000."""
    with tempfile.TemporaryDirectory() as folder:
        short = filled(Path(folder) / "short", SHORT)
        seconds = seconds_of(lambda: [append_one(short, n) for n in range(SHORT, SHORT + APPENDS)])
        yield plain(f"appends to a ledger of {SHORT} entries", APPENDS / seconds, "per s")
        long = filled(Path(folder) / "long", LONG)
        read = median_ms(lambda: read_anew(long), 25 if full else 9)
        yield plain(f"read and verify a ledger of {LONG:,} entries, first", read, "ms")
        again = median_ms(lambda: read_ledger(long, MODEL), 25 if full else 9)
        yield plain(f"read and verify a ledger of {LONG:,} entries, again", again, "ms")


def filled(root: Path, count: int) -> Archive:
    """Return an archive whose ledger holds count entries, chained as append chains them but without its reads."""
    archive, previous = Archive(FolderStore(root), seal_of(SECRET)), ORIGIN
    for n in range(count):
        kind, facts = decision(n)
        data = _encode(Entry(n, MODEL, kind, DATE, NOW, "flow:benchmark", facts, f"key:{n}", previous), archive)
        archive.store.put_if_absent(entry_key(MODEL, n), data)
        entry = parse_entry(data, entry_key(MODEL, n))
        mark_head(archive, entry)
        previous = entry.link
    assert len(read_ledger(archive, MODEL)) == count
    return archive


def read_anew(archive: Archive) -> tuple[Entry, ...]:
    """Read a ledger as a process does that has read none."""
    _exact.clear()
    return read_ledger(archive, MODEL)


def append_one(archive: Archive, n: int) -> Entry:
    """Append entry n as a flow does."""
    kind, facts = decision(n)
    return append(archive, MODEL, kind, facts=facts, as_of=DATE, recorded_at=NOW, by="flow:benchmark", key=f"key:{n}")


def decision(n: int) -> tuple[Kind, dict[str, Any]]:
    """Return entry n's kind and facts, as long as those of the demo's model."""
    digests = {name: sha256_hex(f"{name} {n}".encode()) for name in ("snapshot", "validation", "scores", "profile")}
    if n % 2 == 0:
        return "batch_committed", {"date": DATE, "rows": 900, "versions": {"1": "champion"}, **digests}
    column = {"name": "temp", "push": 3.412406023, "measure": "W1", "tonight": 80.32665, "usual": 57.26362}
    said = {"what": "mean about", "words": "temp: mean about 80.3, usually 57.3"}
    inputs = {"columns": [{**column, **said}] * COLUMNS, "reference_statistics": [1.234567891] * REFERENCE_DAYS}
    return "drift_decided", {"date": DATE, "batch_entry": n - 1, "inputs": inputs, "report": ""}
