"""The ledger: per model, an append-only, signed hash chain of decisions.

Entry n holds the digest of entry n-1 and of its signature, and is created with put-if-absent: of two writers of
entry n one wins, the other reads the new entry, judges its case again, and tries n+1. Each entry is signed, so
nobody without a key can add one; a signed mark of each head, and the witness, show when the last ones were cut off.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal

from plimsoll.archive import Archive, Head, get_sealed, put_sealed
from plimsoll.digest import canonical_json, sha256_hex
from plimsoll.errors import ConflictError, FolderError, IntegrityError

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
    "rows_cleared",
    "holdout_frozen",
    "holdout_looked",
    "challenger_tried",
    "approver_invited",  # this and what follows: in the ledger of people
    "approver_enrolled",
    "approver_removed",
    "code_accepted",
    "code_refused",
]
ORIGIN = "0" * 64
MAX_TRIES = 50
REMEMBERED = 100_000
_exact: set[bytes] = set()  # SHA-256 of the bytes of entries that this process found to be exactly as written


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
    signer: str = field(default="", compare=False)  # public key
    signature: str = field(default="", compare=False)  # of the digest

    @property
    def link(self) -> str:
        """What the next entry holds as `previous`: the digest over this entry and its signature."""
        return sha256_hex(f"{self.digest}{self.signer}{self.signature}".encode())


Guard = Callable[[Sequence[Entry]], None]


def entry_key(model: str, n: int) -> str:
    """Return where entry n of a model's ledger is stored."""
    return f"ledger/{model}/{n:08d}.json"


def head_key(model: str, n: int) -> str:
    """Return where the mark that entry n was written is stored."""
    return f"heads/{model}/{n:08d}.json"


def read_ledger(archive: Archive, model: str, known: Sequence[Entry] = ()) -> tuple[Entry, ...]:
    """Return a model's entries in order, after checking the chain, the last signature, and that none was cut off.

    known are the first entries, where the caller has read them here before: they must be there still, and are not
    read again, since an entry is written once. Raises IntegrityError that names the first entry that is wrong or
    missing.
    """
    marks = _marks(archive, model)  # before the entries: another writer may append in between
    entries: list[Entry] = []
    previous = ORIGIN
    for n, key in enumerate(archive.store.keys(f"ledger/{model}/")):
        entry = known[n] if n < len(known) else parse_entry(archive.store.get(key) or b"", key)
        if key != entry_key(model, n) or entry.n != n or entry.previous != previous or entry.model != model:
            raise IntegrityError(
                f"The ledger of {model} is broken at entry {n} ({key}): {misplaced(n)}. "
                "Restore the ledger from a backup; nothing was decided from it."
            )
        previous = entry.link
        entries.append(entry)
    marks += [("this run", Head(known[-1].n, known[-1].digest))] if known else []
    _check_head(archive, model, entries, marks)
    return tuple(entries)


def append(
    archive: Archive,
    model: str,
    kind: Kind,
    *,
    facts: dict[str, Any],
    as_of: str,
    recorded_at: str,
    by: str,
    key: str = "",
    guard: Guard | None = None,
    known: Sequence[Entry] = (),
) -> Entry:
    """Append one signed entry and return it; with an idempotency key that exists, return that entry instead.

    guard is called with the entries so far before each try and raises to refuse. known is as in `read_ledger`.
    Raises ConflictError when 50 other writers in a row were faster.
    """
    entries = known
    for _ in range(MAX_TRIES):
        entries = read_ledger(archive, model, entries)
        if key and (there := next((e for e in entries if e.key == key), None)):
            return there
        if guard:
            guard(entries)
        previous = entries[-1].link if entries else ORIGIN
        entry = Entry(len(entries), model, kind, as_of, recorded_at, by, facts, key, previous)
        data = _encode(entry, archive)
        place = entry_key(model, entry.n)
        # a write whose answer was lost is tried again by the client, finds itself there, and counts as won
        if archive.store.put_if_absent(place, data) or archive.store.get(place) == data:
            written = parse_entry(data, place)
            mark_head(archive, written)
            return written
    raise ConflictError(f"Could not append to the ledger of {model}: {MAX_TRIES} other writers were faster.")


def mark_head(archive: Archive, entry: Entry) -> bool:
    """Leave the signed mark that an entry was written; True when it was not there yet."""
    wrote = put_sealed(archive, head_key(entry.model, entry.n), {"n": entry.n, "digest": entry.digest})
    if archive.witness:
        archive.witness.saw(entry.model, Head(entry.n, entry.digest))
    return wrote


def misplaced(n: int) -> str:
    """Return in words what is wrong with an entry that is not the next one of its chain."""
    return f"it does not follow entry {n - 1}" if n else "it is not the first of this ledger"


def check_signature(archive: Archive, entry: Entry) -> None:
    """Raise IntegrityError unless a trusted key signed an entry, and with it all entries before."""
    where = f"Ledger entry {entry_key(entry.model, entry.n)}"
    archive.seal.check(entry.digest.encode(), entry.signer, entry.signature, where)


def _marks(archive: Archive, model: str) -> list[tuple[str, Head]]:
    """Return the furthest heads that the store and the witness remember, with where they stand."""
    marks = []
    keys = list(archive.store.keys(f"heads/{model}/"))
    if keys and (body := get_sealed(archive, keys[-1])):
        marks.append((keys[-1], Head(int(body["n"]), str(body["digest"]))))
    if archive.witness and (seen := archive.witness.last_seen(model)):
        marks.append((archive.witness.where, seen))
    return marks


def _check_head(archive: Archive, model: str, entries: Sequence[Entry], marks: list[tuple[str, Head]]) -> None:
    for where, head in marks:
        if head.n >= len(entries):
            raise IntegrityError(
                f"The ledger of {model} was cut off: it ends after {len(entries)} entries, but {where} has seen entry "
                f"{head.n}. Restore ledger/{model}/ from a backup; nothing was decided from it."
            )
        if entries[head.n].digest != head.digest:
            raise IntegrityError(
                f"The ledger of {model} was rewritten: entry {head.n} is not the one that {where} has seen. "
                f"Restore ledger/{model}/ from a backup; nothing was decided from it."
            )
    if not entries:
        return
    check_signature(archive, entries[-1])
    if archive.witness:
        with suppress(FolderError):  # who may only look remembers nothing; who appends must
            archive.witness.saw(model, Head(entries[-1].n, entries[-1].digest))


def _encode(entry: Entry, archive: Archive) -> bytes:
    digest = sha256_hex(canonical_json(_body(entry)))
    signature = archive.seal.sign(digest.encode())
    return _written(_body(entry), digest, archive.seal.public, signature)


def _body(entry: Entry) -> dict[str, Any]:
    body = asdict(entry)
    for name in ("digest", "signer", "signature"):
        del body[name]
    return body


def _written(body: dict[str, Any], digest: str, signer: str, signature: str) -> bytes:
    return canonical_json({**body, "digest": digest, "signer": signer, "signature": signature})


def parse_entry(data: bytes, key: str) -> Entry:
    """Return an entry from its bytes; IntegrityError that names the key unless they are exactly what was written."""
    try:
        body = json.loads(data)
        stated, signer, signature = (body.pop(name) for name in ("digest", "signer", "signature"))
        exact = _is_exact(data, body, stated, signer, signature)
        entry = Entry(**body, digest=stated, signer=signer, signature=signature)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"Ledger entry {key} cannot be read: {error}. Restore it from a backup.") from None
    if not exact:
        raise IntegrityError(f"Ledger entry {key} was changed after it was written. Restore it from a backup.")
    return entry


def _is_exact(data: bytes, body: dict[str, Any], stated: str, signer: str, signature: str) -> bool:
    """Say whether bytes are those that `_encode` makes of what they say.

    That depends on the bytes alone, and writing an entry out again is most of the work of reading a ledger. So the
    answer is remembered by the hash of the bytes, which are read and hashed each time.
    """
    seen = sha256(data).digest()
    if seen in _exact:
        return True
    if stated != sha256_hex(canonical_json(body)) or _written(body, stated, signer, signature) != data:
        return False
    if len(_exact) >= REMEMBERED:
        _exact.clear()
    _exact.add(seen)
    return True
