"""Seals: Ed25519 signatures (RFC 8032) over what this project decides and records.

A digest shows that bytes changed; a signature shows that whoever wrote them held a key that is trusted here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from plimsoll.digest import canonical_json
from plimsoll.errors import IntegrityError

SECRET_BYTES = 32
SHOWN = 12  # digits of a public key in a sentence


@dataclass(frozen=True)
class Seal:
    """The key that signs here, and the public keys whose signatures count."""

    trusted: frozenset[str]  # public keys, 64 hex digits each
    secret: bytes = field(default=b"", repr=False)  # 32 bytes; none: this process may check, not sign
    # where no key was made yet: returns the key once there is one, else none; with True it makes one
    later: Callable[[bool], bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def public(self) -> str:
        """The public half of the key that signs here, 64 hex digits; empty without a key."""
        return public_key(own) if (own := self._own(make=False)) else ""

    def sign(self, data: bytes) -> str:
        """Return the signature of bytes, 128 hex digits; IntegrityError in a process that may not sign."""
        if not (own := self._own(make=True)):
            raise IntegrityError("This process holds no signing key, so it may check what was signed but sign nothing.")
        return str(_private(own).sign(data).hex())

    def check(self, data: bytes, signer: str, signature: str, where: str) -> None:
        """Raise IntegrityError unless a trusted key signed these bytes."""
        from cryptography.exceptions import InvalidSignature

        if signer not in self.trusted and (not self.later or signer != self.public):
            raise IntegrityError(
                f"{where} is signed by key {signer[:SHOWN] or 'none'}, which is not trusted here. If that key belongs "
                "to your team, add it to signing.trusted in configs/platform.yaml; else restore from a backup."
            )
        try:
            raw = bytes.fromhex(signature)
            if raw.hex() != signature:  # the same bytes in other letters are not what was written
                raise ValueError(signature)
            _public(signer).verify(raw, data)
        except (InvalidSignature, ValueError):
            raise IntegrityError(
                f"{where} was changed: the signature of key {signer[:SHOWN]} does not fit. Restore it from a backup."
            ) from None

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes that only holders of the signing key can compute, others for each purpose (HKDF, RFC 5869).

        Raises IntegrityError in a process without the key.
        """
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        if not (own := self._own(make=True)):
            raise IntegrityError("This process holds no signing key, so it cannot read what was encrypted with it.")
        return bytes(HKDF(SHA256(), SECRET_BYTES, salt=None, info=purpose.encode()).derive(own))

    def _own(self, *, make: bool) -> bytes:
        return self.secret or (self.later(make) if self.later else b"")


def seal_of(secret: bytes, trusted: frozenset[str] = frozenset()) -> Seal:
    """Return the seal of a secret key, which trusts itself and the public keys named."""
    return Seal(trusted | {public_key(secret)}, secret)


def public_key(secret: bytes) -> str:
    """Return the public half of a secret key of 32 bytes, 64 hex digits."""
    return str(_private(secret).public_key().public_bytes_raw().hex())


def seal_json(seal: Seal, key: str, body: Any) -> bytes:
    """Return a JSON value with its signature, bound to the key that it is stored under."""
    signature = seal.sign(_bound(key, body))
    return canonical_json({"body": body, "signature": signature, "signer": seal.public})


def unseal_json(seal: Seal, key: str, data: bytes) -> Any:
    """Return a JSON value after checking its signature and that not a byte differs from what was written.

    Raises IntegrityError that names the key.
    """
    try:
        parsed = json.loads(data)
        body, signer, signature = parsed["body"], str(parsed["signer"]), str(parsed["signature"])
        exact = canonical_json({"body": body, "signature": signature, "signer": signer}) == data
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IntegrityError(f"{key} cannot be read as a signed JSON: {error}. Restore it from a backup.") from None
    seal.check(_bound(key, body), signer, signature, key)
    if not exact:
        raise IntegrityError(f"{key} was changed after it was written. Restore it from a backup.")
    return body


def _bound(key: str, body: Any) -> bytes:
    return canonical_json([key, body])


@cache
def _private(secret: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(secret)


@cache
def _public(key: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
