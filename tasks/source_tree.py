"""The source tree of an earlier run: brought back from git or from the store into a folder of its own, for a while."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from plimsoll.digest import sha256_file
from plimsoll.errors import IntegrityError, PlimsollError, UserError
from plimsoll.store import Store, get_json, get_object
from tasks.git import PROJECT, source_files

NO_HOOKS = ("-c", "core.hooksPath=/dev/null")  # a hook of the user's is no part of the run
AS_STORED = ("-c", "core.autocrlf=false")


@contextmanager
def restored_tree(store: Store, code: Mapping[str, Any], project: Path) -> Iterator[Path]:
    """Hand over a folder with the code of a run record; it is removed however the work ends.

    The files come from the store where the record says that they are kept, else from a git worktree at the recorded
    commit with the uncommitted changes laid over it. Raises UserError when this repository has no such commit,
    IntegrityError when an object was changed.
    """
    with tempfile.TemporaryDirectory(prefix="plimsoll-code-") as folder:
        root = Path(folder) / "tree"
        if code["kept"]:
            _write_kept(store, code["tree"], root)
            yield root
        else:
            with _worktree(store, code, _repository(code, project), root) as tree:
                yield tree


def recorded_tree(store: Store, code: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of every source file of a record by path."""
    return {str(name): str(digest) for name, digest in get_json(store, code["tree"]).items()}


def tree_on_disk(root: Path) -> dict[str, str]:
    """Return the digest of every source file of a restored folder by path."""
    return {name: sha256_file(path) for name, path in source_files(root).items()}


def _write_kept(store: Store, tree: str, root: Path) -> None:
    for name, digest in get_json(store, tree).items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise IntegrityError(f"The list of source files {tree[:12]} names {name!r}, which lies outside a project.")
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_kept(store, name, digest))


def _kept(store: Store, name: str, digest: str) -> bytes:
    try:
        return get_object(store, digest)
    except IntegrityError as error:
        raise IntegrityError(f"{name}, which the run was made with, is damaged. {error}") from None


def _repository(code: Mapping[str, Any], project: Path) -> Path:
    """Return the folder of the project inside a repository that has the recorded commit."""
    commit = code["commit"]
    homes = [root for root in (project, PROJECT) if (root / ".git").exists() or _git(root, "rev-parse") is not None]
    for root in homes:
        if _git(root, "cat-file", "-e", f"{commit}^{{commit}}") is not None:
            return root
    if not homes:
        fetch = f"Clone {code['remote'] or 'the repository that it was committed to'} and run the command there."
    elif code["remote"]:
        fetch = f"Fetch it, then try again: git fetch {code['remote']} {commit}"
    else:
        fetch = "The record names no remote; run the command in the repository where it was committed."
    raise UserError(f"The code of this run is commit {commit[:12]}, which is not in {project}. {fetch}")


@contextmanager
def _worktree(store: Store, code: Mapping[str, Any], project: Path, root: Path) -> Iterator[Path]:
    diff = get_object(store, code["diff"]) if code["diff"] else b""
    prefix = (_git(project, "rev-parse", "--show-prefix") or b"").decode().strip()
    try:
        _must(project, *NO_HOOKS, *AS_STORED, "worktree", "add", "--quiet", "--detach", str(root), code["commit"])
        if diff:
            _must(root, "apply", "--binary", "--whitespace=nowarn", f"--directory={prefix}", "-", given=diff)
        yield root / prefix
    finally:
        _git(project, "worktree", "remove", "--force", str(root))


def _must(root: Path, *words: str, given: bytes = b"") -> None:
    done = subprocess.run(["git", "-C", str(root), *words], input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise PlimsollError(f"The code of this run cannot be restored: git {_verb(words)} said: {said}")


def _verb(words: tuple[str, ...]) -> str:
    return " ".join([word for word in words if word in ("worktree", "add", "apply")])


def _git(root: Path, *words: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
