"""Big objects to and from S3: uploads in parts, and downloads that go on where a broken one stopped."""

import base64
import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from tasks.source_files import changed_file

PART_BYTES = 16 << 20
MAX_PARTS = 10_000
AT_ONCE = 4  # parts on their way; memory is one part more than these


def checksum(data: bytes) -> str:
    """Return the SHA-256 that S3 checks a body against, in its own spelling."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def upload_parts(client: Any, where: dict[str, str], path: Path, sha256: str, **options: str) -> None:
    """Upload a file in parts, each verified by the server; the whole is checked against sha256 before it appears.

    Raises DataError when the file changed meanwhile. Whatever fails, the parts are taken back.
    """
    size = max(PART_BYTES, -(-path.stat().st_size // MAX_PARTS))
    upload = {**where, "UploadId": client.create_multipart_upload(**where, **options)["UploadId"]}
    digest = hashlib.sha256()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool, path.open("rb") as stream:
            parts = list(_send(client, upload, pool, _parts(stream, size, digest)))
        if digest.hexdigest() != sha256:
            raise changed_file(path)
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    except BaseException:
        abort(client, upload)
        raise


def abort(client: Any, upload: dict[str, str]) -> bool:
    """Take back an upload's parts; False when the server does not answer, and the upkeep finds them later."""
    try:
        client.abort_multipart_upload(**upload)
    except (BotoCoreError, ClientError):
        return False
    return True


def _parts(stream: BinaryIO, size: int, digest: Any) -> Iterator[bytes]:
    while data := stream.read(size):
        digest.update(data)
        yield data


def _send(client: Any, upload: dict[str, str], pool: ThreadPoolExecutor, parts: Iterator[bytes]) -> Iterator[Any]:
    under_way: list[Future[Any]] = []
    for number, data in enumerate(parts, start=1):
        under_way.append(pool.submit(_send_part, client, upload, number, data))
        if len(under_way) >= AT_ONCE:
            yield under_way.pop(0).result()
    yield from (future.result() for future in under_way)


def _send_part(client: Any, upload: dict[str, str], number: int, data: bytes) -> dict[str, Any]:
    expected = checksum(data)
    answer = client.upload_part(**upload, PartNumber=number, Body=data, ChecksumSHA256=expected)
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": expected}


class Download(io.RawIOBase):
    """An object's bytes; a connection that breaks is opened again where it stopped, a few times in a row."""

    def __init__(self, client: Any, where: dict[str, str], retries: int) -> None:
        """Open the object; raises the client's NoSuchKey when there is none."""
        self._client, self._where, self._retries = client, dict(where), retries
        self._broken = self._at = 0
        self._open()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill buffer and return the number of bytes; 0 at the end."""
        while True:
            try:
                chunk = self._body.read(len(buffer))
                break
            except BotoCoreError:
                if self._gave_up():
                    raise
                self._body.close()
                self._open()
        self._broken = 0
        self._at += len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """Give the connection back."""
        if not self.closed:
            self._body.close()
        super().close()

    def _open(self) -> None:
        while True:
            try:
                answer = self._client.get_object(**self._where)
                break
            except HTTPError:  # a refusal that was cut short, which botocore does not see as such
                if self._gave_up():
                    raise
        self._body = answer["Body"]
        self._where["IfMatch"] = answer["ETag"]

    def _gave_up(self) -> bool:
        """Count a broken connection; True when there were too many in a row, else the next begins where it broke."""
        self._broken += 1
        if self._at:
            self._where["Range"] = f"bytes={self._at}-"
        return self._broken > self._retries
