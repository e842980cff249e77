"""Who boosts: this process, or a Dask cluster where the config asks for one."""

from collections.abc import Iterator
from contextlib import contextmanager

from plimsoll.estimator_config import Estimator
from plimsoll.matrices import Boost, boost
from tasks.records import Run


@contextmanager
def booster_of(run: Run) -> Iterator[Boost]:
    """Yield what boosts for a run; of a cluster the run's record says how the rows lay there."""
    estimator = run.config.estimator
    if estimator.memory != "dask":
        yield boost
        return
    from tasks.dask_training import cluster_trainer

    with cluster_trainer(run.workspace.platform.dask, estimator.workers) as trainer:
        yield trainer.boost
        run.outputs["training_topology"] = trainer.topology


@contextmanager
def own_booster(estimator: Estimator) -> Iterator[Boost]:
    """Yield what boosts for a replay: of a cluster one of its own, with as many workers."""
    if estimator.memory != "dask":
        yield boost
        return
    from tasks.dask_training import own_trainer

    with own_trainer(estimator.workers) as trainer:
        yield trainer.boost
