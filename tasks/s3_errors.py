"""What an S3 server's refusal means, and what the person who reads it can do; never with a key in it."""

import urllib3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

# botocore lets urllib3's own errors through when a refusal to a streamed request is cut short
S3_ERRORS = (BotoCoreError, ClientError, urllib3.exceptions.HTTPError)
WHERE_KEYS_ARE = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in ~/.aws"
MEANINGS = {
    "NoSuchBucket": "there is no such bucket. Create it, or correct store.url.",
    "AccessDenied": "these keys may not do that. Ask for the right to read, write and list there.",
    "Forbidden": "these keys may not do that. Ask for the right to read, write and list there.",
    "InvalidAccessKeyId": f"the server does not know this access key. Check {WHERE_KEYS_ARE}.",
    "SignatureDoesNotMatch": f"the secret key is wrong. Check {WHERE_KEYS_ARE}.",
    "ExpiredToken": "the session's keys have expired. Log in again.",
    "RequestTimeTooSkewed": "the clocks of this machine and the server differ too much. Set them right.",
    "PermanentRedirect": "the bucket lies in another region. Set AWS_REGION, or correct store.endpoint_url.",
    "AuthorizationHeaderMalformed": "the bucket lies in another region. Set AWS_REGION to the one that is named there.",
    "NotImplemented": "this server lacks something that the store rests on. Use one with conditional writes.",
    "BadDigest": "the bytes changed on their way. Nothing was stored; try again.",
    "XAmzContentSHA256Mismatch": "the bytes changed on their way. Nothing was stored; try again.",
    "ConditionalRequestConflict": "others were writing it on every try. Try later.",
    "QuotaExceeded": "the quota is used up. Free some of it, or ask for more.",
}
ALIASES = {"403": "Forbidden", "301": "PermanentRedirect", "404": "NoSuchBucket"}  # an answer to HEAD has no body


def explain(error: Exception, endpoint_url: str | None, tries: int) -> str:
    """Return half a sentence and what to do for an error of boto3."""
    where = endpoint_url or "Amazon S3"
    if isinstance(error, ClientError):
        return _explain_answer(error, where, tries)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return f"no keys were found. Set {WHERE_KEYS_ARE}."
    if isinstance(error, ConnectionError | HTTPClientError | urllib3.exceptions.HTTPError):
        return (
            f"{where} did not answer, {tries} times ({type(error).__name__}). Check the network, store.endpoint_url "
            "and store.timeout_seconds."
        )
    return str(error)


def status(error: Exception) -> int:
    """Return the HTTP status of an answer, 0 when there was none."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) if isinstance(error, ClientError) else 0


def code(error: Exception) -> str:
    """Return the server's name for what is wrong, empty when there was no answer."""
    found = str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
    return ALIASES.get(found, found)


def _explain_answer(error: ClientError, where: str, tries: int) -> str:
    name = code(error)
    if meaning := MEANINGS.get(name):
        return f"{meaning} ({name} from {where})"
    if status(error) >= 500:
        return f"{where} failed {tries} times ({name}). Try later, or raise store.retries."
    return f"{error.response.get('Error', {}).get('Message') or 'no reason given'} ({name} from {where})"
