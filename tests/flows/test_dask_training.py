"""A model trained by Dask's workers: the same bytes from the same number of workers, also after one of them died."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plimsoll.encoder import Encoder
from plimsoll.errors import ServerError
from plimsoll.matrices import Page, Pages
from plimsoll.platform_config import DaskConfig
from tasks.dask_training import DaskTrainer, cluster_trainer, own_trainer
from tests.flows.places import AS_OF, MODEL, Answer, Place

Cli = Callable[..., Answer]
PARAMS = {"objective": "binary:logistic", "tree_method": "hist", "seed": 7, "nthread": 2, "max_depth": 4}
KINDS = Encoder(("a", "b", "c"), {"c": ("x", "y", "z")}).feature_types
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]  # of Dask and XGBoost, at their ends


def pages(number: int, rows: int = 400) -> Pages:
    """Return so many pages of rows with nulls and categories."""

    def read() -> Iterator[Page]:
        for seed in range(number):
            chance = np.random.default_rng(seed)
            matrix = chance.normal(size=(rows, 3)).astype(np.float32)
            matrix[:, 2] = chance.integers(0, 3, rows)
            matrix[matrix[:, 0] > 2, 0] = np.nan
            yield matrix, (matrix[:, 1] + (matrix[:, 2] == 1) > 0).astype(np.float64)

    return Pages(read)


def trained(trainer: DaskTrainer, given: Pages, rounds: int = 10) -> bytes:
    """Return the bytes of the model that a trainer makes."""
    return bytes(trainer.boost(given, KINDS, PARAMS, rounds).save_raw("ubj"))


def test_two_workers_give_the_same_bytes_on_any_cluster_and_after_one_was_killed() -> None:
    made = []
    with own_trainer(2) as trainer:
        made.append(trained(trainer, pages(5)))
        assert trainer.topology == {"workers": 2, "pages": [3, 2], "tries": 1}
    with own_trainer(2) as trainer:
        killed: list[int] = []
        given = pages(5)

        def read_and_kill() -> Iterator[Page]:
            yield from given.read()
            if not killed:
                victims: dict[str, int] = trainer._client.run(os.getpid)
                killed.append(next(iter(victims.values())))
                os.kill(killed[0], signal.SIGKILL)

        made.append(trained(trainer, Pages(read_and_kill)))
        assert trainer.topology["tries"] > 1
    assert made[0] == made[1]


@pytest.mark.campaign
def test_a_model_trained_on_a_cluster_is_scored_and_reproduced(
    judged: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    judged.configure("threads: 2", "threads: 2\n  memory: dask\n  workers: 2")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        monkeypatch.setenv("PLIMSOLL_DASK__SCHEDULER", cluster.scheduler_address)
        done = plimsoll("train", MODEL, "--as-of", AS_OF)
        assert done.code == 0, done.said
    outputs: dict[str, Any] = judged.records()[0]["end"]["outputs"]
    assert outputs["training_memory"] == "dask"
    assert outputs["training_topology"]["workers"] == 2
    again = plimsoll("reproduce", f"{MODEL}:1", "--here")
    assert again.code == 0, again.said
    assert "Identical" in again.out


def test_too_few_workers_are_said(tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        config = DaskConfig(scheduler=cluster.scheduler_address, wait_seconds=1)
        with pytest.raises(ServerError, match="asks for 3 Dask workers"), cluster_trainer(config, 3):
            pass
