"""Code by its bytes: what was made by other code is not taken for what this code would make."""

from functools import cache
from pathlib import Path
from typing import Any

from plimsoll.digest import sha256_file


@cache
def code_of(modules: tuple[Any, ...]) -> list[str]:
    """Return the digest of each module's file."""
    return [sha256_file(Path(str(module.__file__))) for module in modules]
