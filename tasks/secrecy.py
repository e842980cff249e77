"""Secrets: what the environment holds in confidence must never reach a config, a record, an object or a log."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from plimsoll.errors import UserError

WORDS = ("PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL")
SHORTEST = 8  # a shorter value would be found in innocent text
HIDDEN = "***"


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable may hold a secret: by its name, or a password inside an address."""
    return any(word in name.upper() for word in WORDS) or bool(_password(value))


def secrets_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secret values of an environment with the variable that holds each."""
    found = {value: name for name, value in environ.items() if any(word in name.upper() for word in WORDS)}
    found |= {password: name for name, value in environ.items() if (password := _password(value))}
    return {value: name for value, name in found.items() if len(value) >= SHORTEST and not os.path.exists(value)}  # noqa: PTH110


def refuse_secrets(data: bytes, where: str, environ: Mapping[str, str] = os.environ) -> None:
    """Raise UserError when bytes that are to be kept for ever hold a secret of the environment; it is not repeated."""
    for value, name in secrets_of(environ).items():
        if value.encode() in data:
            raise UserError(
                f"{where} holds the value of the variable {name}. What a run sees is kept for ever, so nothing was "
                "run: take the secret out, and name the variable instead."
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


def _password(value: str) -> str:
    """Return the password inside an address such as postgresql://ada:secret@host, empty when there is none."""
    if "://" not in value or "@" not in value:
        return ""
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:
        return ""
