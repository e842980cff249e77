"""What a person typed into a form or a command, without the code that they may have typed there too."""

import re

from tasks.secrecy import HIDDEN


def as_typed(text: str, code: str) -> str:
    """Return a name or a decision as a person wrote it, without the code or any other six digits."""
    return re.sub(r"[0-9](?: *[0-9]){5,}", HIDDEN, without_code(text, code))


def without_code(text: str, code: str) -> str:
    """Return what a person wrote without the code, however it is spaced; of six digits and nothing else nothing."""
    typed, digits = text.strip(), "".join(code.split())
    if re.fullmatch(r"[0-9 ]{6,}", typed):
        return HIDDEN
    return re.sub(r"\s*".join(map(re.escape, digits)), HIDDEN, typed) if len(digits) >= 6 else typed
