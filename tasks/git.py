"""Git: which code runs, down to the uncommitted line."""

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from plimsoll.digest import sha256_file, sha256_json
from plimsoll.run_record import CodeVersion
from plimsoll.store import Store, put_object

SOURCE = ("plimsoll", "tasks", "flows", "configs", "great_expectations", "requirements.lock", "pyproject.toml")
DIFF = ("diff", "--binary", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")  # not the user's
SOURCE_ENDINGS = frozenset({".py", ".yaml", ".yml", ".json", ".toml", ".lock"})


def read_code_version(root: Path, store: Store) -> CodeVersion:
    """Return commit, remote, uncommitted changes (kept as an object) and a digest of the source files."""
    tree = _tree_digest(root)
    if (commit := _git(root, "rev-parse", "HEAD")) is None:
        return CodeVersion("", "", "", tree)
    remote = without_credentials(_text(_git(root, "remote", "get-url", "origin") or b""))
    diff = _uncommitted(root)
    return CodeVersion(_text(commit), remote, put_object(store, diff) if diff else "", tree)


def without_credentials(url: str) -> str:
    """Return a remote's URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else url


def _uncommitted(root: Path) -> bytes:
    """Return changes against HEAD, with untracked source files as additions, as one patch.

    Bytes, since a patch may hold any encoding and any line ends; names end in NUL, since git quotes others.
    """
    patch = _git(root, *DIFF, "HEAD", "--", *SOURCE) or b""
    untracked = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCE) or b""
    for name in filter(None, untracked.split(b"\0")):
        patch += _git(root, *DIFF, "--no-index", "--", os.devnull, os.fsdecode(name), codes=(0, 1)) or b""
    return patch


def _text(output: bytes) -> str:
    return output.decode(errors="replace").strip()


def _git(root: Path, *words: str, codes: tuple[int, ...] = (0,)) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode in codes else None


def _tree_digest(root: Path) -> str:
    tops = [root / name for name in SOURCE]
    files = [p for top in tops for p in ([top] if top.is_file() else sorted(top.rglob("*")))]
    kept = [p for p in files if p.suffix in SOURCE_ENDINGS and p.is_file() and "uncommitted" not in p.parts]
    return sha256_json({p.relative_to(root).as_posix(): sha256_file(p) for p in kept})
