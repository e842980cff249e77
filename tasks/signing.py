"""The signing key: from a variable or a file, made at the first signature where store and key lie on one machine."""

import base64
import binascii
import json
import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from plimsoll.archive import Head
from plimsoll.errors import ConfigError, FolderError, IntegrityError
from plimsoll.platform_config import PlatformConfig
from plimsoll.seal import SECRET_BYTES, Seal, public_key, seal_of
from plimsoll.store import Store

VARIABLE = "PLIMSOLL_SIGNING_KEY"
PRIVATE_MODE = 0o600


def open_seal(platform: PlatformConfig, store: Store | None = None) -> Seal:
    """Return the seal of this installation: its own key, and the public keys that the config trusts.

    The key is the variable PLIMSOLL_SIGNING_KEY, else the file `signing.file`. When the store is a local folder,
    a missing file is made by the first signature, so that looking changes nothing; for a shared store it must be made
    once, with `plimsoll key new`, and given to every machine.
    An installation that only looks needs no key, only trusted ones. Raises ConfigError, and IntegrityError where the
    key of a store that holds a ledger is gone: a new one could not check what the old one signed.
    """
    trusted = frozenset(platform.signing.trusted)
    if value := os.environ.get(VARIABLE):
        return seal_of(_decode(value, f"the variable {VARIABLE}"), trusted)
    path = Path(platform.signing.file)
    if path.is_file():
        return seal_of(_decode(_read(path), str(path)), trusted)
    if "://" in platform.store.url:
        if trusted:
            return Seal(trusted)
        raise ConfigError(
            f"Expected a signing key in {VARIABLE} or at {path}, found none. The store is shared, so its key is too: "
            "copy the team's key there, or make the first one with: plimsoll key new"
        )
    if store and not trusted and any(next(store.keys(prefix), None) for prefix in ("ledger/", "heads/")):
        raise IntegrityError(
            f"Expected the signing key at {path}, found none: nothing that it signed can be checked. Restore it from a "
            "backup, or name its public half in signing.trusted of configs/platform.yaml."
        )
    return Seal(trusted, later=partial(_key_at, path))


def _key_at(path: Path, make: bool) -> bytes:
    """Return the key that a file holds by now, none when there is no file; with make, one is made."""
    text = _read(path) if path.is_file() else make_key(path) if make else ""
    return _decode(text, str(path)) if text else b""


def make_key(path: Path) -> str:
    """Write a new key that only its owner may read, and return it; another process's key, made meanwhile, stands.

    Raises FolderError where it cannot be written.
    """
    encoded = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as stream:
            stream.write(encoded + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(stream.name).chmod(PRIVATE_MODE)
        try:
            os.link(stream.name, path)
        except FileExistsError:
            return _read(path)
        finally:
            Path(stream.name).unlink()
    except OSError as error:
        raise FolderError(f"Cannot write the signing key to {path}: {error.strerror}.") from None
    return encoded


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the signing key at {path}: {error}.") from None


def _decode(text: str, where: str) -> bytes:
    """Return the 32 bytes of a key written as base64; what was found is never repeated."""
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise ConfigError(f"Expected an Ed25519 key, {SECRET_BYTES} bytes as base64, in {where}, found something else.")
    public_key(secret)
    return secret


@dataclass(frozen=True)
class FileWitness:
    """Remembers the head of every ledger in a small file outside the store."""

    folder: Path

    @property
    def where(self) -> str:
        """Where it remembers, in words for a person."""
        return f"the witness in {self.folder}"

    def last_seen(self, model: str) -> Head | None:
        """Return the furthest head that was seen of a model's ledger; IntegrityError when the note is damaged."""
        path = self.folder / f"{model}.json"
        try:
            text = path.read_text()
            head = Head(**json.loads(text))
            whole = type(head.n) is int and head.n >= 0 and re.fullmatch("[0-9a-f]{64}", head.digest)
            if not whole or json.dumps(head._asdict()) != text:
                raise ValueError("it was changed after it was written")
            return head
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise IntegrityError(
                f"{path} cannot be read: {error}. Look at the ledger with `plimsoll verify {model}`, then delete it."
            ) from None

    def saw(self, model: str, head: Head) -> None:
        """Remember a head, unless a further one is remembered."""
        known = self.last_seen(model)
        if known and known.n >= head.n:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=".", delete=False) as stream:
                json.dump(head._asdict(), stream)
            Path(stream.name).replace(self.folder / f"{model}.json")
        except OSError as error:
            raise FolderError(f"Cannot write to {self.folder}: {error.strerror}. Free or unlock it.") from None
