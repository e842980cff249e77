"""Git: which code runs, down to the uncommitted line."""

import os
import subprocess
from pathlib import Path, PurePath
from urllib.parse import urlsplit, urlunsplit

from plimsoll.digest import canonical_json, sha256_file
from plimsoll.run_record import CodeVersion
from plimsoll.store import Store, put_object
from tasks.secrecy import refuse_passwords, refuse_secrets, without_secrets

PROJECT = Path(__file__).parents[1]
PACKAGES = ("plimsoll", "tasks", "flows")
CONFIGS = "configs/"  # code may show an address with a password as an example

SOURCE = ("plimsoll", "tasks", "flows", "configs", "great_expectations", "requirements.lock", "pyproject.toml")
PLAIN = ("--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")  # whatever the user's git is set to
DIFF = ("diff", "--binary", "--relative", *PLAIN)  # names start from the project, which may lie deep in a repository
SOURCE_ENDINGS = frozenset({".py", ".yaml", ".yml", ".json", ".toml", ".lock", ".css"})


def read_code_version(root: Path, store: Store) -> CodeVersion:
    """Return commit, remote, uncommitted changes (kept as an object) and the digest of the list of source files.

    Outside git, and where a project folder holds configs only while the code lies elsewhere, every source file is
    kept as an object: no commit could bring it back.
    """
    files = source_files(root)
    tree = put_object(store, canonical_json({name: sha256_file(path) for name, path in files.items()}))
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None or not (root / PACKAGES[0]).is_dir():
        kept = {name: path.read_bytes() for name, path in files.items()}
        for name, data in kept.items():
            refuse_secrets(data, name)
            if name.startswith(CONFIGS):
                refuse_passwords(data, name)
        for data in kept.values():
            put_object(store, data)
        return CodeVersion(_text(commit or b""), _remote(root), "", tree, kept=True)
    diff = _uncommitted(root)
    refuse_secrets(diff, "An uncommitted change")
    return CodeVersion(_text(commit), _remote(root), put_object(store, diff) if diff else "", tree, kept=False)


def source_files(root: Path) -> dict[str, Path]:
    """Return every source file by its name from the project folder, in order.

    A package that the project folder does not hold is the running one.
    """
    tops = {name: root / name for name in SOURCE}
    tops |= {name: PROJECT / name for name in PACKAGES if not tops[name].is_dir()}
    found = {
        (Path(name) / path.relative_to(top)).as_posix(): path
        for name, top in tops.items()
        for path in ([top] if top.is_file() else sorted(top.rglob("*")))
        if _is_source(Path(name) / path.relative_to(top)) and path.is_file()
    }
    return dict(sorted(found.items()))


def read_source(root: Path, commit: str, name: str) -> bytes | None:
    """Return a source file as it was committed, None where git has no such commit or file."""
    return _git(root, "show", f"{commit}:./{name}") if commit else None


def _remote(root: Path) -> str:
    return str(without_secrets(without_credentials(_text(_git(root, "remote", "get-url", "origin") or b""))))


def without_credentials(url: str) -> str:
    """Return a remote's URL without user, password and query."""
    parts = urlsplit(url)
    if parts.netloc:
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    user, found, rest = url.partition("@")  # git@host:path, where a user may carry a password too
    return f"{user.partition(':')[0]}@{rest}" if found and ":" in user and "/" not in user else url


def _uncommitted(root: Path) -> bytes:
    """Return changes against HEAD, with untracked source files as additions, as one patch.

    Bytes, since a patch may hold any encoding and any line ends; names end in NUL, since git quotes others.
    """
    patch = _git(root, *DIFF, "HEAD", "--", *SOURCE) or b""
    untracked = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCE) or b""
    for name in filter(None, map(os.fsdecode, untracked.split(b"\0"))):
        if _is_source(PurePath(name)):
            patch += _git(root, *DIFF, "--no-index", "--", os.devnull, name, codes=(0, 1)) or b""
    return patch


def _is_source(path: PurePath) -> bool:
    """Say whether a file is source by its name; a .env, a key or a data file beside the source is not."""
    return path.suffix in SOURCE_ENDINGS and "uncommitted" not in path.parts


def _text(output: bytes) -> str:
    return output.decode(errors="replace").strip()


def _git(root: Path, *words: str, codes: tuple[int, ...] = (0,)) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode in codes else None
