"""The object store on S3 keeps the same promises as on a folder."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from plimsoll.errors import IntegrityError, ServerError
from plimsoll.platform_config import StoreConfig
from plimsoll.store import Store, get_json, get_object, object_key, put_json, put_object
from tasks.object_store import open_store
from tasks.s3 import S3Store, connect


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A stand-in for S3 on a free port of this machine."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture
def store(endpoint: str, request: pytest.FixtureRequest) -> Store:
    """A store in a bucket of its own, under a prefix."""
    bucket = f"b{abs(hash(request.node.name))}"
    connect(endpoint).create_bucket(Bucket=bucket)
    return open_store(StoreConfig(url=f"s3://{bucket}/team/store", endpoint_url=endpoint))


def test_what_is_put_comes_back(store: Store) -> None:
    digest = put_object(store, b"bytes")
    assert put_object(store, b"bytes") == digest
    assert get_object(store, digest) == b"bytes"
    assert get_json(store, put_json(store, {"b": 1, "a": [None, 2.5]})) == {"a": [None, 2.5], "b": 1}
    assert store.get("nothing") is None


def test_the_first_writer_wins(store: Store) -> None:
    assert store.put_if_absent("k", b"first")
    assert not store.put_if_absent("k", b"second")
    assert store.get("k") == b"first"


def test_of_many_racing_writers_one_wins_whole(store: Store) -> None:
    values = [bytes([n]) * 100_000 for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(lambda value: store.put_if_absent("k", value), values))
    assert won.count(True) == 1
    assert store.get("k") == values[won.index(True)]


def test_keys_are_sorted_and_lie_under_the_prefix(store: Store, endpoint: str) -> None:
    assert isinstance(store, S3Store)
    for key in ("a/2", "a/1", "ab", "b/1"):
        store.put_if_absent(key, b"")
    connect(endpoint).put_object(Bucket=store.bucket, Key="elsewhere/a/3", Body=b"")
    assert list(store.keys("a/")) == ["a/1", "a/2"]
    assert list(store.keys("a")) == ["a/1", "a/2", "ab"]
    assert list(store.keys("none/")) == []
    assert list(store.keys("")) == ["a/1", "a/2", "ab", "b/1"]


def test_more_keys_than_one_answer_holds(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.put_if_absent(f"ledger/{n:08d}", b""), range(1005)))
    assert list(store.keys("ledger/")) == [f"ledger/{n:08d}" for n in range(1005)]


def test_a_changed_object_is_refused(store: Store, endpoint: str) -> None:
    assert isinstance(store, S3Store)
    digest = put_object(store, b"bytes")
    connect(endpoint).put_object(Bucket=store.bucket, Key=f"team/store/{object_key(digest)}", Body=b"Bytes")
    with pytest.raises(IntegrityError, match="was changed"):
        get_object(store, digest)
    with pytest.raises(IntegrityError, match="found nothing"):
        get_object(store, "0" * 64)


def test_a_bucket_that_is_not_there_is_said_in_one_sentence(endpoint: str) -> None:
    store = open_store(StoreConfig(url="s3://nobody/prefix", endpoint_url=endpoint))
    with pytest.raises(ServerError, match=r"Cannot write k in s3://nobody/prefix"):
        store.put_if_absent("k", b"")
    with pytest.raises(ServerError, match=r"Cannot read k in s3://nobody/prefix"):
        store.get("k")
    with pytest.raises(ServerError, match=r"Cannot list k in s3://nobody/prefix"):
        list(store.keys("k"))
