"""Reproduce: what a training run had is brought together again, and a process of its own trains with it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.errors import FolderError, IntegrityError, PlimsollError, UserError
from plimsoll.ledger import read_ledger
from plimsoll.reproduction import Reproduction, TrainingFacts, judge_reproduction
from plimsoll.run_record import read_record
from plimsoll.snapshot import load_snapshot
from plimsoll.store import Store, fetch_object, get_json, object_key
from tasks import TELEMETRY_OFF
from tasks.environment import SETTINGS
from tasks.environments import choose_interpreter, recorded_packages
from tasks.process_groups import ending_in_order
from tasks.records import recording_platform
from tasks.replay import FORMAT
from tasks.secrecy import is_secret
from tasks.source_tree import recorded_tree, restored_tree, tree_on_disk
from tasks.workspace import Workspace

Show = Callable[[str], AbstractContextManager[Any]]
NOT_PASSED_ON = ("PLIMSOLL_", "PREFECT_", "MLFLOW_", "AWS_", "GX_", "PYTHON", "VIRTUAL_ENV")
REPLAY = "tasks/replay.py"


@dataclass(frozen=True)
class Original:
    """A training run that can be repeated: its record, and what it had and made."""

    run_id: str
    model: str
    version: int
    record: dict[str, Any]
    facts: TrainingFacts


@dataclass(frozen=True)
class Repetition:
    """What came of repeating a run."""

    reproduction: Reproduction
    environment: str  # where the interpreter came from, in words
    run: str  # id of the repetition's own record; empty where nothing can be signed or written


def read_original(workspace: Workspace, run_id: str) -> Original:
    """Return what a training run had and made, from its record, the ledger and the store.

    Raises UserError for a run that made no version, IntegrityError when something of it was changed or is gone.
    """
    archive, store = workspace.archive, workspace.store
    record = read_record(archive, run_id)
    if record is None:
        raise UserError(f"Run {run_id} has no record. The runs that have one: plimsoll runs")
    if record["flow"] != "train_model":
        raise UserError(f"{run_id} is a run of {record['flow']}; only runs of train_model can be trained again.")
    model, end = record["model"], record["end"]
    entries = [e for e in read_ledger(archive, model) if e.facts.get("run") == run_id]
    trained = next((e.facts for e in entries if e.kind == "trained"), None)
    judged = next((e.facts for e in entries if e.kind in ("gates_passed", "gates_failed")), None)
    if end is None or trained is None or judged is None:
        how = "was cut off, or is running" if end is None else f"ended as {end['result']}: {end['sentence']}"
        raise UserError(f"{run_id} made no version, so there is nothing to compare with; it {how}")
    return Original(run_id, model, int(trained["version"]), record, _facts(store, record, trained, judged))


def _suite_of(store: Store, record: Mapping[str, Any]) -> str:
    """Return the name of the suite that judged a run's batches: as its config asks, its family's, or the model's."""
    config = get_json(store, record["config"])
    return str(config.get("suite") or (config.get("segment") or {}).get("family") or record["model"])


def _facts(
    store: Store, record: Mapping[str, Any], trained: Mapping[str, Any], judged: Mapping[str, Any]
) -> TrainingFacts:
    machine, outputs = record["environment"], record["end"]["outputs"]
    known = store.get(object_key(trained["bundle"])) is not None
    return TrainingFacts(
        data=trained["snapshot"],
        config=outputs.get("settled_config") or record["config"],  # with what a search found: it is not repeated
        suite=f"great_expectations/expectations/{_suite_of(store, record)}.json",
        tree=recorded_tree(store, record["code"]),
        packages=recorded_packages(store, machine),
        python=machine["python"],
        platform=machine["platform"],
        processor=machine["cpu"],
        settings=machine["settings"],
        seed=record["seed"],
        threads=record["threads"],
        rows=int(trained["rows"]),
        rows_digest=outputs.get("rows_digest", ""),
        bundle=trained["bundle"],
        files=get_json(store, trained["bundle"]) if known else {},
        metrics=get_json(store, judged["gate_report"])["candidate"]["metrics"],
    )


def reproduce(workspace: Workspace, original: Original, here: bool, show: Show) -> Repetition:
    """Train a run again and return the verdict; kept as a run record where this process can sign and write.

    show is given each step in words. Data, code and environment are restored into temporary folders; nothing is
    written to ledger or MLflow. They are removed however it ends, by SIGTERM too. Raises what restoring them raises.
    """
    with ending_in_order():
        return _recorded(workspace, original, here, show)


def _recorded(workspace: Workspace, original: Original, here: bool, show: Show) -> Repetition:
    if not workspace.archive.seal.public:
        return Repetition(*_repeat(workspace, original, here, show), run="")
    with ExitStack() as stack:
        try:
            run = stack.enter_context(recording_platform("reproduce", None, {"run": original.run_id, "here": here}))
        except FolderError:  # a copy of the store that an auditor may only read
            return Repetition(*_repeat(workspace, original, here, show), run="")
        run.parents.append(original.run_id)
        reproduction, how = _repeat(workspace, original, here, show)
        run.snapshots.append(original.facts.data)
        differ = {one.name: one.differs for one in reproduction.inputs if not one.same}
        run.outputs |= {"verdict": reproduction.verdict, "differ": differ, "environment": how}
        run.outputs |= {name: reproduction.found[name] for name in ("bundle", "metrics", "rows")}
        run.sentence = reproduction.sentence
    return Repetition(reproduction, how, run.id)


def _repeat(workspace: Workspace, original: Original, here: bool, show: Show) -> tuple[Reproduction, str]:
    store, record = workspace.store, original.record
    with tempfile.TemporaryDirectory(prefix="plimsoll-replay-") as name:
        folder = Path(name)
        with show("Restoring the code"), restored_tree(store, record["code"], workspace.root) as tree:
            found = tree_on_disk(tree)
            with show("Restoring the environment"):
                interpreter = choose_interpreter(store, workspace.home, record["environment"], here)
            with show("Reading the snapshot"):  # last: it may be large, and is in vain without the others
                _copy_inputs(store, original, folder / "store")
            with show("Training again"):
                answer = _train(interpreter.python, tree, original, folder)
        return judge_reproduction(original.facts, _found(answer, original, found)), interpreter.how


def _copy_inputs(store: Store, original: Original, folder: Path) -> None:
    """Copy config and snapshot, each byte verified, into a store of their own: all that the repetition can reach."""
    snapshot = load_snapshot(store, original.facts.data)
    wanted = {original.facts.config: "The config", original.facts.data: "The manifest"}
    wanted |= {ref.digest: f"{table} of {ref.name}" for table, refs in snapshot.tables.items() for ref in refs}
    if adopted := get_json(store, original.facts.config)["estimator"].get("external"):
        wanted[adopted["sha256"]] = "The model from elsewhere"
    for digest, what in wanted.items():
        target = folder / object_key(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            fetch_object(store, digest, target.parent)
        except IntegrityError as error:
            raise IntegrityError(f"{what}, which run {original.run_id} read, is damaged. {error}") from None


def _train(python: Path, tree: Path, original: Original, folder: Path) -> dict[str, Any]:
    """Run the restored code's own replay in a process of its own and return its answer."""
    if not (tree / REPLAY).is_file():
        raise PlimsollError(
            f"The code of this run has no {REPLAY}: it is older than reproduction, and cannot replay itself."
        )
    request, result = folder / "request.json", folder / "result.json"
    facts = original.facts
    asked = {"format": FORMAT, "model": original.model, "store": str(folder / "store")}
    request.write_text(json.dumps({**asked, "config": facts.config, "snapshot": facts.data}))
    words = [str(python), "-m", "tasks.replay", str(request), str(result)]
    environ = _environ(tree, folder, facts.settings)
    done = subprocess.run(words, cwd=tree, env=environ, capture_output=True, text=True, check=False)
    if done.returncode or not result.is_file():
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise PlimsollError(f"Training again ended with exit code {done.returncode}: {lines[-1]}")
    answer: dict[str, Any] = json.loads(result.read_text())
    if "error" in answer:
        raise PlimsollError(f"Training again was refused: {answer['error']['sentence']}")
    return answer


def _environ(tree: Path, folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the child's variables: those recorded that change numbers, none of ours, no secret."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(NOT_PASSED_ON) and name not in SETTINGS and not is_secret(name, value)
    }
    ours = {"PYTHONPATH": str(tree), "PLIMSOLL_ROOT": str(tree), "PLIMSOLL_HOME": str(folder / "home")}
    ours["TMPDIR"] = str(folder)  # what it leaves behind when it is killed goes with the rest
    return {**kept, **TELEMETRY_OFF, **settings, **ours}


def _found(answer: Mapping[str, Any], original: Original, tree: dict[str, str]) -> TrainingFacts:
    same = ("packages", "python", "platform", "processor", "settings", "seed", "threads", "rows", "rows_digest")
    made = ("config", "bundle", "files", "metrics")
    fields = {name: answer[name] for name in (*same, *made)}
    return TrainingFacts(data=answer["snapshot"], suite=original.facts.suite, tree=tree, **fields)
