"""The object store on S3, through boto3.

`put_if_absent` is one conditional PUT (`If-None-Match: *`), never a multipart completion, whose condition
some servers ignore.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from plimsoll.errors import ServerError


def connect(endpoint_url: str | None) -> Any:
    """Return a boto3 S3 client; keys and region come from the usual AWS variables or files."""
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 5}, request_checksum_calculation="when_required")
    return boto3.client("s3", endpoint_url=endpoint_url, config=config)


@dataclass(frozen=True)
class S3Store:
    """A store under a prefix of a bucket."""

    client: Any
    bucket: str
    prefix: str

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write data under key unless key exists; True when this call wrote it.

        A retry after a lost answer finds its own object and gets 412: equal bytes count as written.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.put_object(
                Bucket=self.bucket, Key=self._name(key), Body=data, IfNoneMatch="*", ChecksumAlgorithm="SHA256"
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in {409, 412}:
                return False
            raise self._failed("write", key, error) from None
        except BotoCoreError as error:
            raise self._failed("write", key, error) from None
        return True

    def get(self, key: str) -> bytes | None:
        """Return the bytes under key, None when there are none."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self._name(key))
            return bytes(answer["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None
        except (BotoCoreError, ClientError) as error:
            raise self._failed("read", key, error) from None

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with prefix, sorted."""
        from botocore.exceptions import BotoCoreError, ClientError

        start = len(self._name(""))
        pages = self.client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._name(prefix)):
                yield from (item["Key"][start:] for item in page.get("Contents", []))
        except (BotoCoreError, ClientError) as error:
            raise self._failed("list", prefix, error) from None

    def _name(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    def _failed(self, verb: str, key: str, error: Exception) -> ServerError:
        return ServerError(f"Cannot {verb} {key} in s3://{self.bucket}/{self.prefix}: {error}")
