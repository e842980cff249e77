"""Results of backtests, kept in the store under the digest of what they are made of: signed, written once, shared.

A run that was killed finds what it had made; a run with another threshold finds what the threshold does not change.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from plimsoll.archive import Archive, get_sealed, put_sealed
from plimsoll.bundle import SIGNATURE, Bundle, load_bundle, sign_bundle
from plimsoll.errors import IntegrityError
from plimsoll.store import get_object, put_object

Kind = Literal["history", "model", "losses", "folds", "duel", "profiles", "seen"]


class Kept:
    """What is kept, and how often something was found or had to be made."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.found: Counter[str] = Counter()
        self.made: Counter[str] = Counter()

    def get(self, kind: Kind, key: str) -> Any | None:
        """Return a result, None where it is not kept; IntegrityError when a byte of it changed."""
        name = name_of(kind, key)
        try:
            return get_sealed(self.archive, name)
        except IntegrityError as error:
            raise _damaged(error, name) from None

    def put(self, kind: Kind, key: str, body: Any) -> None:
        """Keep a result, once."""
        put_sealed(self.archive, name_of(kind, key), body)

    def put_bundle(self, bundle: Bundle) -> dict[str, str]:
        """Keep a bundle's files as objects and return their digests by name, the signature among them."""
        signature = {SIGNATURE: sign_bundle(self.archive.seal, bundle.model, bundle.digest)}
        return {name: put_object(self.archive.store, data) for name, data in {**bundle.files, **signature}.items()}

    def bundle(self, key: str, body: Mapping[str, Any], model: str) -> Bundle:
        """Return the bundle that a kept model names, checked; IntegrityError when a byte of it changed."""
        where = name_of("model", key)
        try:
            files = {name: get_object(self.archive.store, digest) for name, digest in body["files"].items()}
            return load_bundle(files, model, body["bundle"], self.archive.seal, where)
        except IntegrityError as error:
            raise _damaged(error, where) from None


def name_of(kind: Kind, key: str) -> str:
    """Return where a result is kept."""
    return f"backtests/{kind}/{key}.json"


def _damaged(error: IntegrityError, name: str) -> IntegrityError:
    return IntegrityError(
        f"{error} Nothing of it was used. What a backtest keeps can be made again: remove what is damaged and {name} "
        "from the store, and run the backtest again."
    )
