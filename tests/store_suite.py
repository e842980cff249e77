"""What every store must do, whatever it lies on: the same tests for a folder, for moto and for Ceph.

A test module subclasses `StoreSuite` and gives a fixture `bed`; `S3Suite` adds what only a server can do wrong.
"""

import hashlib
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import DataError, IntegrityError, ServerError
from plimsoll.platform_config import StoreConfig
from plimsoll.store import (
    Store,
    fetch_object,
    get_json,
    get_object,
    object_digest,
    object_key,
    put_file_object,
    put_json,
    put_object,
)
from tasks.object_store import open_store
from tasks.s3 import S3Store
from tasks.s3_client import connect
from tests.faulty_proxy import Fault, Proxy, proxy_before

NOBODY = "0" * 64
BIG_BYTES = (64 << 20) + 12_345  # goes up in parts, the last of them short
WRITER = """
import sys
from plimsoll.platform_config import StoreConfig
from tasks.object_store import open_store
store = open_store(StoreConfig.model_validate_json(sys.argv[1]))
print("ready", flush=True)
input()
print(store.put_if_absent("ledger/m/00000000.json", sys.argv[2].encode() * 1000))
"""


@dataclass(frozen=True)
class Bed:
    """An empty store, and a way to change bytes behind its back."""

    config: StoreConfig
    tamper: Callable[[str, bytes], Any]

    @property
    def store(self) -> Store:
        """The store, opened anew."""
        return open_store(self.config)

    def through(self, proxy: Proxy, **settings: float) -> Store:
        """Return the store seen through a proxy."""
        return open_store(self.config.model_copy(update={"endpoint_url": proxy.endpoint, **settings}))


def bed_at(endpoint: str) -> Bed:
    """Return a store on an S3 server, in a bucket of its own and under a prefix."""
    bucket = f"b{secrets.token_hex(8)}"
    config = StoreConfig(url=f"s3://{bucket}/team/store", endpoint_url=endpoint)
    client = connect(config)
    client.create_bucket(Bucket=bucket)
    return Bed(config, lambda key, data: client.put_object(Bucket=bucket, Key=f"team/store/{key}", Body=data))


def some_bytes(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not repeat."""
    return random.Random(seed).randbytes(size)  # noqa: S311


def write(path: Path, data: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(data)
    return path


class StoreSuite:
    """The promises of a store."""

    big_bytes = BIG_BYTES
    huge_mib, more_mib = 256, 160  # a file, and how much more memory storing and fetching it may take

    @pytest.fixture
    def store(self, bed: Bed) -> Store:
        return bed.store

    def test_what_is_put_comes_back(self, store: Store) -> None:
        digest = put_object(store, b"bytes")
        assert put_object(store, b"bytes") == digest
        assert get_object(store, digest) == b"bytes"
        assert get_json(store, put_json(store, {"b": 1, "a": [None, 2.5]})) == {"a": [None, 2.5], "b": 1}
        assert get_object(store, put_object(store, b"")) == b""
        assert store.get("nothing") is None
        assert store.open("nothing") is None

    def test_stores_of_one_place_are_equal(self, bed: Bed) -> None:
        assert bed.store == bed.store
        assert hash(bed.store) == hash(bed.store)

    def test_the_first_writer_wins(self, store: Store) -> None:
        assert store.put_if_absent("k", b"first")
        assert not store.put_if_absent("k", b"second")
        assert not store.put_if_absent("k", b"first"), "who wins twice would append twice"
        assert store.get("k") == b"first"

    def test_of_many_racing_threads_one_wins_whole(self, store: Store) -> None:
        values = [bytes([n]) * 100_000 for n in range(12)]
        with ThreadPoolExecutor(12) as pool:
            won = list(pool.map(lambda value: store.put_if_absent("k", value), values))
        assert won.count(True) == 1
        assert store.get("k") == values[won.index(True)]
        assert list(store.unfinished(time.time() + 60)) == []

    def test_of_many_racing_processes_one_wins_whole(self, bed: Bed) -> None:
        won = race(bed.config, writers=2)
        assert won.count("True") == 1
        assert bed.store.get("ledger/m/00000000.json") == str(won.index("True")).encode() * 1000

    def test_keys_are_sorted_and_stay_under_their_prefix(self, store: Store) -> None:
        for key in ("a/2", "a/1", "ab", "a/b/1", "a.b", "a/b.c", "b/1", "a/ü"):
            store.put_if_absent(key, key.encode())
        assert list(store.keys("a/")) == ["a/1", "a/2", "a/b.c", "a/b/1", "a/ü"]
        assert list(store.keys("a")) == ["a.b", "a/1", "a/2", "a/b.c", "a/b/1", "a/ü", "ab"]
        assert list(store.keys("a/b")) == ["a/b.c", "a/b/1"]
        assert list(store.keys("none/")) == []
        assert list(store.keys("")) == sorted(store.keys(""))

    def test_more_keys_than_one_answer_holds(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: store.put_if_absent(f"ledger/{n:08d}", b""), range(1005)))
        assert list(store.keys("ledger/")) == [f"ledger/{n:08d}" for n in range(1005)]

    def test_entries_say_how_big_and_how_old(self, store: Store) -> None:
        began = time.time()
        store.put_if_absent("a/1", b"12345")
        digest = put_object(store, b"1234567")
        found = {entry.key: entry for entry in store.entries("")}
        assert {key: entry.bytes for key, entry in found.items()} == {"a/1": 5, object_key(digest): 7}
        assert all(began - 5 < entry.modified < time.time() + 5 for entry in found.values())

    def test_many_keys_are_written_at_once_and_none_is_changed(self, store: Store) -> None:
        store.put_if_absent("seen/7", b"first")
        store.put_all_if_absent({f"seen/{n}": b"%d" % n for n in range(300)})
        store.put_all_if_absent({})
        assert len(list(store.keys("seen/"))) == 300
        assert (store.get("seen/7"), store.get("seen/299")) == (b"first", b"299")
        assert (store.size("seen/7"), store.size("seen/none"), store.size("seen/299/x")) == (5, None, None)

    def test_what_is_deleted_is_gone_and_may_come_again(self, store: Store) -> None:
        digest = put_object(store, b"bytes")
        store.delete(object_key(digest))
        store.delete(object_key(digest))
        assert store.get(object_key(digest)) is None
        assert get_object(store, put_object(store, b"bytes")) == b"bytes"

    @pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 3])
    def test_a_file_is_stored_under_its_digest(self, store: Store, tmp_path: Path, size: int) -> None:
        data = some_bytes(size)
        digest = hashlib.sha256(data).hexdigest()
        path = write(tmp_path / "file", data)
        assert put_file_object(store, path) == (digest, size)
        assert put_file_object(store, path) == (digest, size), "a second time changes nothing"
        assert not store.put_file(object_key(digest), path, digest)
        assert get_object(store, digest) == data
        assert object_digest(store, digest) == digest
        assert fetch_object(store, digest, tmp_path).read_bytes() == data
        assert [entry.key for entry in store.entries("")] == [object_key(digest)]
        assert list(store.unfinished(time.time() + 60)) == []

    def test_a_big_file_comes_back_whole(self, store: Store, tmp_path: Path) -> None:
        path = write(tmp_path / "big", some_bytes(self.big_bytes))
        digest, size = put_file_object(store, path)
        assert size == self.big_bytes
        assert object_digest(store, digest) == digest
        assert list(store.unfinished(time.time() + 60)) == []

    def test_a_file_that_is_not_what_was_hashed_is_refused(self, store: Store, tmp_path: Path) -> None:
        for size in (1000, self.big_bytes):
            path = write(tmp_path / "file", some_bytes(size))
            with pytest.raises(DataError, match="changed while it was being stored"):
                store.put_file(object_key(NOBODY), path, NOBODY)
        assert list(store.entries("")) == []
        assert list(store.unfinished(time.time() + 60)) == []

    def test_a_file_that_is_not_there_is_said_in_one_sentence(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"Cannot read .*/none: No such file"):
            put_file_object(store, tmp_path / "none")

    def test_a_changed_or_missing_object_is_refused(self, bed: Bed, tmp_path: Path) -> None:
        store = bed.store
        digest = put_object(store, b"bytes")
        bed.tamper(object_key(digest), b"Bytes")
        with pytest.raises(IntegrityError, match="was changed"):
            get_object(store, digest)
        with pytest.raises(IntegrityError, match="was changed"):
            fetch_object(store, digest, tmp_path)
        assert object_digest(store, digest) == hashlib.sha256(b"Bytes").hexdigest()
        for read in (get_object, object_digest, lambda s, d: fetch_object(s, d, tmp_path)):
            with pytest.raises(IntegrityError, match="found nothing"):
                read(store, NOBODY)
        assert [path for path in tmp_path.iterdir() if path.is_file()] == [], "a refused object left a file"

    def test_memory_does_not_grow_with_the_file(self, bed: Bed, tmp_path: Path) -> None:
        code = """
import resource, sys
from pathlib import Path
from plimsoll.platform_config import StoreConfig
from plimsoll.store import fetch_object, object_digest, put_file_object, put_object
from tasks.object_store import open_store
store, path = open_store(StoreConfig.model_validate_json(sys.argv[1])), Path(sys.argv[2])
put_object(store, b"warm"), list(store.keys(""))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
digest, size = put_file_object(store, path)
assert object_digest(store, digest) == digest
fetch_object(store, digest, path.parent)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
        with (tmp_path / "huge").open("wb") as stream:
            for n in range(self.huge_mib):
                stream.write(some_bytes(1 << 20, n))
        grown_mib = int(run_python(code, bed.config.model_dump_json(), str(tmp_path / "huge")))
        assert grown_mib < self.more_mib, f"{grown_mib} MiB more for a file of {self.huge_mib} MiB"


class S3Suite(StoreSuite):
    """What a server adds: answers that get lost, requests that break, other writers, wrong settings."""

    knows_ages = True  # of uploads that never ended

    @pytest.fixture
    def big(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file that goes up in three parts, each as small as servers allow."""
        monkeypatch.setattr("tasks.s3.ONE_PUT_BYTES", 1 << 20)
        monkeypatch.setattr("tasks.s3_streams.PART_BYTES", 5 << 20)
        return write(tmp_path / "in-parts", some_bytes(12 << 20))

    @pytest.fixture
    def proxy(self, bed: Bed) -> Iterator[Proxy]:
        assert bed.config.endpoint_url
        with proxy_before(bed.config.endpoint_url) as proxy:
            yield proxy

    @pytest.fixture
    def shaky(self, bed: Bed, proxy: Proxy) -> Store:
        """The store seen through the proxy."""
        return bed.through(proxy, retries=3, timeout_seconds=1.0)

    @pytest.mark.parametrize("fault", ["500", "503", "stall", "cut_request", "409"])
    def test_a_request_that_failed_is_tried_again(self, shaky: Store, proxy: Proxy, store: Store, fault: Fault) -> None:
        proxy.once(fault, "PUT")
        assert shaky.put_if_absent("k", b"bytes" * 1000)
        assert proxy.broken == [fault]
        assert store.get("k") == b"bytes" * 1000

    def test_a_write_whose_answer_was_lost_finds_its_own_bytes(self, shaky: Store, proxy: Proxy, store: Store) -> None:
        proxy.once("lose_answer", "PUT")
        assert not shaky.put_if_absent("k", b"mine")
        assert shaky.get("k") == b"mine", "so whoever must know compares"
        proxy.once("lose_answer", "PUT")
        digest = put_object(shaky, b"object")
        assert get_object(store, digest) == b"object"

    @pytest.mark.parametrize("fault", ["cut_answer", "stall", "503"])
    def test_a_broken_download_goes_on_where_it_stopped(
        self, shaky: Store, proxy: Proxy, store: Store, tmp_path: Path, fault: Fault
    ) -> None:
        digest, _ = put_file_object(store, write(tmp_path / "file", some_bytes(5 << 20)))
        proxy.once(fault, "GET")
        assert object_digest(shaky, digest) == digest
        proxy.once(fault, "GET")
        assert len(get_object(shaky, digest)) == 5 << 20
        assert proxy.broken == [fault]

    @pytest.mark.parametrize("fault", ["cut_request", "500", "lose_answer"])
    @pytest.mark.parametrize("step", ["POST uploads", "PUT partNumber=2", "POST uploadId"])
    def test_an_upload_in_parts_survives_a_fault_at_every_step(
        self, shaky: Store, proxy: Proxy, store: Store, big: Path, fault: Fault, step: str
    ) -> None:
        proxy.once(fault, *step.split())
        digest, _ = put_file_object(shaky, big)
        assert proxy.broken == [fault]
        assert object_digest(store, digest) == digest
        left = list(store.unfinished(time.time() + 60))
        assert left == [] or (step, fault) == ("POST uploads", "lose_answer")  # nobody knows that upload's id
        assert store.clear_unfinished(time.time() + 60) == len(left)

    def test_parts_of_an_upload_that_failed_are_taken_back(
        self, shaky: Store, proxy: Proxy, store: Store, big: Path
    ) -> None:
        proxy.plan = lambda method, path: "500" if "partNumber=3" in path else ""
        with pytest.raises(ServerError, match=r"Cannot write objects/.* failed 4 times \(InternalError\)"):
            put_file_object(shaky, big)
        assert list(store.entries("")) == []
        assert list(store.unfinished(time.time() + 60)) == []

    def test_uploads_of_writers_that_died_are_found_and_cleared(self, store: Store) -> None:
        assert isinstance(store, S3Store)
        name = {"Bucket": store.bucket, "Key": f"{store.prefix}/{object_key(NOBODY)}"}
        upload = store.client.create_multipart_upload(**name)["UploadId"]
        store.client.upload_part(**name, UploadId=upload, PartNumber=1, Body=b"12345")
        store.client.create_multipart_upload(Bucket=store.bucket, Key="another/team")
        if self.knows_ages:
            assert list(store.unfinished(time.time() - 3600)) == [], "it may be under way"
            assert store.clear_unfinished(time.time() - 3600) == 0
        assert [(found.key, found.bytes) for found in store.unfinished(time.time() + 60)] == [(object_key(NOBODY), 5)]
        assert store.clear_unfinished(time.time() + 60) == 1
        assert list(store.unfinished(time.time() + 60)) == []

    def test_nothing_is_lost_or_doubled_when_a_fifth_of_all_requests_fail(
        self, bed: Bed, proxy: Proxy, store: Store, tmp_path: Path
    ) -> None:
        shaky = bed.through(proxy, timeout_seconds=1.0)
        chance = random.Random(7)  # noqa: S311
        kinds: list[Fault] = ["500", "503", "stall", "lose_answer", "cut_request", "cut_answer", "slow"]
        proxy.plan = lambda method, path: chance.choice(kinds) if chance.random() < 0.2 else ""

        def work(n: int) -> tuple[str, bool]:
            path = write(tmp_path / f"{n}", some_bytes(50_000, n))
            digest, _ = put_file_object(shaky, path)
            own = f"{n}".encode()
            won = any(
                shaky.put_if_absent(f"slots/{slot}", own) or shaky.get(f"slots/{slot}") == own for slot in range(n + 1)
            )
            assert get_object(shaky, digest) == path.read_bytes()
            return digest, won

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(work, range(24)))
        assert len(proxy.broken) > 20
        assert [hashlib.sha256(some_bytes(50_000, n)).hexdigest() for n in range(24)] == [digest for digest, _ in done]
        assert all(object_digest(store, digest) == digest for digest, _ in done)
        values = [store.get(key) for key in store.keys("slots/")]
        assert len(values) == len(set(values)) == sum(won for _, won in done)

    def test_retries_that_run_out_are_said_in_one_sentence(self, shaky: Store, proxy: Proxy, store: Store) -> None:
        proxy.plan = lambda method, path: "503"
        with pytest.raises(ServerError, match=r"Cannot write k in s3://.* failed 4 times \(SlowDown\)\. Try later"):
            shaky.put_if_absent("k", b"")
        proxy.plan = lambda method, path: "409"
        with pytest.raises(ServerError, match="others were writing it on every try"):
            shaky.put_if_absent("k", b"")
        proxy.plan = lambda method, path: "cut_answer"
        store.put_if_absent("full", b"12345678")
        with pytest.raises(ServerError, match=r"Cannot read full in s3://"):
            shaky.get("full")
        assert store.get("k") is None

    def test_a_server_that_is_not_there_is_said_in_one_sentence(self, bed: Bed) -> None:
        nowhere = bed.config.model_copy(update={"endpoint_url": "http://127.0.0.1:9", "retries": 1})
        with pytest.raises(ServerError, match=r"Cannot write k .* http://127.0.0.1:9 did not answer, 2 times"):
            open_store(nowhere).put_if_absent("k", b"")

    def test_a_bucket_that_is_not_there_is_said_in_one_sentence(self, bed: Bed, tmp_path: Path) -> None:
        store = open_store(bed.config.model_copy(update={"url": "s3://nobody/prefix"}))
        doing = {
            "write k": lambda: store.put_if_absent("k", b""),
            "write objects/": lambda: put_file_object(store, write(tmp_path / "f", b"")),
            "read k": lambda: store.get("k"),
            "list k": lambda: list(store.keys("k")),
        }
        for what, do in doing.items():
            with pytest.raises(ServerError, match=rf"Cannot {what}.* in s3://nobody/prefix: there is no such bucket"):
                do()

    def test_no_keys_are_said_in_one_sentence(self, bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        with pytest.raises(ServerError, match=r"no keys were found\. Set AWS_ACCESS_KEY_ID"):
            bed.store.get("k")


def race(config: StoreConfig, writers: int) -> list[str]:
    """Let processes write one key at once; each answers True or False."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, config.model_dump_json(), str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(writers)
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=120)[0].strip() for process in started]


def run_python(code: str, *words: str) -> str:
    """Run a piece of Python in a process of its own and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
