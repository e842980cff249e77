"""Provenance: a record says which code ran, down to the uncommitted line, and never a secret."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from plimsoll.store import get_object
from tasks.git import read_code_version, without_credentials
from tasks.object_store import FolderStore
from tests.flows.places import DAY, MODEL, Answer, Place

Cli = Callable[..., Answer]
SECRET = "hunter2-planted-and-to-be-found-nowhere"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository of its own with one commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    root = tmp_path / "repo"
    (root / "plimsoll").mkdir(parents=True)
    (root / "plimsoll/code.py").write_text("answer = 41\n")
    (root / "notes.txt").write_text("not source\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", "first")
    return root


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_clean_tree_has_a_commit_and_no_diff(repo: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    found = read_code_version(repo, store)
    assert found.commit == git(repo, "rev-parse", "HEAD")
    assert (found.diff, found.remote) == ("", "")
    (repo / "notes.txt").write_text("changed, but it runs nothing")
    assert read_code_version(repo, store) == found


def test_every_uncommitted_line_is_kept_and_can_be_applied(repo: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    clean = read_code_version(repo, store)
    changed = {
        "plimsoll/code.py": b"answer = 42\r\n",
        "plimsoll/new file.py": b"new = 1\n",
        "plimsoll/gr\xc3\xb6\xc3\x9fe.py".encode().decode("utf-8"): b"# latin-1: \xe4\n",
        "configs/models/m.yaml": b"model: m\n",
    }
    for name, data in changed.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_bytes(data)
    git(repo, "config", "color.ui", "always")
    git(repo, "config", "diff.noprefix", "true")
    found = read_code_version(repo, store)
    assert found.commit == clean.commit
    assert found.tree != clean.tree
    (tmp_path / "patch").write_bytes(get_object(store, found.diff))
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "--quiet", str(repo), str(copy))
    git(copy, "apply", "--binary", str(tmp_path / "patch"))
    assert {name: (copy / name).read_bytes() for name in changed} == changed


def test_what_is_no_source_stays_out_of_the_patch(repo: Path, tmp_path: Path) -> None:
    """Nobody exported these: no check could know that they are secret."""
    (repo / "configs").mkdir()
    (repo / "great_expectations/uncommitted").mkdir(parents=True)
    (repo / "configs/.env").write_text(f"PASSWORD={SECRET}\n")
    (repo / "configs/id_ed25519").write_text(SECRET)
    (repo / "great_expectations/uncommitted/config_variables.yml").write_text(f"password: {SECRET}\n")
    (repo / "configs/used.yaml").write_text("model: m\n")
    store = FolderStore(tmp_path / "store")
    patch = get_object(store, read_code_version(repo, store).diff)
    assert b"configs/used.yaml" in patch
    assert SECRET.encode() not in patch


def test_outside_git_the_tree_digest_stands_alone(repo: Path, tmp_path: Path) -> None:
    shutil.rmtree(repo / ".git")
    found = read_code_version(repo, FolderStore(tmp_path / "store"))
    assert found.commit == ""
    assert len(found.tree) == 64


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (f"https://ada:{SECRET}@git.example/team/p.git", "https://git.example/team/p.git"),
        (f"https://{SECRET}@git.example:8443/p.git", "https://git.example:8443/p.git"),
        ("git@git.example:team/p.git", "git@git.example:team/p.git"),
        ("/srv/git/p.git", "/srv/git/p.git"),
        (f"ada:{SECRET}@git.example:team/p.git", "ada@git.example:team/p.git"),
        (f"https://git.example/p.git?private_token={SECRET}", "https://git.example/p.git"),
    ],
)
def test_a_remote_is_kept_without_credentials(repo: Path, tmp_path: Path, url: str, kept: str) -> None:
    git(repo, "remote", "add", "origin", url)
    assert read_code_version(repo, FolderStore(tmp_path / "store")).remote == kept == without_credentials(url)


def test_no_secret_of_the_environment_is_kept(serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIMSOLL_PREFECT__DATABASE_URL", f"postgresql+asyncpg://ada:{SECRET}@db.example/prefect")
    for name in ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD", "SOME_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    git(serving.root, "init", "--quiet")
    git(serving.root, "add", ".")
    git(serving.root, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", "first")
    git(serving.root, "remote", "add", "origin", f"https://ada:{SECRET}@git.example/team/p.git")
    said = [plimsoll("train", MODEL, "--as-of", DAY), plimsoll("score", MODEL, "--date", DAY), plimsoll("check", MODEL)]
    said += [plimsoll("config", "show"), plimsoll("config", "show", "--json"), plimsoll("runs", "--json")]
    assert [answer.code for answer in said] == [0] * 6
    assert serving.records()[-1]["code"]["remote"] == "https://git.example/team/p.git"
    assert serving.records()[-1]["code"]["commit"] == git(serving.root, "rev-parse", "HEAD")
    assert not [answer for answer in said if SECRET in answer.said]
    assert not [p for p in serving.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


def test_a_secret_in_an_uncommitted_change_stops_the_run(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", f"postgresql://ada:{SECRET}@db.example/flights")
    serving.configure("owner: network-operations", f"owner: {SECRET}")
    answer = plimsoll("score", MODEL, "--date", DAY)
    assert answer.code == 2
    assert "holds the value of the variable WAREHOUSE_URL" in answer.err
    assert SECRET not in answer.said
    assert not [p for p in serving.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


def test_a_secret_in_an_error_is_not_recorded(serving: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from plimsoll.errors import ServerError
    from tasks.records import recording

    monkeypatch.setenv("WAREHOUSE_URL", f"postgresql://ada:{SECRET}@db.example/flights")

    def fail() -> None:
        with recording("score_batch", MODEL, DAY, {}) as run:
            run.outputs["tried"] = [f"postgresql://ada:{SECRET}@db.example"]
            raise ServerError(f"postgresql://ada:{SECRET}@db.example/flights does not answer")

    with pytest.raises(ServerError):
        fail()
    end = serving.records()[-1]["end"]
    assert end["sentence"] == "postgresql://ada:***@db.example/flights does not answer"
    assert end["outputs"]["tried"] == ["postgresql://ada:***@db.example"]


@pytest.mark.parametrize("where", ["config", "lock", "parameter"])
def test_a_password_in_an_address_stops_the_run(serving: Place, plimsoll: Cli, where: str) -> None:
    """No variable holds it, so only its place in the address tells what it is."""
    from plimsoll.errors import UserError
    from tasks.records import recording

    address = f"https://ada:{SECRET}@index.example/simple"
    if where == "config":
        serving.configure("owner: network-operations", f"owner: {address}")
    elif where == "lock":
        lock = serving.root / "requirements.lock"
        lock.write_text(f"--index-url {address}\n{lock.read_text()}")
    given = {"comment": address} if where == "parameter" else {}
    before = len(serving.records())
    with pytest.raises(UserError, match="holds a password, inside an address https"), recording("x", MODEL, DAY, given):
        pass
    assert len(serving.records()) == before
    assert not [p for p in serving.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


def test_a_secret_that_a_person_types_is_not_kept(
    waiting: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_TOKEN", SECRET)
    assert plimsoll("approve", MODEL, 1, "--as", "grace", "--comment", f"checked with {SECRET}").code == 0
    assert waiting.ledger("approved")[0]["facts"]["comment"] == "checked with ***"
    answer = plimsoll("rollback", MODEL, "--as", "grace", "--reason", f"since {SECRET}")
    assert answer.code == 2
    assert "The reason holds the value of the variable WAREHOUSE_TOKEN" in answer.err
    assert not [p for p in waiting.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
