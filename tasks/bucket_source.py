"""A table in files on S3: one per date under a prefix, or one undivided file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.digest import CHUNK_BYTES
from plimsoll.errors import DataError, ServerError
from plimsoll.snapshot import FileRef
from tasks.keeping import TRIES, Keeper, Kept, keep_all, named, scratch


@dataclass(frozen=True)
class BucketSource:
    """Parquet or CSV files under s3://bucket/prefix."""

    client: Any
    keeper: Keeper

    def dates(self) -> list[str]:
        """Return the dates that have a file, in order."""
        prefix, suffix = f"{self._prefix}/", f".{self.keeper.feed.file_format}"
        pages = self.client.get_paginator("list_objects_v2")
        with self._asking("list"):
            found = [
                item["Key"]
                for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
                for item in page.get("Contents", [])
            ]
        names = (key.removeprefix(prefix) for key in found)
        return sorted(n.removesuffix(suffix) for n in names if n.endswith(suffix) and _is_date(n.removesuffix(suffix)))

    def keep(self, names: Sequence[str]) -> tuple[FileRef, ...]:
        """Store the parts of these names that are there, and return them with their VersionId or ETag."""
        return tuple(ref for ref in keep_all(self.keeper, self._keep, names) if ref)

    def describe(self) -> dict[str, Any]:
        """Return the place for the manifest."""
        return self.keeper.feed.describe()

    @property
    def _bucket(self) -> str:
        return str(self.keeper.feed.path).removeprefix("s3://").partition("/")[0]

    @property
    def _prefix(self) -> str:
        return str(self.keeper.feed.path).removeprefix("s3://").partition("/")[2].strip("/")

    def _keep(self, name: str) -> Kept:
        key = f"{self._prefix}/{name}.{self.keeper.feed.file_format}" if self.keeper.feed.dated else self._prefix
        for _ in range(TRIES):
            if (head := self._head(key)) is None:
                return Kept(None)
            proof = ["s3", self.client.meta.endpoint_url, self._bucket, key, head["ETag"], head["ContentLength"]]
            proof.append(head.get("VersionId", ""))
            version = _version(head)
            if known := self.keeper.known(proof):
                return Kept(named(known, name, version))
            with scratch() as folder:
                if self._fetch(key, head, folder / "delivered"):
                    ref = self.keeper.keep(name, folder / "delivered")
                    return Kept(named(ref, name, version), proof)
        raise DataError(f"{self.keeper.feed.part(name)} changed while it was read, {TRIES} times over.")

    def _head(self, key: str) -> dict[str, Any] | None:
        with self._asking("look at", missing=True) as answer:
            answer.update(self.client.head_object(Bucket=self._bucket, Key=key))
        return answer or None

    def _fetch(self, key: str, head: dict[str, Any], path: Path) -> bool:
        """Copy the very version that head is of to a file, in chunks; False when it is no longer there."""
        which = {"VersionId": head["VersionId"]} if head.get("VersionId", "null") != "null" else {}
        with self._asking("read", missing=True) as answer, path.open("wb") as sink:
            answer.update(self.client.get_object(Bucket=self._bucket, Key=key, IfMatch=head["ETag"], **which))
            for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                sink.write(chunk)
        return bool(answer) and path.stat().st_size == head["ContentLength"]

    @contextmanager
    def _asking(self, verb: str, *, missing: bool = False) -> Iterator[dict[str, Any]]:
        """Yield a place for an answer, left empty where `missing` allows that there is none (404, 412)."""
        from botocore.exceptions import BotoCoreError, ClientError

        answer: dict[str, Any] = {}
        try:
            yield answer
        except (BotoCoreError, ClientError) as error:
            status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
            if not missing or status not in (404, 412):
                raise ServerError(f"Cannot {verb} {self.keeper.feed.path}: {error}") from None
            answer.clear()


def _version(head: dict[str, Any]) -> str:
    version = head.get("VersionId", "null")
    return f"VersionId {version}" if version != "null" else f"ETag {head['ETag'].strip(chr(34))}"


def _is_date(text: str) -> bool:
    return len(text) == len("2013-01-01") and text[4] == text[7] == "-"
