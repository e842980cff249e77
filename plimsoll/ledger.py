"""The ledger: per model, an append-only hash chain of decisions.

Entry n holds the digest of entry n-1, and is created with put-if-absent: of two writers of entry n one
wins, the other reads the new entry, judges its case again, and tries n+1.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from plimsoll.digest import canonical_json, sha256_hex
from plimsoll.errors import ConflictError, IntegrityError
from plimsoll.store import Store

Kind = Literal[
    "trained",
    "gates_passed",
    "gates_failed",
    "promotion_requested",
    "approved",
    "rejected",
    "approval_refused",
    "promoted",
    "rolled_back",
    "retired",
    "drift_decided",
    "retrain_started",
    "batch_committed",
    "batch_rejected",
]
ORIGIN = "0" * 64
MAX_TRIES = 50


@dataclass(frozen=True)
class Entry:
    """One decision: what, about which business date, recorded when and by whom, and its facts."""

    n: int
    model: str
    kind: Kind
    as_of: str  # business date, ISO; in a replay of the past it is the simulated one
    recorded_at: str  # wall clock, UTC, ISO
    by: str
    facts: dict[str, Any]
    key: str = ""  # idempotency key; at most one entry of a ledger carries it
    previous: str = ORIGIN
    digest: str = field(default="", compare=False)


Guard = Callable[[Sequence[Entry]], None]


def entry_key(model: str, n: int) -> str:
    """Return where entry n of a model's ledger is stored."""
    return f"ledger/{model}/{n:08d}.json"


def read_ledger(store: Store, model: str) -> tuple[Entry, ...]:
    """Return a model's entries in order, after checking the chain from its first entry.

    Raises IntegrityError that names the first entry that is wrong or missing.
    """
    entries: list[Entry] = []
    previous = ORIGIN
    for n, key in enumerate(store.keys(f"ledger/{model}/")):
        entry = _parse(store.get(key) or b"", key)
        if key != entry_key(model, n) or entry.n != n or entry.previous != previous or entry.model != model:
            raise IntegrityError(
                f"The ledger of {model} is broken at entry {n} ({key}): it does not follow entry {n - 1}. "
                "Restore the ledger from a backup; nothing was decided from it."
            )
        previous = entry.digest
        entries.append(entry)
    return tuple(entries)


def append(
    store: Store,
    model: str,
    kind: Kind,
    *,
    facts: dict[str, Any],
    as_of: str,
    recorded_at: str,
    by: str,
    key: str = "",
    guard: Guard | None = None,
) -> Entry:
    """Append one entry and return it; with an idempotency key that exists, return that entry instead.

    guard is called with the entries so far before each try and raises to refuse. Raises ConflictError
    when 50 other writers in a row were faster.
    """
    for _ in range(MAX_TRIES):
        entries = read_ledger(store, model)
        if key and (there := next((e for e in entries if e.key == key), None)):
            return there
        if guard:
            guard(entries)
        previous = entries[-1].digest if entries else ORIGIN
        entry = Entry(len(entries), model, kind, as_of, recorded_at, by, facts, key, previous)
        data = _encode(entry)
        if store.put_if_absent(entry_key(model, entry.n), data):
            return _parse(data, entry_key(model, entry.n))
    raise ConflictError(f"Could not append to the ledger of {model}: {MAX_TRIES} other writers were faster.")


def _encode(entry: Entry) -> bytes:
    body = asdict(entry)
    del body["digest"]
    return canonical_json({**body, "digest": sha256_hex(canonical_json(body))})


def _parse(data: bytes, key: str) -> Entry:
    try:
        body = json.loads(data)
        stated = body.pop("digest")
        honest = stated == sha256_hex(canonical_json(body))
        entry = Entry(**body, digest=stated)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityError(f"Ledger entry {key} cannot be read: {error}. Restore it from a backup.") from None
    if not honest:
        raise IntegrityError(f"Ledger entry {key} was changed after it was written. Restore it from a backup.")
    return entry
