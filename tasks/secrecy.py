"""Secrets: what the environment holds in confidence must never reach a config, a record, an object or a log."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from plimsoll.errors import UserError

WORDS = ("PASSWORD", "PASSWD", "PASSPHRASE", "_PASS", "_PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL")
PAIR = r"(?:password|passwd|pwd|secret|token|sig|(?:account|access|api|secret)[_-]?key)=([^&;\s'\"]+)"
INSIDE = re.compile(PAIR, re.IGNORECASE)
ADDRESS = re.compile(rb"[a-z][a-z0-9+.-]*://[^/\s:@\"]*:[^/\s@\"]+@", re.IGNORECASE)  # with a password in it
SHORTEST = 8  # a shorter value would be found in innocent text
HIDDEN = "***"


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable may hold a secret: by its name, or a password inside an address or a list of pairs."""
    return any(word in name.upper() for word in WORDS) or any(_inside(value))


def secrets_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secret values of an environment with the variable that holds each, the longest first.

    A value is also there as an address or a JSON would write it.
    """
    return dict(_secrets_of(tuple(environ.items())))


@lru_cache(maxsize=4)
def _secrets_of(variables: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return what `secrets_of` promises; a run asks some two hundred times, once for each file that it keeps."""
    environ = dict(variables)
    found = {value: name for name, value in environ.items() if any(word in name.upper() for word in WORDS)}
    found |= {secret: name for name, value in environ.items() for secret in _inside(value)}
    kept = {value: name for value, name in found.items() if len(value) >= SHORTEST and not os.path.exists(value)}  # noqa: PTH110
    written = {form: name for value, name in kept.items() for form in _forms(value)}
    return dict(sorted(written.items(), key=lambda item: -len(item[0])))


def refuse_secrets(data: bytes, where: str, environ: Mapping[str, str] = os.environ) -> None:
    """Raise UserError when bytes that are to be kept for ever hold a secret of the environment; it is not repeated."""
    for value, name in secrets_of(environ).items():
        if value.encode(errors="surrogateescape") in data:
            raise UserError(
                f"{where} holds the value of the variable {name}. What a run sees is kept for ever, so nothing was "
                "run: take the secret out, and name the variable instead."
            )


def refuse_passwords(data: bytes, where: str) -> None:
    """Raise UserError when bytes that are to be kept for ever hold an address with a password, wherever it is from."""
    if found := ADDRESS.search(data):
        scheme = found[0].partition(b"://")[0].decode()
        raise UserError(
            f"{where} holds a password, inside an address {scheme}://…@…. What a run sees is kept for ever, so nothing "
            "was run: put the address into a variable, and name that instead."
        )


def without_secrets(value: Any, environ: Mapping[str, str] = os.environ) -> Any:
    """Return a JSON value in which every secret of the environment is replaced by three stars."""
    secrets = secrets_of(environ)
    return _hide(value, secrets) if secrets else value


def _hide(value: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, dict):
        return {_hide(key, secrets): _hide(inner, secrets) for key, inner in value.items()}
    return [_hide(inner, secrets) for inner in value] if isinstance(value, list | tuple) else value


def _forms(secret: str) -> set[str]:
    """Return how a secret may be written: as it is, in an address, in a JSON."""
    return {
        secret,
        quote(secret, safe="", errors="surrogateescape"),
        *(json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)),
    }


def _inside(value: str) -> Iterator[str]:
    """Yield the passwords inside an address such as postgresql://ada:secret@host, or pairs such as pwd=secret."""
    if "=" in value:
        for found in INSIDE.findall(value):
            yield from {found, unquote(found)}
    if "://" not in value or "@" not in value:
        return
    try:
        password = urlsplit(value).password or ""
    except ValueError:
        return
    yield from filter(None, {password, unquote(password)})
