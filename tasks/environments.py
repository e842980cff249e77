"""The environment of an earlier run: this interpreter when it is the same, else one built from the recorded lock."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.digest import sha256_json
from plimsoll.errors import FolderError, PlimsollError, ServerError
from plimsoll.reproduction import INSTALLERS
from plimsoll.store import Store, get_json, get_object
from tasks.environment import LOCK, installed_packages, interpreter

NAMED = 3
UNFINISHED = ".building-"  # how the folder of an environment begins that is not whole yet
STALE_SECONDS = 86_400  # no build takes a day
OFFLINE = ("Failed to fetch", "error sending request", "dns error", "Connection refused", "not found in the cache")
HERE = "To train with the interpreter at hand instead: --here"


@dataclass(frozen=True)
class Interpreter:
    """A Python to train again with."""

    python: Path
    how: str  # how it came about, in words


def recorded_packages(store: Store, environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the version of every distribution that a run had installed."""
    return {str(name): str(version) for name, version in get_json(store, environment["packages"]).items()}


def choose_interpreter(store: Store, home: Path, environment: Mapping[str, Any], here: bool) -> Interpreter:
    """Return this interpreter when asked for or when it equals the recorded one, else one with the recorded lock.

    A built environment is kept in {home}/environments for the next time. Raises ServerError when packages cannot be
    fetched, PlimsollError when the recorded Python is not on this machine.
    """
    if here:
        return Interpreter(Path(sys.executable), "this one, as asked")
    if not (other := _differences(recorded_packages(store, environment), environment["python"])):
        return Interpreter(Path(sys.executable), "this one: its Python and packages are the recorded ones")
    name = sha256_json([environment["lock"], environment["python"]])[:12]
    target = home / "environments" / name
    if not (target / "bin/python").exists():
        if (target / "bin/python").is_symlink():  # to a Python that is gone
            shutil.rmtree(target, ignore_errors=True)
        _build(get_object(store, environment["lock"]), environment["python"], target)
        return Interpreter(target / "bin/python", f"built from the recorded lock, because this one has {other}")
    return Interpreter(target / "bin/python", f"built earlier from the recorded lock, because this one has {other}")


def _differences(recorded: Mapping[str, str], python: str) -> str:
    """Return what this interpreter has other than the recorded one, empty when nothing."""
    installed = installed_packages()
    said = [interpreter()] if interpreter() != python else []
    names = sorted({*recorded, *installed} - INSTALLERS)
    said += [f"{n} {installed.get(n, 'missing')}" for n in names if recorded.get(n) != installed.get(n)]
    more = f" and {len(said) - NAMED} more that differ" if len(said) > NAMED else ""
    return ", ".join(said[:NAMED]) + more


def _build(lock: bytes, python: str, target: Path) -> None:
    """Build an environment beside its place and move it there whole; another process's, built meanwhile, stands."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_unfinished(target.parent)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target.parent) as folder:
            venv, file = Path(folder) / "venv", Path(folder) / LOCK
            file.write_bytes(lock)
            _uv(["venv", "--quiet", "--relocatable", "--python", _wanted(python), str(venv)], python)
            into = ["--python", str(venv / "bin/python"), "--require-hashes", "--requirement", str(file)]
            _uv(["pip", "install", "--quiet", "--compile-bytecode", *into], python)
            try:
                venv.rename(target)
            except OSError:
                if not (target / "bin/python").exists():
                    raise
    except OSError as error:
        raise FolderError(f"Cannot build an environment at {target}: {error.strerror or error}.") from None


def _clear_unfinished(folder: Path) -> None:
    """Remove what killed builds left: a gigabyte each."""
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.stat().st_mtime < time.time() - STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _wanted(python: str) -> str:
    """Return a Python as uv names it: cpython@3.11.7 for CPython 3.11.7."""
    return "@".join(python.lower().split())


def _uv(words: list[str], python: str) -> None:
    """Run uv, which fetches packages but never a Python."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise PlimsollError(f"The recorded environment is built by uv, which is not installed: pip install uv. {HERE}")
    environ = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run([program, *words], env=environ, capture_output=True, text=True, check=False)
    if not done.returncode:
        return
    said = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip() and "warning" not in line)[-600:]
    if words[0] == "venv":
        raise PlimsollError(
            f"The run was made with {python}, and this machine has no such Python (uv said: {said}). Install it, or "
            f"run this command where it is. {HERE}"
        )
    kind = ServerError if any(sign in done.stderr for sign in OFFLINE) else PlimsollError
    raise kind(f"The recorded packages could not be installed (uv said: {said}). {HERE}")
