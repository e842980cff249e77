"""Reproduce: an old run is trained again from what was kept, whatever became of source, code and config since."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from plimsoll.digest import sha256_file
from plimsoll.errors import PlimsollError, ServerError
from plimsoll.store import put_json, put_object
from tasks.environment import installed_packages, interpreter
from tasks.environments import choose_interpreter
from tasks.object_store import FolderStore
from tests.flows.places import AS_OF, DAY, MODEL, NEXT, ROOT, Answer, Place, flip_a_byte

Cli = Callable[..., Answer]
ELSEWHERE = "breast_cancer"
FEATURES = "configs/features/flights.py"
GIT = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *GIT, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def inputs_of(found: dict) -> dict[str, bool]:
    return {one["name"]: one["same"] for one in found["inputs"]}


def test_a_model_is_made_again_byte_for_byte_after_everything_around_it_changed(waiting: Place, plimsoll: Cli) -> None:
    shutil.rmtree(waiting.data)
    waiting.configure("rounds: 20", "rounds: 3")
    (waiting.root / FEATURES).write_text("def build(batch):\n    raise ValueError('not this one')\n")
    (waiting.root / f"great_expectations/expectations/{MODEL}.json").write_text("{}")
    decided, bundles = waiting.ledger(), sorted((waiting.home / "mlflow/artifacts").rglob("*"))

    answer = plimsoll("reproduce", f"{MODEL}:v1", "--json")
    assert answer.code == 0, answer.said
    found = json.loads(answer.out)
    assert found["verdict"] == "identical"
    assert set(inputs_of(found).values()) == {True}
    assert found["found"] == found["recorded"]
    assert found["found"]["bundle"] == decided[0]["facts"]["bundle"]

    assert waiting.ledger() == decided
    assert sorted((waiting.home / "mlflow/artifacts").rglob("*")) == bundles
    assert waiting.predictions().empty
    kept = waiting.records()[-1]
    assert (kept["run_id"], kept["flow"]) == (found["reproduction"], "reproduce")
    assert kept["end"]["parents"] == [decided[0]["facts"]["run"]]
    assert kept["end"]["outputs"]["verdict"] == "identical"
    assert not waiting.unfinished()


@pytest.mark.campaign
def test_a_pickle_from_elsewhere_that_failed_its_gates_is_adopted_again(empty: Place, plimsoll: Cli) -> None:
    inputs = np.random.default_rng(7).normal(size=(200, len(empty.workspace.model(ELSEWHERE).feature_names)))
    path = empty.root / "model.pkl"
    path.write_bytes(pickle.dumps(xgb.XGBClassifier(n_estimators=3, n_jobs=1).fit(inputs, inputs[:, 0] > 0)))
    external = f"{{path: model.pkl, sha256: {sha256_file(path)}, allow_pickle: true}}"
    empty.configure("kind: logistic", f"kind: external\n  external: {external}", ELSEWHERE)
    empty.configure("params: {C: 0.5}", "params: {}", ELSEWHERE)
    plimsoll("train", ELSEWHERE, "--as-of", AS_OF)
    [judged] = empty.ledger("gates_failed", model=ELSEWHERE)
    path.unlink()
    shutil.rmtree(empty.data)

    before = {path.name for path in Path.cwd().iterdir()}
    answer = plimsoll("reproduce", judged["facts"]["run"][:-3], "--here")
    assert answer.code == 0, answer.said
    assert {path.name for path in Path.cwd().iterdir()} == before, "a replay writes to its own folder alone"
    assert "Identical: training again made the same model, byte for byte" in answer.out
    assert all(word in answer.out for word in ("data", "expectations", "packages", "processor", "this one, as asked"))


def test_an_input_that_was_damaged_is_named_and_nothing_trains(waiting: Place, plimsoll: Cli) -> None:
    facts = waiting.ledger("trained")[0]["facts"]
    stored = waiting.home / "store/objects/sha256"
    manifest = json.loads((stored / facts["snapshot"][:2] / facts["snapshot"]).read_text())
    part = manifest["tables"]["batch"]["files"][3]
    path = stored / part["digest"][:2] / part["digest"]
    path.chmod(0o644)
    flip_a_byte(path)
    answer = plimsoll("reproduce", f"{MODEL}:v1")
    assert answer.code == 3
    assert f"batch of {part['name']}" in answer.err
    assert "was changed" in answer.err
    assert waiting.records()[-1]["end"]["result"] == "refused"

    code = waiting.records()[0]["code"]["tree"]
    feature = json.loads((stored / code[:2] / code).read_text())[FEATURES]
    path.unlink()
    (stored / feature[:2] / feature).unlink()
    assert plimsoll("reproduce", f"{MODEL}:v1").code == 3


def test_what_is_no_training_run_is_refused_in_words(waiting: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY).code == 2  # there is no champion
    score = waiting.records()[-1]["run_id"]
    for words, said in [
        ((score,), "a run of score_batch"),
        (("2013",), "No run begins with '2013'"),
        (("2",), "2 runs begin with '2'"),
        ((f"{MODEL}:v7",), "has no v7; it has v1"),
        ((f"{MODEL}:champion",), "has no champion"),
        (("../../etc",), "does not name a run"),
    ]:
        answer = plimsoll("reproduce", *words)
        assert answer.code == 2
        assert said in answer.err
    mixed = plimsoll("diff", f"{MODEL}:v1", score)
    assert mixed.code == 2
    assert "Give two runs of one flow" in mixed.err


@pytest.fixture
def repository(empty: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A place whose project lies in a folder of a git repository, with changes that were never committed."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in ("plimsoll", "tasks", "flows"):
        shutil.copytree(ROOT / name, empty.root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (empty.root / ".gitignore").write_text("__pycache__/\n")
    git(empty.root.parent, "init", "--quiet")
    git(empty.root.parent, "add", empty.root.name)
    git(empty.root.parent, "commit", "--quiet", "--message", "first")
    shutil.copy(empty.root / FEATURES, empty.root / "configs/features/own.py")
    empty.configure("function: flights:", "function: own:")
    return empty


@pytest.mark.campaign
def test_changes_that_were_never_committed_are_brought_back(repository: Place, plimsoll: Cli, tmp_path: Path) -> None:
    root = repository.root
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    code = repository.records()[0]["code"]
    assert code["commit"] == git(root, "rev-parse", "HEAD")
    assert (bool(code["diff"]), code["kept"]) == (True, False)
    git(root, "checkout", "--quiet", ".")
    git(root, "clean", "--quiet", "--force", "-d")
    assert not (root / "configs/features/own.py").exists()

    answer = plimsoll("reproduce", f"{MODEL}:v1", "--json")
    assert answer.code == 0, answer.said
    assert json.loads(answer.out)["verdict"] == "identical"
    assert inputs_of(json.loads(answer.out))["code"]
    assert len(git(root, "worktree", "list").splitlines()) == 1, "the worktree is gone"
    assert git(root, "status", "--porcelain", ".") == ""

    git(root.parent, "commit", "--quiet", "--amend", "--allow-empty", "--message", "rewritten")
    git(root.parent, "reflog", "expire", "--expire=now", "--all")
    git(root.parent, "gc", "--quiet", "--prune=now")
    lost = plimsoll("reproduce", f"{MODEL}:v1")
    assert lost.code == 2
    assert f"is commit {code['commit'][:12]}, which is not in" in lost.err
    assert "names no remote" in lost.err


def test_diff_says_what_two_runs_differ_in(waiting: Place, plimsoll: Cli) -> None:
    same = plimsoll("diff", f"{MODEL}:v1", f"{MODEL}:v1")
    assert same.code == 0
    assert "Nothing differs" in same.out
    waiting.configure("rounds: 20", "rounds: 21")
    assert plimsoll("train", MODEL, "--as-of", NEXT).code == 0
    answer = plimsoll("diff", f"{MODEL}:v1", f"{MODEL}:v2", "--json")
    found = json.loads(answer.out)
    assert "estimator.rounds: 20 before, 21 now" in found["differences"]["config"]
    assert f"configs/models/{MODEL}.yaml changed" in found["differences"]["code"]
    assert any("batch: 1 file new (2013-03-02)" in line for line in found["differences"]["data"]), found
    assert not found["differences"]["environment"]
    assert {m["name"] for m in found["metrics"]} >= {"auc", "log_loss"}
    in_words = plimsoll("diff", f"{MODEL}:v1", f"{MODEL}:v2")
    assert all(word in in_words.out for word in ("Config", "rounds", "Metrics", "log_loss", "Environment is the same"))


def package(folder: Path, version: str, returned: str) -> Path:
    """Lay out an installed package with one function, and return the folder that it is found in."""
    (folder / f"week_lib-{version}.dist-info").mkdir(parents=True)
    (folder / "week_lib.py").write_text(f"def weekday(column):\n    return {returned}\n")
    return folder


def other_python(folder: Path, packages: Path) -> Path:
    """Return an interpreter that finds what this one does, and packages before it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(f"{packages}\n{sysconfig.get_path('purelib')}\n")
    return folder / "bin/python"


@pytest.mark.campaign
def test_another_package_that_makes_another_model_is_blamed_by_name(
    empty: Place, plimsoll: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, line = empty.root / FEATURES, 'departure.dt.weekday.astype("float64")'
    assert line in features.read_text()
    features.write_text("from week_lib import weekday\n" + features.read_text().replace(line, f"weekday({line})"))
    with monkeypatch.context() as patch:
        patch.syspath_prepend(package(tmp_path / "then", "1.0", "column"))
        installed_packages.cache_clear()
        trained = plimsoll("train", MODEL, "--as-of", AS_OF)
    installed_packages.cache_clear()
    sys.modules.pop("week_lib", None)
    assert trained.code == 0, trained.said

    now = other_python(tmp_path / "venv", package(tmp_path / "now", "2.0", "column * 3 % 7"))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(now))
        answer = plimsoll("reproduce", f"{MODEL}:v1", "--here", "--json")
    assert (answer.code, "error" in answer.out) == (1, False), answer.said
    found = json.loads(answer.out)
    said = "Different, because of the packages: week-lib 1.0 recorded, 2.0 here. "
    assert (found["verdict"], found["sentence"][: len(said)]) == ("different", said)
    assert [name for name, same in inputs_of(found).items() if not same] == ["packages"]
    assert found["found"]["rows_digest"] != found["recorded"]["rows_digest"]
    assert " was " in found["sentence"].removeprefix(said), "a metric is shown as it was and is"
    assert empty.records()[-1]["end"]["outputs"]["differ"] == {"packages": "week-lib 1.0 recorded, 2.0 here"}


@pytest.mark.campaign
def test_a_repetition_that_is_ended_leaves_nothing_behind(waiting: Place, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    code = "import sys; from flows.cli import main; sys.argv = ['plimsoll', *sys.argv[1:]]; main()"
    words = [sys.executable, "-c", code, "reproduce", f"{MODEL}:v1", "--here"]
    environ = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not list((tmp_path / "temporary").glob("plimsoll-replay-*/request.json")) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (128 + signal.SIGTERM, "")
    assert list((tmp_path / "temporary").iterdir()) == []
    end = waiting.records()[-1]["end"]
    assert (end["result"], end["sentence"]) == ("failed", "Terminated: ended by SIGTERM")


def environment(store: FolderStore, lock: bytes, **changes: str) -> dict[str, str]:
    """The environment half of a record whose packages are those of this process, but for the changes."""
    packages = put_json(store, {**installed_packages(), **changes})
    return {"packages": packages, "lock": put_object(store, lock), "python": interpreter()}


@pytest.mark.campaign
def test_the_recorded_environment_is_this_one_or_is_built_once(tmp_path: Path) -> None:
    store, home = FolderStore(tmp_path / "store"), tmp_path / "home"
    same = choose_interpreter(store, home, environment(store, b"", pip="1.0"), here=False)
    assert same.python == Path(sys.executable)
    assert "recorded ones" in same.how
    other = environment(store, b"", numpy="1.0")
    built = choose_interpreter(store, home, other, here=False)
    assert f"because this one has numpy {installed_packages()['numpy']}" in built.how
    listed = subprocess.run([built.python, "-c", "import sys; print(sys.prefix)"], capture_output=True, check=True)
    assert Path(listed.stdout.decode().strip()) == built.python.parents[1]
    again = choose_interpreter(store, home, other, here=False)
    assert (again.python, "built earlier" in again.how) == (built.python, True)
    assert [path.name for path in (home / "environments").iterdir()] == [built.python.parents[1].name]
    built.python.unlink()
    built.python.symlink_to(tmp_path / "a Python that is gone")
    killed = home / "environments/.building-killed"
    killed.mkdir()
    os.utime(killed, (0, 0))
    assert "built from" in choose_interpreter(store, home, other, here=False).how
    assert not killed.exists()
    assert choose_interpreter(store, home, other, here=True).python == Path(sys.executable)


def test_an_environment_that_cannot_be_built_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, home = FolderStore(tmp_path / "store"), tmp_path / "home"
    gone = {**environment(store, b""), "python": "CPython 3.11.99"}
    with pytest.raises(PlimsollError, match=r"this machine has no such Python .* --here"):
        choose_interpreter(store, home, gone, here=False)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    lock = b"numpy==0.0.1 --hash=sha256:" + b"0" * 64 + b"\n"
    with pytest.raises(ServerError, match=r"could not be installed .* --here"):
        choose_interpreter(store, home, environment(store, lock, numpy="0.0.1"), here=False)
    assert not list((home / "environments").iterdir()), "a half-built environment is not left behind"
