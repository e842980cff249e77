"""Score on an S3 server whose requests fail one by one, look at what is left with other code than ours, and finish it.

A program of its own, since it forks: delta-rs keeps Python's lock while it waits for an answer, so the server must be
in another process. Of the requests of a run that change something each in turn is refused, cut off, answered wrongly
or not at all; or from it on none is answered any more. Each try scores a date of its own, of the same rows. A try is
named by its seed and number, and can be run alone.
"""

import datetime as dt
import importlib
import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faulty_proxy import Fault, Proxy, proxy_before
from tests.forked import in_child
from tests.moto_server import moto_server
from tests.scoring_faults import ALL, CHAMPION, DATES, Files, Scene, Seen, check, land, prepare, score, told, visible
from tests.scoring_kills import HEAVY, MODEL

FAULTS: tuple[Fault, ...] = ("500", "412", "409", "lose_answer", "done_500", "cut_request")
OUTAGE = "outage"
BUCKET = "the-bucket"
CHANGES = ("PUT", "POST", "DELETE")


def main(folder: Path, seed: int, tries: int, only: int = -1) -> None:
    """Break one request in each of some tries, or in one of them alone; say what was broken and how it ended."""
    for name in (*HEAVY, "boto3", "tasks.s3"):
        importlib.import_module(name)
    assert in_child(lambda: prepare(folder)) == 0
    local = Scene(folder / "home", folder / "landing", folder / "project")
    whole = reference(local, folder / "reference")
    with moto_server() as upstream, proxy_before(upstream) as proxy:
        bed = Bed(move(local, folder / "moved", upstream, proxy), upstream, proxy, whole)
        steps = bed.steps()
        draw, counts = random.Random(seed), Counter[str]()  # noqa: S311
        order = [at for _ in range(tries // len(steps) + 1) for at in draw.sample(range(len(steps)), len(steps))]
        for n, at in enumerate(order[:tries]):
            fault: Any = draw.choice([*FAULTS, OUTAGE])
            if only in (-1, n):
                where = f"seed {seed}, try {n}: {fault} at {steps[at]}"
                began = time.monotonic()
                counts.update([fault, steps[at], end := bed.attempt(n, fault, at, where)])
                sys.stdout.write(f"{where}: {end} in {time.monotonic() - began:.1f} s\n")
                sys.stdout.flush()
    sys.stdout.write(json.dumps(counts) + "\n")


def reference(local: Scene, home: Path) -> Seen:
    """Return what a run makes visible in a folder; its verdict is kept, so that every try begins alike."""
    there = local.copy(home)
    assert in_child(lambda: score(there, DATES[:1])) == 0
    shutil.copytree(home / "store/verdicts", local.home / "store/verdicts", dirs_exist_ok=True)
    return visible(there.files(), DATES[0])


def move(local: Scene, home: Path, upstream: str, proxy: Proxy) -> Scene:
    """Return the scene with its store in a bucket, reached through a proxy; the code of all runs is kept once."""
    from tasks import records
    from tasks.workspace import open_workspace

    local.enter()
    workspace = open_workspace()
    kept = records._keep(workspace, workspace.model(MODEL).model_dump(mode="json"))
    records._keep = lambda *_: kept
    client = connected(upstream)
    client.create_bucket(Bucket=BUCKET)
    for path in (path for path in (local.home / "store").rglob("*") if path.is_file()):
        client.put_object(Bucket=BUCKET, Key=path.relative_to(local.home).as_posix(), Body=path.read_bytes())
    os.environ["PLIMSOLL_SIGNING_KEY"] = (local.home / "keys/signing.key").read_text().strip()
    store = {"URL": f"s3://{BUCKET}/store", "ENDPOINT_URL": proxy.endpoint, "RETRIES": "1"}
    more = {f"PLIMSOLL_STORE__{name}": value for name, value in store.items()}
    return local.copy(home, **more, PLIMSOLL_PREDICTIONS__URL=f"s3://{BUCKET}/predictions")


def connected(endpoint: str) -> Any:
    """Return a client that no proxy disturbs."""
    import boto3

    return boto3.client("s3", endpoint_url=endpoint)


@dataclass
class Bed:
    """A scene on S3 and what breaks its requests."""

    scene: Scene
    upstream: str
    proxy: Proxy
    whole: Seen

    def steps(self) -> list[str]:
        """Return the requests of a run that change something, in words; the table is made by a run before."""
        found: list[str] = []

        def plan(method: str, path: str) -> Fault:
            if method in CHANGES:
                found.append(f"{method} {path.partition(BUCKET + '/')[2].replace('%3D', '=')[:24]}")
            return ""

        for date in (DATES[0], DATES[1]):
            land(self.scene, date, 0, DATES[0])
            found.clear()
            assert self.run(date, plan) == ""
        check(self.files(), dict.fromkeys(DATES[:2], self.whole), "undisturbed", ALL)
        return found

    def attempt(self, n: int, fault: str, at: int, where: str) -> str:
        """Score a date while a request is broken, then once more; return whether the first run was told of it."""
        date = (dt.date(2013, 1, 1) + dt.timedelta(days=n)).isoformat()
        land(self.scene, date, 0, DATES[0])
        said = self.run(date, broken(fault, at))
        assert not said or said.startswith("ServerError: "), f"{where}: {said}"
        assert said.count("\n") == 0, f"{where}: {said}"
        check(self.files(), {date: self.whole}, where, () if said else (CHAMPION,))
        assert self.run(date, lambda *_: "") == "", where
        check(self.files(), {date: self.whole}, where, ALL)
        return "told" if said else "got over it"

    def run(self, date: str, plan: Callable[[str, str], Fault]) -> str:
        """Score a date in a process of its own and return the sentence of its error, if any."""
        says = self.scene.home / "says"
        says.unlink(missing_ok=True)
        self.proxy.calm()
        self.proxy.plan = plan
        assert in_child(told(lambda: score(self.scene, [date]), says)) == 0, date
        return says.read_text() if says.exists() else ""

    def files(self) -> Files:
        """Return what lies in the bucket, as a reader of the table and of the ledger finds it."""
        client, found = connected(self.upstream), {}
        for prefix in ("predictions/", "store/ledger/"):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
                for one in page.get("Contents", []):
                    found[one["Key"]] = client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
        return found


def broken(fault: str, at: int) -> Callable[[str, str], Fault]:
    """Return a plan that breaks one change, or everything from it on."""
    changes = 0

    def plan(method: str, path: str) -> Fault:
        nonlocal changes
        mine = changes == at and method in CHANGES
        changes += method in CHANGES
        if fault == OUTAGE:
            return "503" if changes > at else ""
        return fault if mine else ""  # type: ignore[return-value]

    return plan


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
