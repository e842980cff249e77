"""One-time codes: six digits from a shared secret and the clock, new every thirty seconds (TOTP, RFC 6238)."""

import base64
import hmac
import re
from datetime import datetime, timedelta

STEP_SECONDS = 30
WINDOW = 1  # steps before and after the present one that count too: clocks differ, and people type
LONGEST_WAIT = timedelta(minutes=5)  # between filling in a form and its check, while a process starts
SECRET_BYTES = 20  # RFC 4226, section 4: 160 bits are recommended
SIX_DIGITS = re.compile(r"[0-9]{6}")


def secret_of(random: bytes) -> str:
    """Return random bytes as the secret that an authenticator app takes, in base32; ValueError unless there are 20."""
    if len(random) != SECRET_BYTES:
        raise ValueError(f"Expected {SECRET_BYTES} random bytes, found {len(random)}.")
    return base64.b32encode(random).decode()


def step_at(now: datetime) -> int:
    """Return the number of the thirty seconds that a moment lies in, counted since 1970 (RFC 6238, section 4.2)."""
    return int(now.timestamp()) // STEP_SECONDS


def entered_at(said: datetime | None, now: datetime) -> datetime | None:
    """Return when a code was entered: not later than now, and None where that is longer ago than is believed."""
    entered = min(said or now, now)
    return entered if entered >= now - LONGEST_WAIT else None


def code_at(secret: str, step: int) -> str:
    """Return the six digits of a step."""
    from pyotp import TOTP

    return TOTP(secret).generate_otp(step)


def typed_code(text: str) -> str | None:
    """Return the six digits that a person typed, with or without spaces; None when it is anything else."""
    digits = "".join(text.split())
    return digits if SIX_DIGITS.fullmatch(digits) else None


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the step whose code this is, of the present one and its neighbours; None when it is no code of now."""
    middle = step_at(now)
    steps = range(middle - WINDOW, middle + WINDOW + 1)
    return next((n for n in steps if hmac.compare_digest(code_at(secret, n).encode(), code.encode())), None)


def enrolment_uri(secret: str, name: str, issuer: str) -> str:
    """Return the otpauth:// address that an authenticator app reads from a QR code; it holds the secret."""
    from pyotp import TOTP

    return TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)
