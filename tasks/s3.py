"""The object store on S3, through boto3.

`put_if_absent` is one conditional PUT (`If-None-Match: *`), never a multipart completion, whose condition
some servers ignore. Only objects, which are named by their digest, are uploaded in parts.
"""

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from plimsoll.digest import CHUNK_BYTES, sha256_file, sha256_hex
from plimsoll.errors import ServerError
from plimsoll.platform_config import StoreConfig
from plimsoll.store import Stored, object_key
from tasks.s3_errors import S3_ERRORS, code, explain, status
from tasks.s3_streams import Download, abort, checksum, upload_parts
from tasks.source_files import changed_file, reading

ONE_PUT_BYTES = 64 << 20  # longer files go up in parts
PUTS_AT_ONCE = 8


@dataclass(frozen=True)
class S3Store:
    """A store under a prefix of a bucket, s3://bucket/prefix."""

    config: StoreConfig
    client: Any = field(compare=False, repr=False)

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self.config.url.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        """What every name in the bucket starts with; empty or without a slash at its end."""
        return self.config.url.removeprefix("s3://").partition("/")[2].strip("/")

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write data under key unless key exists; True when this call wrote it.

        A retry after a lost answer finds its own bytes: the answer is False, and who must know whether it won
        compares what is there with what it wrote.
        """
        options = {"IfNoneMatch": "*", "ChecksumSHA256": checksum(data), **self._encryption()}
        try:
            with self._asking("write", key, passing=(412,)):
                self.client.put_object(**self._where(key), Body=data, **options)
        except ClientError:
            return False
        return True

    def put_all_if_absent(self, items: Mapping[str, bytes]) -> None:
        """Write what is not there yet of many keys, several at a time."""
        with ThreadPoolExecutor(PUTS_AT_ONCE) as pool:
            list(pool.map(self.put_if_absent, items, items.values()))

    def put_file(self, key: str, path: Path, sha256: str) -> bool:
        """Write a file's bytes under the key of an object, long ones in parts; False when the object was there.

        Raises DataError when the file no longer hashes to sha256.
        """
        with reading(path):
            size = path.stat().st_size
            if self.size(key) == size:
                return False
            if size > ONE_PUT_BYTES:
                return self._put_parts(key, path, size, sha256)
            data = path.read_bytes()
        if sha256_hex(data) != sha256:
            raise changed_file(path)
        return self.put_if_absent(key, data)

    def put_by_digest(self, path: Path) -> tuple[str, int]:
        """Store a file under its own digest and return the digest and the bytes; it is hashed before it is sent."""
        with reading(path):
            digest, size = sha256_file(path), path.stat().st_size
        self.put_file(object_key(digest), path, digest)
        return digest, size

    def get(self, key: str) -> bytes | None:
        """Return the bytes under key, None when there are none."""
        source = self.open(key)
        if source is None:
            return None
        with source as stream:
            return stream.read()

    def open(self, key: str) -> AbstractContextManager[BinaryIO] | None:
        """Return a stream of the bytes under key, not verified, None when there are none."""
        try:
            with self._asking("read", key, passing=("NoSuchKey",)):
                raw = Download(self.client, self._where(key), self.config.retries)
        except ClientError:
            return None
        return self._streaming(key, raw)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with prefix, sorted."""
        yield from (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Stored]:
        """Yield what lies under the keys that start with prefix, sorted by key."""
        start = len(self._name(""))
        for page in self._pages("list_objects_v2", prefix):
            for item in page.get("Contents", []):
                yield Stored(item["Key"][start:], item["Size"], item["LastModified"].timestamp())

    def delete(self, key: str) -> None:
        """Remove a key, if it is there. Nothing but the upkeep of the store may call this."""
        with self._asking("remove", key):
            self.client.delete_object(**self._where(key))

    def unfinished(self, before: float) -> Iterator[Stored]:
        """Yield the uploads in parts that began before a time (seconds since 1970) and never ended."""
        yield from (stored for stored, _ in self._uploads(before))

    def clear_unfinished(self, before: float) -> int:
        """Take back the parts of what `unfinished` yields and return how many uploads there were."""
        return sum(abort(self.client, upload) for _, upload in list(self._uploads(before)))

    def _uploads(self, before: float) -> Iterator[tuple[Stored, dict[str, str]]]:
        start = len(self._name(""))
        for page in self._pages("list_multipart_uploads", ""):
            for item in page.get("Uploads", []):
                upload = {"Bucket": self.bucket, "Key": item["Key"], "UploadId": item["UploadId"]}
                if (began := item["Initiated"].timestamp()) < before:
                    yield Stored(item["Key"][start:], self._bytes_of(upload), began), upload

    def _bytes_of(self, upload: dict[str, str]) -> int:
        with self._asking("list", upload["Key"]):
            pages = self.client.get_paginator("list_parts").paginate(**upload)
            return sum(part["Size"] for page in pages for part in page.get("Parts", []))

    def _pages(self, operation: str, prefix: str) -> Iterator[Any]:
        with self._asking("list", prefix or "keys"):
            yield from self.client.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=self._name(prefix))

    def size(self, key: str) -> int | None:
        """Return how many bytes lie under key, None when there are none."""
        try:
            with self._asking("look for", key, passing=(404,)):
                return int(self.client.head_object(**self._where(key))["ContentLength"])
        except ClientError:
            return None

    def _put_parts(self, key: str, path: Path, size: int, sha256: str) -> bool:
        """Upload a file in parts; a retry after a lost answer to the last request finds the upload gone."""
        options = {"ChecksumAlgorithm": "SHA256", **self._encryption()}
        try:
            with self._asking("write", key, passing=("NoSuchUpload",)):
                upload_parts(self.client, self._where(key), path, sha256, **options)
        except ClientError as error:
            if self.size(key) != size:
                raise self._failed("write", key, error) from None
        return True

    @contextmanager
    def _streaming(self, key: str, raw: Download) -> Iterator[BinaryIO]:
        with self._asking("read", key), io.BufferedReader(raw, CHUNK_BYTES) as stream:
            yield stream

    @contextmanager
    def _asking(self, verb: str, key: str, passing: tuple[int | str, ...] = ()) -> Iterator[None]:
        """Turn boto3's errors into one sentence, but for those whose status or code the caller waits for."""
        try:
            yield
        except S3_ERRORS as error:
            if status(error) in passing or code(error) in passing:
                raise
            raise self._failed(verb, key, error) from None

    def _failed(self, verb: str, key: str, error: Exception) -> ServerError:
        why = explain(error, self.config.endpoint_url, self.config.retries + 1)
        return ServerError(f"Cannot {verb} {key} in {self.config.url}: {why}")

    def _encryption(self) -> dict[str, str]:
        named = {"ServerSideEncryption": self.config.sse, "SSEKMSKeyId": self.config.sse_kms_key_id}
        return {name: value for name, value in named.items() if value}

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._name(key)}

    def _name(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key
