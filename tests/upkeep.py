"""Stores for tests of the upkeep: records, snapshots and orphans of any age, and what becomes of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from plimsoll.ledger import Entry, Kind, append
from plimsoll.platform_config import PlatformConfig, RetentionConfig
from plimsoll.run_record import CodeVersion, Environment, Result, RunEnd, RunStart, start_digest, write_end, write_start
from plimsoll.snapshot import FileRef, Snapshot, save_snapshot
from plimsoll.store import OBJECTS, object_key, put_object
from tasks.maintenance import drop_keys, drop_unfinished, expire_batches, expire_runs, sweep_orphans
from tasks.records import Recorded
from tasks.upkeep_survey import Survey, survey
from tasks.workspace import Workspace, resolved

NOW = datetime.now(UTC)
MODEL = "tides"


@dataclass
class Yard:
    """A workspace in a folder, with ways to lay things into its store."""

    folder: Path
    policy: RetentionConfig
    count: int = 0

    @property
    def workspace(self) -> Workspace:
        """The workspace, opened anew."""
        named = {part: {"url": str(self.folder / part)} for part in ("store", "predictions")}
        signing = {"file": str(self.folder / "keys/signing.key")}
        body = {**named, "signing": signing, "home": str(self.folder), "retention": self.policy}
        return Workspace(self.folder, resolved(PlatformConfig.model_validate(body), self.folder))

    def put(self, data: bytes, *, days: float = 100) -> str:
        """Store an object of some age and return its digest."""
        digest = put_object(self.workspace.store, data)
        self.age(days, object_key(digest))
        return digest

    def age(self, days: float, prefix: str = OBJECTS) -> None:
        """Let everything under a prefix be as old."""
        then = (NOW - timedelta(days=days)).timestamp()
        for key in list(self.workspace.store.keys(prefix)):
            os.utime(self.folder / "store" / key, (then, then))

    def snapshot(self, *files: bytes) -> str:
        """Store files and their manifest, all old, and return the manifest's id."""
        refs = tuple(FileRef(f"part-{n}", self.put(data), len(data)) for n, data in enumerate(files))
        found = save_snapshot(self.workspace.store, Snapshot(MODEL, (), "2026-01-01", {"batch": refs}))
        self.age(100, object_key(found))
        return found

    def run(
        self,
        days: float,
        snapshots: Sequence[str] = (),
        parents: Sequence[str] = (),
        *,
        flow: str = "train_model",
        result: Result | None = "done",
        outputs: dict[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Write the record of a run that began some days ago and return its id; without a result it has no end."""
        began = NOW - timedelta(days=days)
        self.count += 1
        start = RunStart(
            run_id=f"{began:%Y%m%dT%H%M%S%f}Z-{flow}-{self.count:06x}",
            flow=flow,
            model=MODEL,
            as_of="2026-01-01",
            started_at=began.isoformat(timespec="milliseconds"),
            parameters=parameters or {},
            config=self.put(b'{"the":"config"}'),
            seed=7,
            threads=1,
            code=CodeVersion("c0ffee", "", "", self.put(b'{"the":"tree"}'), kept=False),
            environment=Environment(self.put(b"lock"), self.put(b'{"a":"1"}'), "CPython 3", "x", "x", 2, {}, ()),
            prefect_run_id="",
        )
        write_start(self.workspace.archive, start)
        if result:
            at = start.started_at
            body = (tuple(snapshots), tuple(parents), outputs or {})
            write_end(self.workspace.archive, RunEnd(start.run_id, start_digest(start), at, result, "", *body))
        return start.run_id

    def enter(self, kind: Kind, days: float = 100, **facts: Any) -> Entry:
        """Append a ledger entry that was recorded some days ago."""
        at = (NOW - timedelta(days=days)).isoformat()
        return append(self.workspace.archive, MODEL, kind, facts=facts, as_of=at[:10], recorded_at=at, by="test")

    def maintain(self, *, dry_run: bool = False) -> Survey:
        """Do what the flow does to the store, without Prefect, and return what was found before."""
        workspace = self.workspace
        run = Recorded(workspace, _itself())
        found = survey(workspace, NOW)
        expire_runs(run, found, dry_run)
        expire_batches(run, found, dry_run)
        drop_keys(run, "caches", found.caches, dry_run)
        drop_keys(run, "head marks", found.marks, dry_run)
        drop_unfinished(run, found, dry_run)
        sweep_orphans(run, found, dry_run)
        return found

    def objects(self) -> set[str]:
        """Return the digests of all objects."""
        return {key.rpartition("/")[2] for key in self.workspace.store.keys(OBJECTS)}

    def has(self, digest: str) -> bool:
        """Say whether an object is there."""
        return self.workspace.store.get(object_key(digest)) is not None


def _itself() -> RunStart:
    """The start of the upkeep's own record, which these tests do not store."""
    nothing = Environment("", "", "", "", "", 1, {}, ())
    code = CodeVersion("", "", "", "", kept=False)
    at = NOW.isoformat()
    return RunStart("upkeep", "maintain_store", "", at[:10], at, {}, "", None, None, code, nothing, "")
