"""The object store on S3, on a stand-in that starts in a second; tests/system/test_ceph.py runs it on a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from plimsoll.errors import ConfigError
from plimsoll.platform_config import StoreConfig
from tasks.object_store import open_store
from tasks.s3 import S3Store
from tests.moto_server import moto_server
from tests.store_suite import BIG_BYTES, Bed, S3Suite, bed_at, some_bytes, write


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A stand-in for S3 on a free port of this machine."""
    with moto_server() as address:
        yield address


@pytest.fixture
def bed(endpoint: str) -> Bed:
    """A store in a bucket of its own, under a prefix."""
    return bed_at(endpoint)


class TestOnMoto(S3Suite):
    """Every promise and every fault, on moto."""

    knows_ages = False  # each upload began in 2010
    test_memory_does_not_grow_with_the_file = pytest.mark.campaign(S3Suite.test_memory_does_not_grow_with_the_file)


def test_what_is_asked_of_encryption_is_what_is_stored(bed: Bed, tmp_path: Path) -> None:
    config = bed.config.model_copy(update={"sse": "aws:kms", "sse_kms_key_id": "key-1"})
    store = open_store(config)
    assert isinstance(store, S3Store)
    store.put_if_absent("k", b"")
    store.put_by_digest(write(tmp_path / "big", some_bytes(BIG_BYTES)))
    for key in store.keys(""):
        head = store.client.head_object(Bucket=store.bucket, Key=f"team/store/{key}")
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"].rpartition("/")[2]) == ("aws:kms", "key-1")


def test_a_store_without_a_bucket_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a folder or s3://bucket/prefix"):
        open_store(StoreConfig(url="s3:///prefix"))
