"""What a terminal asks a person for, and shows them alone: one-time codes and the secret behind them."""

import sys

from plimsoll.errors import UserError


def ask_code(given: str, who: str) -> str:
    """Return a one-time code: the one given, else asked for without showing it, else the next line of the input."""
    if given:
        return given
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"One-time code of {who}: ")
    line = sys.stdin.readline().strip()
    if not line:
        raise UserError(f"Expected the one-time code of {who} on a terminal or on the input, found neither.")
    return line


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
