"""Models from elsewhere: the file that a config names, by its digest, kept in the store like any other input."""

import subprocess
import sys
import tempfile
from pathlib import Path

from plimsoll.adopted import adopt, is_pickle
from plimsoll.digest import sha256_hex
from plimsoll.errors import DataError, IntegrityError
from plimsoll.estimator_config import External
from plimsoll.estimators import Fitted
from plimsoll.model_config import ModelConfig
from plimsoll.store import get_object, object_key, put_object
from tasks import pickle_door
from tasks.mlflow_model import model_file
from tasks.workspace import Workspace

CONVERT_SECONDS = 120
ZIP = b"PK"  # what skops' files begin with


def adopted_model(workspace: Workspace, config: ModelConfig) -> Fitted | None:
    """Return the model that a config adopts, None when it trains its own.

    Raises IntegrityError when the file is not the one of the digest, DataError when it is a pickle that the config
    does not allow, or does not fit the features.
    """
    external = config.estimator.external
    if external is None:
        return None
    data = _bytes(workspace, external)
    name = _name(external, data)
    if external.allow_pickle and is_pickle(name, data):
        name, data = convert_pickle(name, data)
    return adopt(name, data, config.task, config.estimator.threads, config.feature_names)


def _name(external: External, data: bytes) -> str:
    """Return a model's file name; one inside an MLflow folder, which may be gone, is told by its first bytes."""
    path = Path(external.path)
    return path.name if path.suffix else f"{path.name}{'.skops' if data[:2] == ZIP else '.ubj'}"


def _bytes(workspace: Workspace, external: External) -> bytes:
    """Return a model file's bytes: the kept object when there is one, else the file, which is kept then."""
    if workspace.store.get(object_key(external.sha256)) is not None:
        return get_object(workspace.store, external.sha256)
    path = model_file(workspace.root / external.path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the model {path}: {error.strerror}.") from None
    if (found := sha256_hex(data)) != external.sha256:
        raise IntegrityError(
            f"{path} is not the model that the config names: expected sha256 {external.sha256}, found {found}. "
            "It was not read; if it is the right one, name its digest in estimator.external.sha256."
        )
    put_object(workspace.store, data)
    return data


def convert_pickle(name: str, data: bytes) -> tuple[str, bytes]:
    """Return a pickled model's new name and bytes in a form that runs no code; DataError when there is none.

    It is read in a process of its own, which sees none of this one's variables.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "model.pickle", Path(folder) / "out"
        source.write_bytes(data)
        out.mkdir()
        words = [sys.executable, "-I", str(pickle_door.__file__), str(source), str(out)]
        try:
            done = subprocess.run(
                words,
                cwd=folder,
                env={"HOME": folder, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                timeout=CONVERT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DataError(f"{name} could not be converted in {CONVERT_SECONDS} seconds.") from None
        made = sorted(out.iterdir())
        if done.returncode or not made:
            reason = (done.stderr.strip().splitlines() or ["it holds no model"])[-1]
            raise DataError(f"{name} could not be converted from a pickle: {reason}")
        return made[0].name, made[0].read_bytes()
