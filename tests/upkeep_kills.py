"""Kill the upkeep after its first, second, … change to the store, look at what is left, and finish it.

A program of its own, since it forks: each try is a copy of one store and a child that ends by SIGKILL.
"""

import importlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from plimsoll.archive import get_sealed
from plimsoll.ledger import read_ledger
from plimsoll.platform_config import RetentionConfig
from plimsoll.run_record import list_runs, read_record
from plimsoll.snapshot import load_snapshot
from plimsoll.store import get_object
from tasks import sweep_lock
from tasks.object_store import FolderStore
from tests.forked import in_child
from tests.upkeep import MODEL, Yard

sweep_lock.LEASE_SECONDS, sweep_lock.MARGIN_SECONDS = 0.3, 0.02
POLICY = RetentionConfig(runs_days=30)
LONGEST = 30  # seconds that a child may take


def main(folder: Path) -> None:
    """Run the upkeep uninterrupted once, then killed after each of its changes."""
    importlib.import_module("deltalake")  # once, not in every child
    yard, stay, go = lay_out(folder / "yard")
    whole = copy(yard, folder / "whole")
    assert in_child(whole.maintain, LONGEST) == 0
    wanted = keys(whole)
    kills = 0
    while True:
        tried = copy(yard, folder / f"kill-{kills}")
        ended = in_child(lambda at=kills, one=tried: killed_after(at + 1, one), LONGEST)  # type: ignore[misc]
        look(tried, stay, go, yard)
        if ended == 0:
            break
        assert ended == signal.SIGKILL, ended
        assert in_child(tried.maintain, LONGEST) == 0, kills
        look(tried, stay, go, yard)
        assert keys(tried) == wanted, (kills, keys(tried) ^ wanted)
        kills += 1
    sys.stdout.write(f"{kills}\n")


def lay_out(folder: Path) -> tuple[Yard, list[str], list[str]]:
    """Return a store with runs that stay, runs that go, caches, head marks and orphans."""
    yard = Yard(folder, POLICY)
    shared, own = yard.snapshot(b"shared", b"a"), yard.snapshot(b"shared", b"own")
    champion = yard.run(90, [shared])
    stay = [champion, yard.run(5, [shared], [champion])]
    go = [yard.run(60, [own]), yard.run(50, [own, shared], result=None)]
    yard.enter("trained", version=1, run=champion, bundle="", snapshot=shared)
    yard.enter("promoted", version=1)
    for n in range(12):
        yard.enter("retrain_started", run=go[0], snapshot=own, note=n)
    yard.put(b"nobody's")
    yard.workspace.store.put_if_absent("verdicts/old.json", b"{}")
    yard.age(200, "verdicts/")
    return yard, stay, go


def killed_after(changes: int, yard: Yard) -> None:
    """Run the upkeep, and die right after some number of changes to the store."""
    count = 0

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def changed(*given: object) -> object:
            nonlocal count
            done = change(*given)
            count += 1
            if count == changes:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return changed

    FolderStore.delete = counted(FolderStore.delete)  # type: ignore[method-assign, assignment]
    FolderStore.put_if_absent = counted(FolderStore.put_if_absent)  # type: ignore[method-assign, assignment]
    yard.maintain()


def look(yard: Yard, stay: list[str], go: list[str], before: Yard) -> None:
    """Check that what is left proves itself: nothing that stays is harmed, what goes is whole or has a tombstone."""
    archive = yard.workspace.archive
    assert len(read_ledger(archive, MODEL)) == len(read_ledger(before.workspace.archive, MODEL))
    for run in stay:
        record = read_record(archive, run)
        assert record
        for snapshot in record["end"]["snapshots"]:
            files = load_snapshot(yard.workspace.store, snapshot).tables["batch"]
            assert [len(get_object(yard.workspace.store, ref.digest)) for ref in files] == [6, 1]
    for run in go:
        body = get_sealed(archive, f"expired/{run}.json")
        assert body or read_record(archive, run) == read_record(before.workspace.archive, run)
    assert set(list_runs(yard.workspace.store)) <= {*stay, *go}


def keys(yard: Yard) -> set[str]:
    """Return all keys but the sweeps' marks, which count up."""
    return {key for key in yard.workspace.store.keys("") if not key.startswith("sweeps/")}


def copy(yard: Yard, folder: Path) -> Yard:
    """Return a copy of a yard; times are copied with it."""
    shutil.copytree(yard.folder, folder)
    return Yard(folder, POLICY)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
