"""The connection to S3: a boto3 client that tries again, with growing random waits, what may succeed next time."""

import random
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ConnectionError, HTTPClientError

from plimsoll.platform_config import StoreConfig

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 20.0
PASSING_STATUS = frozenset({429, 500, 502, 503, 504})
PASSING_CODES = frozenset({"RequestTimeout", "SlowDown", "ConditionalRequestConflict", "OperationAborted"})


def connect(config: StoreConfig) -> Any:
    """Return a boto3 S3 client; keys and region come from the usual AWS variables or files.

    Every body is signed, so the server checks its SHA-256 even where it knows no checksum headers. botocore's
    own retries are off: they share a budget that only 2xx answers fill up, and a store's usual answers are
    404 and 412 (botocore.retries.standard.RetryQuotaChecker).
    """
    import boto3
    from botocore.config import Config

    options = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=config.timeout_seconds,
        read_timeout=config.timeout_seconds,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=32,
        s3={"payload_signing_enabled": True},
    )
    session = boto3.Session()  # the shared default session keeps the first keys that it finds, and is for one thread
    client = session.client("s3", endpoint_url=config.endpoint_url, config=options)
    client.meta.events.register("needs-retry.s3", _waiting(config.retries))
    return client


def _waiting(retries: int) -> Callable[..., float | None]:
    """Return what botocore asks after each try: how many seconds to wait for the next, None to stop."""

    def wait(attempts: int, response: Any, caught_exception: Exception | None, **_: Any) -> float | None:
        if attempts > retries or not _passing(response, caught_exception):
            return None
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempts)
        return random.uniform(0, longest)  # noqa: S311  # spreads writers out

    return wait


def _passing(response: Any, error: Exception | None) -> bool:
    if response is None:
        return isinstance(error, ConnectionError | HTTPClientError)
    answer, parsed = response
    return answer.status_code in PASSING_STATUS or parsed.get("Error", {}).get("Code") in PASSING_CODES
