"""The object store and the predictions on a real S3 server, Ceph's gateway: it checks keys, bytes and conditions."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from plimsoll.archive import Archive
from plimsoll.errors import ServerError
from plimsoll.ledger import append, read_ledger
from plimsoll.platform_config import PlatformConfig, PredictionsConfig
from plimsoll.seal import seal_of
from plimsoll.store import put_object
from tasks.object_store import open_store
from tasks.prediction_files import committed_versions
from tasks.processes import free_port
from tasks.workspace import Workspace, resolved
from tests.faulty_proxy import proxy_before
from tests.staged import commit_rows
from tests.store_suite import BIG_BYTES, Bed, S3Suite, bed_at, race, some_bytes, write

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph", "monmaptool")
MISSING = [name for name in PROGRAMS if not shutil.which(name)]
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(MISSING), reason="needs Debian's radosgw, ceph-mon, ceph-osd, ceph-mgr, ceph-common"),
]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, with two users."""
    folder, port = tmp_path_factory.mktemp("ceph"), free_port()
    script = Path(__file__).with_name("start_ceph.sh")
    with (folder / "start.log").open("w") as log:
        words = [script, folder, port, free_port(), free_port()]
        started = subprocess.run([*map(str, words)], stdout=log, stderr=log, timeout=200, check=False)
    try:
        assert started.returncode == 0, (folder / "start.log").read_text()[-3000:]
        with pytest.MonkeyPatch.context() as patch:
            log_in(patch, "testkey", "testsecret")
            yield f"http://127.0.0.1:{port}"
    finally:
        stop(folder)


def stop(folder: Path) -> None:
    """End the servers that left their process ids in a folder."""
    pids = [int(path.read_text()) for path in folder.glob("run/*.pid") if path.read_text().strip()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        time.sleep(0.05)


def log_in(patch: pytest.MonkeyPatch, key: str, secret: str) -> None:
    """Use a user's keys."""
    patch.setenv("AWS_ACCESS_KEY_ID", key)
    patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bed(endpoint: str) -> Bed:
    """A store in a bucket of its own, under a prefix."""
    return bed_at(endpoint)


class TestOnCeph(S3Suite):
    """Every promise and every fault, on a real server."""


def test_of_twelve_processes_one_wins(bed: Bed) -> None:
    won = race(bed.config, writers=12)
    assert sorted(won) == ["False"] * 11 + ["True"]
    assert bed.store.get("ledger/m/00000000.json") == str(won.index("True")).encode() * 1000


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        ("testkey", "not-the-secret", "the secret key is wrong"),
        ("nobody", "not-the-secret", "does not know this access key"),
        ("otherkey", "othersecret", "these keys may not do that"),
    ],
)
def test_wrong_keys_are_said_in_one_sentence(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, key: str, secret: str, said: str
) -> None:
    log_in(monkeypatch, key, secret)
    store = open_store(bed.config)
    for do in (lambda: store.put_if_absent("k", b""), lambda: store.get("k"), lambda: list(store.keys(""))):
        with pytest.raises(ServerError, match=said) as caught:
            do()
        assert secret not in str(caught.value)


def test_bytes_that_changed_on_their_way_are_not_stored(bed: Bed, tmp_path: Path) -> None:
    assert bed.config.endpoint_url
    with proxy_before(bed.config.endpoint_url) as proxy:
        store, big = bed.through(proxy), write(tmp_path / "big", some_bytes(BIG_BYTES))
        proxy.plan = lambda method, path: "flip_body" if method == "PUT" else ""
        for do in (lambda: put_object(store, b"object"), lambda: store.put_by_digest(big)):
            with pytest.raises(ServerError, match="bytes changed on their way"):
                do()
    assert list(bed.store.keys("")) == []


def test_a_ledger_loses_and_doubles_nothing_when_answers_get_lost(bed: Bed) -> None:
    assert bed.config.endpoint_url
    with proxy_before(bed.config.endpoint_url) as proxy:
        shaky = bed.through(proxy)
        calls = iter(range(10_000))
        proxy.plan = lambda method, path: "lose_answer" if method == "PUT" and next(calls) % 3 == 0 else ""
        seal = seal_of(bytes(32))

        def decide(n: int) -> int:
            known: dict[str, Any] = {"as_of": "2013-03-02", "recorded_at": "2013-03-02T00:00:00Z", "by": "test"}
            return append(Archive(shaky, seal), "m", "trained", facts={"n": n}, **known).n

        with ThreadPoolExecutor(4) as pool:
            places = list(pool.map(decide, range(12)))
    entries = read_ledger(Archive(bed.store, seal), "m")
    assert sorted(places) == [entry.n for entry in entries] == list(range(12))
    assert [entries[place].facts["n"] for place in places] == list(range(12))


def test_predictions_are_committed_once(bed: Bed, tmp_path: Path) -> None:
    platform = PlatformConfig(
        store=bed.config,
        predictions=PredictionsConfig(url=bed.config.url.replace("/store", "/predictions")),
        home=str(tmp_path),
    )
    workspace = Workspace(Path.cwd(), resolved(platform, Path.cwd()))

    def commit(day: int, run: int) -> bool:
        date = f"2013-03-{day:02d}"
        same = {"model": "m", "batch_date": date, "role": "champion", "snapshot": "s", "run": f"{run}"}
        columns = {**{name: [value] * 100 for name, value in same.items()}, "version": pa.array([1] * 100, pa.int64())}
        columns |= {"key": [str(n) for n in range(100)], "score": [0.5] * 100}
        return commit_rows(workspace, pa.table(columns), "m", date, [1])

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(lambda n: commit(n % 3 + 1, n), range(6)))
    assert won.count(True) == 3, "each date once, whoever came first"
    for day in (1, 2, 3):
        assert list(committed_versions(workspace, "m", f"2013-03-{day:02d}")) == [1]
