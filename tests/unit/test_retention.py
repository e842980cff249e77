"""Retention: nothing that is needed ever goes, and what nothing needs goes when it is old enough."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plimsoll.archive import get_sealed
from plimsoll.errors import IntegrityError
from plimsoll.platform_config import RetentionConfig
from plimsoll.reachable import Named, Reached, closure
from plimsoll.run_record import list_runs, read_record
from plimsoll.store import object_key
from tests.upkeep import MODEL, Yard

MONTH = RetentionConfig(runs_days=30)
NODES = st.integers(0, 12)
GRAPHS = st.dictionaries(NODES, st.frozensets(NODES, max_size=4), max_size=13)


@pytest.fixture(scope="module", autouse=True)
def no_power_cuts() -> Iterator[None]:
    """Nothing here is about power cuts, and forcing every file to disk is most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.durable_files.os.fsync", lambda _: None)
        yield


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path, MONTH)


def paths_from(roots: set[int], graph: dict[int, frozenset[int]]) -> set[int]:
    """Reachability the slow way: until nothing new is found."""
    found = set(roots)
    while more := {end for start in found for end in graph.get(start, ())} - found:
        found |= more
    return found


@settings(max_examples=40)
@given(GRAPHS, st.sets(NODES), st.sets(NODES))
def test_exactly_what_can_be_reached_is_reached(
    graph: dict[int, frozenset[int]], first: set[int], later: set[int]
) -> None:
    reached = Reached(lambda one: Named(frozenset(map(str, graph.get(int(one), ())))))
    reached.add(Named(frozenset(map(str, first))))
    reached.add(Named(frozenset(map(str, later))))
    assert {n for n in range(13) if str(n) in reached} == paths_from(first | later, graph)
    assert closure(first, graph) == paths_from(first, graph)


@settings(max_examples=40)
@given(GRAPHS, st.sets(NODES), st.sets(NODES))
def test_data_is_kept_and_not_followed_unless_something_else_names_it(
    graph: dict[int, frozenset[int]], roots: set[int], data: set[int]
) -> None:
    reached = Reached(lambda one: Named(frozenset(map(str, graph.get(int(one), ())))))
    reached.add(Named(data=frozenset(map(str, data))))
    reached.add(Named(frozenset(map(str, roots))))
    assert {n for n in range(13) if str(n) in reached} == paths_from(roots, graph) | data


RUNS = st.lists(
    st.tuples(
        st.sampled_from([1, 10, 40, 50, 400]),  # days ago
        st.sampled_from(["done", "refused", "failed", "waiting", None]),
        st.lists(st.integers(0, 5), max_size=3),  # snapshots, by what files they share
        st.lists(st.integers(0, 6), max_size=2),  # parents, by number
        st.sampled_from([False, False, True]),  # is it of a version that became champion?
    ),
    min_size=2,
    max_size=7,
)


@settings(max_examples=12)
@given(RUNS, st.lists(st.sampled_from([0.5, 1.5, 3, 90]), max_size=4))
def test_whatever_a_store_holds_what_kept_runs_need_stays_and_the_rest_goes(
    runs: list[tuple[int, str | None, list[int], list[int], bool]], orphans: list[float]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        yard = Yard(Path(folder), MONTH)
        ids: list[str] = []
        needs: dict[str, set[str]] = {}
        for days, result, shared, before, champion in runs:
            files = [(f"file {n}".encode(), f"file {n + 1}".encode()) for n in shared]
            snapshots = [yard.snapshot(*pair) for pair in files]
            parents = [ids[n] for n in before if n < len(ids)] if result else []
            one = yard.run(days, snapshots, parents, result=result)  # type: ignore[arg-type]
            needs[one] = {*snapshots, *(yard.put(data) for pair in files for data in pair)} if result else set()
            needs[one] |= set(parents)
            if champion:
                number = len(ids) + 1
                yard.enter("trained", version=number, run=one, bundle="")
                yard.enter("promoted", version=number)
            ids.append(one)
        loose = {yard.put(f"orphan {n}".encode(), days=age): age for n, age in enumerate(orphans)}
        kept = {
            one
            for one, (days, result, _, _, champion) in zip(ids, runs, strict=True)
            if days < 30 or champion or result == "waiting"
        }
        kept = closure(kept, needs)

        yard.maintain()

        left = set(list_runs(yard.workspace.store))
        assert left == kept & set(ids)
        wanted = {digest for one in left for digest in needs[one]} - set(ids)
        common = {yard.put(data) for data in (b'{"the":"config"}', b'{"the":"tree"}', b"lock", b'{"a":"1"}')}
        young = {digest for digest, age in loose.items() if age < 2}
        under_way = any(result is None and days < 2 for days, result, *_ in runs)
        if under_way:
            assert wanted | set(loose) <= yard.objects()
        else:
            assert yard.objects() - common == (wanted | young) - common
        for one in set(ids) - left:
            tomb = get_sealed(yard.workspace.archive, f"expired/{one}.json")
            assert tomb
            assert tomb["run"] == one


def test_an_expired_run_leaves_a_signed_tombstone_and_takes_only_its_own_data(yard: Yard) -> None:
    shared, own = yard.snapshot(b"shared", b"a"), yard.snapshot(b"shared", b"own")
    stays, goes = yard.run(10, [shared]), yard.run(40, [own])
    yard.enter("trained", version=1, run=goes, snapshot=own, bundle="")
    report = yard.put(b'{"passed":false}')
    yard.enter("gates_failed", version=1, run=goes, gate_report=report)
    yard.maintain()
    assert read_record(yard.workspace.archive, goes) is None
    assert read_record(yard.workspace.archive, stays)
    tomb = get_sealed(yard.workspace.archive, f"expired/{goes}.json")
    assert tomb["by"] == "upkeep"
    assert tomb["policy"] == "retention: 30 days"
    assert yard.has(shared)
    assert not yard.has(own)
    assert yard.has(yard.put(b"shared"))
    assert yard.has(report), "what the gates said is shown on the model's page for ever"


def test_what_a_kept_run_was_built_upon_stays_however_old(yard: Yard) -> None:
    oldest = yard.run(900, [yard.snapshot(b"oldest")])
    between = yard.run(400, [yard.snapshot(b"between")], [oldest])
    yard.run(60, [], [between])
    newest = yard.run(2, [], [between], flow="score_batch")
    yard.maintain()
    assert list_runs(yard.workspace.store) == [oldest, between, newest]
    objects = yard.objects()
    assert {yard.put(b"oldest"), yard.put(b"between")} <= objects


def test_the_promotion_of_a_former_champion_stays_and_one_that_came_to_nothing_goes(yard: Yard) -> None:
    trained = yard.run(90)
    for version, final in ((1, "promoted"), (2, "promoted"), (3, "promoted"), (4, "rejected")):
        yard.enter("trained", version=version, run=trained, bundle="")
        yard.enter(final, version=version)  # type: ignore[arg-type]
    asked = [yard.run(80, flow="promote_model", parameters={"version": version}) for version in (1, 2, 3, 4)]
    yard.maintain()
    assert list_runs(yard.workspace.store) == sorted([trained, *asked[:3]])


def test_an_old_object_named_anew_after_the_survey_stays(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import maintenance

    old = yard.put(b"old and unnamed")
    look = maintenance.look_again

    def name_it_first(archive: object, found: object) -> None:
        yard.run(0.1, outputs={"uses": old})
        look(archive, found)  # type: ignore[arg-type]

    monkeypatch.setattr(maintenance, "look_again", name_it_first)
    yard.maintain()
    assert yard.has(old)


def test_a_run_under_way_puts_the_sweep_off(yard: Yard) -> None:
    orphan = yard.put(b"nobody's")
    open_run = yard.run(0.5, result=None)
    yard.maintain()
    assert yard.has(orphan), open_run
    for half in ("start", "end"):
        yard.workspace.store.delete(f"records/{open_run}/{half}.json")
    yard.maintain()
    assert not yard.has(orphan)


def test_a_killed_run_puts_the_sweep_off_for_the_grace_time_only(yard: Yard) -> None:
    orphan = yard.put(b"nobody's")
    yard.run(3, result=None)
    yard.maintain()
    assert not yard.has(orphan)


def test_the_ledgers_own_entries_and_last_marks_stay(yard: Yard) -> None:
    for n in range(15):
        yard.enter("retrain_started", note=n)
    yard.maintain()
    store = yard.workspace.store
    assert len(list(store.keys(f"ledger/{MODEL}/"))) == 15
    assert [key[-13:] for key in store.keys(f"heads/{MODEL}/")] == [f"{n:08d}.json" for n in range(5, 15)]


def test_a_frozen_holdout_stays_when_the_run_that_froze_it_is_gone(yard: Yard) -> None:
    snapshot, other = yard.snapshot(b"held", b"out"), yard.snapshot(b"of", b"a run")
    old = yard.run(900, [other])
    yard.enter("holdout_frozen", run=old, snapshot=snapshot)
    yard.enter("retrain_started", run=old, snapshot=other)
    yard.maintain()
    assert yard.has(snapshot)
    assert not yard.has(other), "the run did go"


def test_old_caches_go_with_what_only_they_held(yard: Yard) -> None:
    report = yard.put(b'{"results":[]}')
    store = yard.workspace.store
    store.put_if_absent("verdicts/suite/old.json", f'{{"report":"{report}"}}'.encode())
    store.put_if_absent("other/new.json", b"{}")
    yard.maintain()
    assert yard.has(report)
    yard.age(200, "verdicts/")
    yard.age(200, "other/")
    yard.maintain()
    assert not yard.has(report)
    assert store.get("verdicts/suite/old.json") is None
    assert store.get("other/new.json"), "what the upkeep does not know it leaves alone"


def test_nothing_goes_from_a_store_that_cannot_be_trusted(yard: Yard) -> None:
    snapshot, orphan = yard.snapshot(b"a", b"b"), yard.put(b"nobody's")
    yard.run(1, [snapshot])
    old = yard.run(90)
    path = yard.folder / "store" / object_key(snapshot)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"part-0", b"part-9"))
    with pytest.raises(IntegrityError, match=r"was changed.*nothing was removed"):
        yard.maintain()
    path.unlink()
    with pytest.raises(IntegrityError, match=r"is not there.*nothing was removed"):
        yard.maintain()
    assert yard.has(orphan)
    assert read_record(yard.workspace.archive, old)


def test_a_dry_run_finds_the_same_and_removes_nothing(yard: Yard) -> None:
    yard.run(90, [yard.snapshot(b"x")])
    yard.put(b"nobody's")
    before = list(yard.workspace.store.entries(""))
    asked = yard.maintain(dry_run=True)
    assert list(yard.workspace.store.entries("")) == before
    done = yard.maintain()
    assert [o.key for o in asked.orphans] == [o.key for o in done.orphans]
    assert asked.runs == done.runs != {}


def test_flows_may_have_days_of_their_own(tmp_path: Path) -> None:
    policy = RetentionConfig(runs_days=30, runs_days_of={"train_model": None, "check_drift": 5})
    yard = Yard(tmp_path, policy)
    stays, young = yard.run(400), yard.run(20, flow="score_batch")
    yard.run(40, flow="score_batch")
    yard.run(10, flow="check_drift")
    yard.maintain()
    assert list_runs(yard.workspace.store) == [stays, young]


@pytest.mark.parametrize(
    "body",
    [{"orphans_grace_hours": 0.5}, {"runs_days": 0}, {"runs_days_of": {"trian_model": 3}}, {"schedule": "weekly"}],
    ids=str,
)
def test_a_policy_that_cannot_be_meant_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RetentionConfig.model_validate(body)
