"""The interpreter, the packages and the machine that a run has."""

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path

from plimsoll.digest import canonical_json
from plimsoll.errors import ConfigError
from plimsoll.run_record import Environment
from plimsoll.store import Store, put_object
from tasks.secrecy import refuse_passwords, refuse_secrets

LOCK = "requirements.lock"
SETTINGS = (  # harmless values that change how numbers are computed
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONHASHSEED",
    "TZ",
    "LANG",
    "LC_ALL",
)
RELEVANT = ("PLIMSOLL_", "PREFECT_", "MLFLOW_", "AWS_", "OMP_", "OPENBLAS_", "MKL_", "PYTHON", "GX_", "DASK_")


def read_environment(root: Path, store: Store) -> Environment:
    """Return lock, packages, Python, platform, processor, cores and variables; ConfigError when the lock is gone.

    The lock and the list of installed packages are kept as objects. Of variables that may hold a secret only the
    names are kept.
    """
    lock = root / LOCK
    if not lock.is_file():
        raise ConfigError(
            f"Expected {LOCK} in {root}, found none: no run can prove its environment. Restore it from git."
        )
    data = lock.read_bytes()
    refuse_secrets(data, LOCK)
    refuse_passwords(data, LOCK)  # an index that asks for one
    return Environment(
        lock=put_object(store, data),
        packages=put_object(store, canonical_json(installed_packages())),
        python=interpreter(),
        platform=platform.platform(),
        cpu=processor(),
        cores=os.cpu_count() or 1,
        settings={name: os.environ[name] for name in SETTINGS if name in os.environ},
        variables=tuple(sorted(n for n in os.environ if n.startswith(RELEVANT) and n not in SETTINGS)),
    )


@cache
def installed_packages() -> dict[str, str]:
    """Return every installed distribution with its version, by normalised name; this project itself is left out.

    Read off the names of the `.dist-info` folders, as packaging.python.org's recording specification fixes them:
    opening 250 metadata files would cost every command half a second.
    """
    folders = (path for place in sys.path if place for path in Path(place).glob("*.dist-info"))
    found = dict(folder.stem.rpartition("-")[::2] for folder in folders)
    named = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in sorted(found.items())}
    return {name: version for name, version in sorted(named.items()) if name != "plimsoll"}


@cache
def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def interpreter() -> str:
    """Return implementation and version of the running Python."""
    return f"{platform.python_implementation()} {sys.version.split()[0]}"
