"""Where a flow test happens, and how it looks at what is left there without any code of ours."""

import datetime as dt
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plimsoll.errors import PlimsollError
from plimsoll.ledger import read_ledger
from plimsoll.one_time_code import WINDOW, code_at, secret_of, step_at
from plimsoll.people import PEOPLE, enrolments
from tasks.enrol import confirm_enrolment, invite, offer_enrolment
from tasks.workspace import Workspace, open_workspace

ROOT = Path(__file__).parents[2]
MODEL = "flight_delay"
SMALL = {  # few days and few trees: what is tested is the way, not the model
    "rounds: 200": "rounds: 20",
    "test_days: 14": "test_days: 5",
    "at_least: 0.62": "at_least: 0.5",
    "window_days: 90": "window_days: 20",
    "stability: {max_ratio: 1.5}": "stability: {max_ratio: 3, period_days: 2}",
    "non_inferiority, margin: 0.02": "non_inferiority, margin: 0.5",
}
AS_OF = dt.date(2013, 3, 2)  # v1 is trained on twenty days up to the first of March
DAY = dt.date(2013, 3, 2)  # the first date that nobody trained on
NEXT = dt.date(2013, 3, 3)
REQUESTER, APPROVER = "ada", "grace"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)  # when the team enrolled, so that the codes of now are unused
APPS = {name: secret_of(name.ljust(20).encode()) for name in (REQUESTER, APPROVER)}  # authenticator apps


@dataclass(frozen=True)
class Place:
    """A home, a landing folder and a project folder; nothing else is touched."""

    home: Path
    data: Path
    root: Path

    @property
    def workspace(self) -> Workspace:
        """The workspace as the flows open it."""
        return open_workspace()

    def flights(self, day: dt.date = DAY) -> Path:
        """The flights file of a date."""
        return self.data / f"flights/{day}.parquet"

    def configure(self, old: str, new: str, model: str = MODEL) -> None:
        """Change one line of a model's config."""
        path = self.root / f"configs/models/{model}.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def ledger(self, *kinds: str, model: str = MODEL) -> list[dict[str, Any]]:
        """Return the ledger's entries as they lie on disk, of some kinds when asked."""
        entries = [json.loads(path.read_text()) for path in sorted((self.home / f"store/ledger/{model}").glob("*"))]
        return [entry for entry in entries if not kinds or entry["kind"] in kinds]

    def records(self) -> list[dict[str, Any]]:
        """Return all run records as they lie on disk, oldest first."""
        starts = sorted((self.home / "store/records").glob("*/start.json"))
        return [{**_body(path), "end": _body(path.with_name("end.json"))} for path in starts]

    def predictions(self, day: dt.date | None = None) -> pd.DataFrame:
        """Return every visible prediction, in the order of version and key."""
        rows = read_delta(self.home / "predictions")
        rows = rows[rows["batch_date"] == str(day)] if day else rows
        return rows.sort_values(["batch_date", "version", "key"], ignore_index=True)

    def unfinished(self) -> list[Path]:
        """Return temporary files that something left behind."""
        return [p for p in self.home.rglob("*") if p.is_file() and (p.name[0] == "." or p.suffix == ".partial")]


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that a person sees."""
        return self.out + self.err


Grown = Callable[[str, Path | None, Callable[[Place], object]], Path]


def enrol_team(workspace: Workspace) -> None:
    """Enrol ada, and grace by her word, as they would themselves; done again, they have new unused codes."""
    hour = dt.timedelta(hours=1)
    known = enrolments(read_ledger(workspace.archive, PEOPLE))
    _take_secret(workspace, REQUESTER, LONG_AGO, "a test of many approvals" if known else "")
    code = code_at(APPS[REQUESTER], step_at(LONG_AGO + hour))
    invite(workspace, APPROVER, REQUESTER, code, LONG_AGO + hour)
    _take_secret(workspace, APPROVER, LONG_AGO + hour)


def code_of(who: str, workspace: Workspace | None = None, now: dt.datetime | None = None) -> str:
    """Return an unused code of somebody's authenticator app; six zeros for a stranger, or where nothing is readable."""
    name, workspace = who.strip().casefold(), workspace or open_workspace()
    if name not in APPS:
        return "000000"
    try:
        if name not in enrolments(read_ledger(workspace.archive, PEOPLE)):
            enrol_team(workspace)
        present = step_at(now or dt.datetime.now(dt.UTC))
        step = max(_last_step(workspace, name) + 1, present - WINDOW)
        if step > present + WINDOW:
            enrol_team(workspace)
            step = present
    except PlimsollError:
        return "000000"
    return code_at(APPS[name], step)


def _take_secret(workspace: Workspace, name: str, now: dt.datetime, reason: str = "") -> None:
    offer = offer_enrolment(workspace, name, name.ljust(20).encode(), now, again=True, reason=reason)
    confirm_enrolment(workspace, offer, code_at(offer.secret, step_at(now)), "test", now)


def _last_step(workspace: Workspace, name: str) -> int:
    return enrolments(read_ledger(workspace.archive, PEOPLE))[name].last_step


def read_delta(folder: Path) -> pd.DataFrame:
    """Return a Delta table's rows by replaying its log of added and removed files."""
    live: dict[str, dict[str, str]] = {}
    for log in sorted((folder / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        for action in actions:  # within one commit the order means nothing
            live.pop(action.get("remove", {}).get("path", ""), None)
        live |= {action["add"]["path"]: action["add"]["partitionValues"] for action in actions if "add" in action}
    parts = [pq.ParquetFile(folder / path).read().to_pandas().assign(**values) for path, values in live.items()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"batch_date": [], "version": [], "key": []})


def copy_project(source: Path, root: Path) -> Path:
    """Copy configs, suites and the lock."""
    for name in ("configs", "great_expectations"):
        shutil.copytree(source / name, root / name, ignore=shutil.ignore_patterns("uncommitted", "__pycache__"))
    shutil.copy(source / "requirements.lock", root / "requirements.lock")
    return root


def make_small(root: Path) -> Path:
    """Give every model of a project a short window and few trees."""
    for path in (root / "configs/models").glob("*.yaml"):
        for old, new in SMALL.items():
            path.write_text(path.read_text().replace(old, new))
    return root


def copy_home(source: Path, target: Path) -> None:
    """Copy a home; its MLflow, whose database holds the absolute paths of artifacts, finds its way by itself."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def learn_verdicts(place: Place, dates: Sequence[str]) -> None:
    """Let a place know the suite's verdicts on some dates, of which a copy of it was asked, and nothing else."""
    from tasks.assemble import assemble_batch
    from tasks.landing import keep_snapshot
    from tasks.records import recording
    from tasks.scratch import scratch_folder

    copy = Place(place.home.with_name("judging"), place.data, place.root)
    copy_home(place.home, copy.home)
    with (
        standing_at(copy, os.environ["PREFECT_API_URL"]),
        recording("score_batch", MODEL, None, {}) as run,
        scratch_folder(run.workspace) as scratch,
    ):
        snapshot = keep_snapshot(run, dates, outcomes=False)
        for date in dates:
            assemble_batch(run.workspace, run.config, snapshot, date, scratch)
    copy_verdicts(copy.home, place.home)
    shutil.rmtree(copy.home)


def copy_verdicts(source: Path, target: Path) -> None:
    """Copy a home's verdicts and their reports to another one with the same key."""
    for path in (source / "store/verdicts").rglob("*.json"):
        report = _body(path)["report"]
        for name in (path.relative_to(source), Path(f"store/objects/sha256/{report[:2]}/{report}")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if not (target / name).exists():
                shutil.copy2(source / name, target / name)


@contextmanager
def standing_at(place: Place, api_url: str) -> Iterator[Place]:
    """Point the PLIMSOLL_ variables at a place, and put every variable back afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PLIMSOLL_")]:
            patch.delenv(name)
        patch.setenv("PLIMSOLL_HOME", str(place.home))
        patch.setenv("PLIMSOLL_DATA", str(place.data))
        patch.setenv("PLIMSOLL_ROOT", str(place.root))
        patch.setenv("PLIMSOLL_PREFECT__API_URL", api_url)
        patch.setenv("PLIMSOLL_USER", REQUESTER)
        patch.setenv("PREFECT_API_URL", api_url)
        yield place


def change(path: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Deliver a changed parquet file in the place of another."""
    deliver(path, pa.Table.from_pandas(edit(pq.ParquetFile(path).read().to_pandas()), preserve_index=False))


def deliver(path: Path, table: pa.Table) -> None:
    """Put a table in the landing folder, whole or not at all."""
    partial = path.with_suffix(".arriving")
    pq.write_table(table, partial)
    partial.replace(path)


def flip_a_byte(path: Path) -> None:
    """Change one byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)  # objects are read-only files
    path.write_bytes(data)


def spoil(path: Path, data: bytes) -> Callable[[], None]:
    """Put other bytes in the place of a file, read-only or not, and return what puts the old ones back."""
    old, mode = path.read_bytes(), path.stat().st_mode

    def put_back() -> None:
        path.write_bytes(old)
        path.chmod(mode)

    path.chmod(0o644)
    path.write_bytes(data)
    return put_back


def damage(place: Place) -> str:
    """Return what verify says first; nothing when all is as written."""
    from plimsoll.errors import IntegrityError
    from tasks.verify import verify

    try:
        seen = verify(place.workspace)
    except IntegrityError as error:
        return str(error)
    return seen.damage[0].sentence if seen.damage else ""


def refused(answer: Answer, *words: str) -> None:
    """Assert that a command was stopped by damage and said these words about it."""
    assert answer.code == 3, answer.said
    assert "Traceback" not in answer.said
    for word in words:
        assert word in answer.err


def _body(path: Path) -> Any:
    """Return what a signed JSON says, without checking who says it."""
    return json.loads(path.read_text())["body"] if path.exists() else None
