"""Engines: the same rows and the same ledger from one process, several or a cluster, whoever is killed meanwhile."""

import datetime as dt
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import ConfigError, PlimsollError, ServerError
from plimsoll.predictions import BatchResult, Role, Served
from tasks.batches import roles_of
from tasks.bundles import fetch_bundle
from tasks.engines import score_each
from tasks.partition import jobs_of, score_partition
from tasks.processes import free_port
from tasks.records import Run, recording
from tests.dask_cluster import scheduler, workers
from tests.flows import places
from tests.flows.places import DAY, Answer, Place
from tests.scoring_faults import DATES, Scene, land, prepare, visible
from tests.scoring_kills import MODEL

NEVER_LANDED = "2013-02-20"
ASKED = (DATES[0], NEVER_LANDED, *DATES[1:], "2013-03-04")
LANDED = tuple(date for date in ASKED if date != NEVER_LANDED)
VICTIM = DATES[1]
OWN = ("run", "record", "scored_by", "validation", "predict_seconds")  # of an entry: what is the run's, not the rows'
# a feature function that notes each try of a date, and dies on it as often as it is told to
FATAL = """
import os
import signal
from pathlib import Path

ORDERS = Path(__file__).with_name("orders")


def live_or_die(batch):
    date = str(batch["sample_id"].iloc[0]).partition("/")[0]
    if not ORDERS.exists():  # it trains
        return batch
    with (ORDERS / "begun").open("a") as told:
        told.write(date + "\\n")
    order = ORDERS / date
    if order.exists() and (left := int(order.read_text())):
        order.write_text(str(left - 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return batch
"""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Four dates that landed, a champion and two challengers, and a feature function that can kill its process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PLIMSOLL_")]:
            patch.delenv(name)
        made = prepare(tmp_path_factory.mktemp("engines"), make_fatal)
        land(made, ASKED[-1], 3)
        yield made


def make_fatal(root: Path) -> None:
    """Give the model of a project a feature function that can kill its process."""
    (root / "configs/features/fatal.py").write_text(FATAL)
    config = root / f"configs/models/{MODEL}.yaml"
    config.write_text(config.read_text().replace("features:\n", "features:\n  function: fatal:live_or_die\n", 1))


@pytest.fixture(scope="module")
def plain(scene: Scene) -> Scene:
    """A home in which one process scored all dates, one after the other."""
    one = scene.copy(scene.home.with_name("plain"))
    with standing_at(one):
        results = score(one)
    assert [result.date for result in results] == [*ASKED]
    return one


@contextmanager
def standing_at(scene: Scene, *doomed: tuple[str, int]) -> Iterator[Path]:
    """Work at a place, where dates kill whoever scores them so many times; yield the folder that tells of tries."""
    orders = scene.root / "configs/features/orders"
    shutil.rmtree(orders, ignore_errors=True)
    orders.mkdir()
    for date, times in doomed:
        (orders / date).write_text(str(times))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PLIMSOLL_")]:
            patch.delenv(name)
        for name, value in variables(scene).items():
            patch.setenv(name, value)
        yield orders


def variables(scene: Scene) -> dict[str, str]:
    return {
        "PLIMSOLL_HOME": str(scene.home),
        "PLIMSOLL_DATA": str(scene.data),
        "PLIMSOLL_ROOT": str(scene.root),
        **dict(scene.more),
    }


@contextmanager
def opened(dates: Sequence[str] = ASKED) -> Iterator[tuple[Run, list[Served]]]:
    """Open a run and the versions that it serves, as `score_batch` does, without its server."""
    with recording("score_batch", MODEL, dt.date.fromisoformat(max(dates)), {}) as run:
        standing = run.standing()
        roles: list[tuple[int, Role]] = roles_of(run.config, standing, 1)
        bundle = fetch_bundle(run.workspace, MODEL, 1, standing.versions[0].bundle)
        yield run, [Served(number, role, bundle) for number, role in roles]


def score(scene: Scene, dates: Sequence[str] = ASKED, each: Callable[[BatchResult], object] = lambda _: None) -> Any:
    """Score dates on the engine that the variables name."""
    results = []
    with opened(dates) as (run, served):
        for result in score_each(run, served, dates):
            each(result)
            results.append(result)
    return results


def tries(orders: Path) -> Counter[str]:
    return Counter((orders / "begun").read_text().split())


def assert_like(plain: Scene, one: Scene, dates: Sequence[str] = LANDED) -> None:
    """Assert that a home has the rows, the ledger facts and the record that one process leaves."""
    mine, wanted = one.files(), plain.files()
    for date in dates:
        assert visible(mine, date) == visible(wanted, date), date
    assert sorted(entries(one, dates), key=str) == sorted(entries(plain, dates), key=str)
    assert_named(one)


def entries(scene: Scene, dates: Sequence[str]) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted((scene.home / f"store/ledger/{MODEL}").glob("*"))]
    about = [e["facts"] for e in found if e["kind"].startswith("batch_") and e["facts"]["date"] in dates]
    return [{name: value for name, value in facts.items() if name not in OWN} for facts in about]


def assert_named(scene: Scene) -> None:
    """Assert that the record of the last run names the very entries that the ledger says are its own."""
    last = max((scene.home / "store/records").glob("*/end.json"))
    body = json.loads(last.read_text())["body"]
    found = (json.loads(path.read_text()) for path in (scene.home / f"store/ledger/{MODEL}").glob("*"))
    own = {str(entry["n"]) for entry in found if entry["facts"].get("run") == body["run_id"]}
    assert own
    assert set(body["outputs"]["ledger"]) == own
    snapshots = {e["snapshot"] for e in entries(scene, LANDED)}
    assert snapshots <= set(body["snapshots"])


@pytest.mark.campaign
def test_two_processes_leave_what_one_leaves_though_one_of_them_is_killed(scene: Scene, plain: Scene) -> None:
    one = scene.copy(scene.home.with_name("two"), PLIMSOLL_PROCESSES="2")
    with standing_at(one, (VICTIM, 1)) as orders:
        results = score(one)
        assert_like(plain, one, [*LANDED, NEVER_LANDED])
        again = score(one)
    assert {r.date: r.state for r in results} == {**dict.fromkeys(LANDED, "committed"), NEVER_LANDED: "rejected"}
    assert tries(orders) == Counter([*LANDED, *LANDED, VICTIM]), "one more than champion and shadows need, of its own"
    assert {r.state for r in again} == {"already", "rejected"}


@pytest.mark.campaign
def test_a_date_that_kills_every_process_is_named_and_holds_up_no_other(scene: Scene, plain: Scene) -> None:
    one = scene.copy(scene.home.with_name("doomed"), PLIMSOLL_PROCESSES="2")
    done: list[BatchResult] = []
    with standing_at(one, (VICTIM, 99)) as orders, pytest.raises(PlimsollError, match=f"^{VICTIM} was not scored: "):
        score(one, each=done.append)
    others = [date for date in LANDED if date != VICTIM]
    assert sorted(r.date for r in done if r.state == "committed") == others
    assert tries(orders) == Counter([*others, *others, *[VICTIM] * 3])
    assert_like(plain, one, others)
    assert not visible(one.files(), VICTIM)


def test_a_date_that_was_committed_before_its_process_died_counts_as_the_runs_own(scene: Scene) -> None:
    one = scene.copy(scene.home.with_name("late"))
    with standing_at(one), opened() as (run, served):
        job = jobs_of(run, served, [VICTIM])[0]
        first, second = score_partition(job), score_partition(job)
    assert first.result
    assert second.result
    assert (first.result.state, second.result.state) == ("committed", "committed")
    assert first.result.rows == second.result.rows > 0


@pytest.mark.campaign
def test_an_interrupted_run_leaves_no_process(scene: Scene) -> None:
    import psutil

    def stop(_: BatchResult) -> None:
        raise KeyboardInterrupt

    one = scene.copy(scene.home.with_name("stopped"), PLIMSOLL_PROCESSES="2")
    before = {p.pid for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())}
    with standing_at(one), pytest.raises(KeyboardInterrupt):
        score(one, LANDED, stop)
    after = {p.pid for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())}
    assert after <= before


def test_the_command_scores_in_processes(
    serving: Place, plimsoll: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIMSOLL_PROCESSES", "2")
    scored = plimsoll("score", places.MODEL, "--date", DAY, "--to", "2013-03-04")
    assert scored.code == 0, scored.said
    assert "3 batches" in scored.out
    assert serving.predictions()["batch_date"].nunique() == 3
    assert len(serving.records()[-1]["end"]["outputs"]["ledger"]) == 3
    assert not places.damage(serving)
    assert "up to 2 dates at once" in plimsoll("explain-plan", places.MODEL).out.replace("\n", " ")


def on_dask(scene: Scene, name: str, address: str) -> Scene:
    """Return a copy of a home that scores on a cluster."""
    return scene.copy(scene.home.with_name(name), PLIMSOLL_ENGINE="dask", PLIMSOLL_DASK__SCHEDULER=address)


def test_a_cluster_leaves_what_one_process_leaves_though_a_worker_is_killed(
    scene: Scene, plain: Scene, tmp_path: Path
) -> None:
    with scheduler(tmp_path) as address:
        one = on_dask(scene, "dask", address)
        with standing_at(one, (VICTIM, 1)) as orders, workers(tmp_path, address, 2):
            results = score(one)
    assert {r.date: r.state for r in results} == {**dict.fromkeys(LANDED, "committed"), NEVER_LANDED: "rejected"}
    assert tries(orders) == Counter([*LANDED, *LANDED, VICTIM]), "one more than champion and shadows need, of its own"
    assert_like(plain, one, [*LANDED, NEVER_LANDED])


@pytest.mark.campaign
def test_a_date_that_kills_every_worker_is_named_and_holds_up_no_other(
    scene: Scene, plain: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    with scheduler(tmp_path) as address:
        one = on_dask(scene, "dask-doomed", address)
        with standing_at(one, (VICTIM, 99)), workers(tmp_path, address, 2):  # noqa: SIM117
            with pytest.raises(PlimsollError, match=f"^{VICTIM} was not scored: "):
                score(one)
    assert_like(plain, one, [date for date in LANDED if date != VICTIM])
    assert not visible(one.files(), VICTIM)


@pytest.mark.campaign
def test_workers_with_another_project_or_another_store_get_no_work(scene: Scene, tmp_path: Path) -> None:
    with scheduler(tmp_path) as address:
        one = on_dask(scene, "strangers", address)
        root = Path(shutil.copytree(one.root, tmp_path / "project"))
        with (root / f"configs/models/{MODEL}.yaml").open("a") as config:
            config.write("# another commit\n")
        other_code = {**variables(one), "PLIMSOLL_ROOT": str(root)}
        other_store = {**variables(one), "PLIMSOLL_STORE__URL": str(scene.home / "store")}
        with standing_at(one) as orders:
            with workers(tmp_path, address, 1, **other_code), pytest.raises(ConfigError) as refused:
                score(one)
            assert "other code or configs" in str(refused.value)
            with workers(tmp_path, address, 1, **other_store), pytest.raises(ConfigError) as refused:
                score(one)
            assert "another store" in str(refused.value)
        assert not (orders / "begun").exists()
        assert not entries(one, LANDED)


def test_no_scheduler_and_no_worker_are_said_in_a_sentence(
    serving: Place, plimsoll: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLIMSOLL_ENGINE", "dask")
    monkeypatch.setenv("PLIMSOLL_DASK__WAIT_SECONDS", "3")
    monkeypatch.setenv("PLIMSOLL_DASK__SCHEDULER", address := f"tcp://127.0.0.1:{free_port()}")
    refused = plimsoll("score", places.MODEL, "--date", DAY)
    assert refused.code == ServerError.exit_code
    assert f"No Dask scheduler answers at {address}" in refused.err.replace("\n", " ")
    with scheduler(tmp_path) as address:
        monkeypatch.setenv("PLIMSOLL_DASK__SCHEDULER", address)
        refused = plimsoll("score", places.MODEL, "--date", DAY)
    assert refused.code == ServerError.exit_code
    assert "has had no worker for 3 s" in refused.err.replace("\n", " ")
    assert "Traceback" not in refused.said
    assert serving.predictions().empty
