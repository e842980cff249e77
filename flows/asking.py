"""What a terminal asks a person for, and shows them alone: one-time codes and the secret behind them."""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from plimsoll.errors import UserError

if TYPE_CHECKING:
    from tasks.workspace import Workspace

PREFIX, CODE = "PLIMSOLL_", "--code"


def refuse_undecodable(words: Iterable[str], variables: Mapping[str, str]) -> None:
    """Raise UserError that names the first word or PLIMSOLL_ variable with bytes that are no UTF-8.

    Python hands such bytes on in disguise, and no ledger, record or page could hold them.
    """
    for before, word in pairwise(["", *words]):
        if not _is_text(word):
            about = CODE if CODE in (before, word.partition("=")[0]) else f"{_seen(before)} {_seen(word)}".strip()
            raise UserError(f"Expected text in UTF-8, found other bytes in: {about}. Nothing was done.")
    for name, value in variables.items():
        if name.startswith(PREFIX) and not (_is_text(name) and _is_text(value)):
            raise UserError(f"Expected text in UTF-8, found other bytes in the variable {_seen(name)}.")


def ask_code(given: str, who: str) -> str:
    """Return a one-time code: the one given, else asked for without showing it, else the next line of the input."""
    if given:
        return given
    try:
        code = _read_code(who)
    except UnicodeDecodeError:
        code = "\udcff"  # as Python reads such a byte where it is not strict
    if not _is_text(code):
        raise UserError(f"Expected the one-time code of {who}, six digits, found bytes that are no text.")
    if not code:
        raise UserError(f"Expected the one-time code of {who} on a terminal or on the input, found neither.")
    return code


def ask_code_of(workspace: "Workspace", given: str, who: str) -> str:
    """Return the same of somebody whose codes are looked at now; raise why none is: not enrolled, or locked."""
    from tasks.identity import raise_refusal, useless_code

    if not given:
        raise_refusal(useless_code(workspace, who, datetime.now(UTC)))
    return ask_code(given, who)


def _read_code(who: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    from getpass import getpass

    return getpass(f"One-time code of {who}: ")


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _seen(word: str) -> str:
    """Return a word with every byte that is no text as an escape."""
    return word.encode(errors="surrogateescape").decode(errors="backslashreplace")


def show_secret(uri: str, in_words: bool) -> None:
    """Draw an address that holds a secret as a QR code, and write it out when asked.

    It goes to standard error, so that a redirected output does not keep it.
    """
    from qrcode.constants import ERROR_CORRECT_L
    from qrcode.main import QRCode

    drawing = QRCode(border=2, error_correction=ERROR_CORRECT_L)
    drawing.add_data(uri)
    drawing.make(fit=True)
    drawing.print_ascii(out=sys.stderr, tty=sys.stderr.isatty(), invert=True)  # a terminal has its colours set
    if in_words:
        sys.stderr.write(f"{uri}\n")
    sys.stderr.flush()
