"""Replay: train once more from a snapshot, in a process of its own, and write down what came out.

`python -m tasks.replay REQUEST RESULT`, run from the folder of the code that is to train. Both are JSON of format 1.
The request names a folder store that holds what is read, and digests of config and snapshot in it. Every later
`plimsoll reproduce` speaks to the replay of the commit that it restored, so a format, once released, never changes:

request  {format, model, store, config, snapshot}
result   {format, snapshot, config, seed, threads, rows, rows_digest, excluded_dates, quarantined_rows, bundle, files,
          metrics, python, platform, processor, packages, settings}, or {format, error}

It needs no server and no credentials, and writes to the folder of the request alone: no ledger, no record, no MLflow.
"""

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from plimsoll.bundle import Bundle
from plimsoll.config_loading import check_config
from plimsoll.digest import sha256_hex, sha256_json
from plimsoll.errors import PlimsollError
from plimsoll.model_config import ModelConfig
from plimsoll.platform_config import PlatformConfig, StoreConfig
from plimsoll.snapshot import load_snapshot
from plimsoll.store import get_json
from plimsoll.training import evaluate, split_rows, train_bundle
from tasks.environment import SETTINGS, installed_packages, interpreter, processor
from tasks.foreign_model import adopted_model
from tasks.scratch import scratch_folder
from tasks.trainers import own_booster
from tasks.training_rows import assemble_training_rows
from tasks.workspace import Workspace, resolved

FORMAT = 1


def replay(request: dict[str, Any], root: Path) -> dict[str, Any]:
    """Train as a request says with the code and the suite in root, and return the result."""
    folder = str(request["store"])
    here = PlatformConfig(home=folder, data=folder, store=StoreConfig(url=folder))
    workspace = Workspace(root, resolved(here, root))
    where = f"The recorded config {str(request['config'])[:12]}, read by this code"
    config = check_config(ModelConfig, get_json(workspace.store, request["config"]), where)
    snapshot = load_snapshot(workspace.store, request["snapshot"])
    with scratch_folder(workspace) as scratch:
        valid = assemble_training_rows(workspace, config, snapshot, scratch)
        with own_booster(config.estimator) as booster:
            bundle = train_bundle(valid.rows, config, adopted_model(workspace, config), booster)
        _, later = split_rows(valid.rows, config)
        metrics = evaluate(bundle, valid.rows, later).to_json()["metrics"]
    return {
        "format": FORMAT,
        "snapshot": snapshot.id,
        "config": sha256_json(config.model_dump(mode="json")),
        "seed": config.estimator.seed,
        "threads": config.estimator.threads,
        "rows": len(valid.rows),
        "rows_digest": valid.digest,
        "excluded_dates": valid.excluded,
        "quarantined_rows": valid.quarantined,
        **_made(bundle),
        "metrics": metrics,
        **_machine(),
    }


def main(request: Path, result: Path) -> None:
    """Answer a request file with a result file, whole or not at all; a known error is an answer too."""
    asked = json.loads(request.read_text())
    try:
        if asked["format"] != FORMAT:
            raise PlimsollError(f"This code replays requests of format {FORMAT}, found format {asked['format']}.")
        answer = replay(asked, Path.cwd())
    except PlimsollError as error:
        answer = {"format": FORMAT, "error": {"sentence": str(error), "exit_code": error.exit_code}}
    partial = result.with_suffix(".partial")
    partial.write_text(json.dumps(answer))
    partial.replace(result)


def _made(bundle: Bundle) -> dict[str, Any]:
    return {"bundle": bundle.digest, "files": {name: sha256_hex(data) for name, data in bundle.files.items()}}


def _machine() -> dict[str, Any]:
    return {
        "python": interpreter(),
        "platform": platform.platform(),
        "processor": processor(),
        "packages": installed_packages(),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
