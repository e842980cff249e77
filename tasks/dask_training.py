"""XGBoost trained by the workers of a Dask cluster: for rows that no one machine should hold.

Sums of gradients are added up by worker, so the bytes of a model depend on how many workers there are and on which
pages each of them holds. Both are pinned: the config names how many workers train, and page n lies with worker n modulo
that number. The same rows, config and number of workers then give the same bytes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plimsoll.errors import ConfigError, ServerError
from plimsoll.matrices import Pages
from plimsoll.platform_config import DaskConfig
from tasks.dask_engine import connected

OWN_WAIT_SECONDS = 60.0  # for a worker that died to be started again
TRIES = 3  # of a whole fit: one whose worker died cannot be gone on with


class DaskTrainer:
    """Boosts on a cluster, a whole fit at a time, and tells how the rows lay."""

    def __init__(self, client: Any, workers: int, wait_seconds: float) -> None:
        self._client, self._workers, self._wait_seconds = client, workers, wait_seconds
        self.topology: dict[str, Any] = {"workers": workers, "pages": [], "tries": 0}

    def boost(self, pages: Pages, kinds: list[str], params: Mapping[str, Any], rounds: int) -> Any:
        """Return the booster that the cluster trains on pages; ServerError when its workers died TRIES times."""
        import xgboost as xgb
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        if params.get("tree_method") != "hist" or params.get("booster", "gbtree") == "gblinear":
            raise ConfigError("estimator.memory dask is for tree_method hist and trees; train another way in memory.")
        said: Exception = ServerError("no try was made")
        for _ in range(TRIES):
            self.topology["tries"] += 1
            workers: list[str] = []
            try:
                workers = self._pinned()
                with self._client.as_current():  # XGBoost asks Dask for it, whatever client it is given
                    return self._fit(workers, pages, kinds, params, rounds)
            except xgb.core.XGBoostError as error:
                if set(workers) <= self._client.scheduler_info(n_workers=-1)["workers"].keys():  # nobody died
                    raise ConfigError(f"XGBoost cannot train so: {str(error).splitlines()[0]}") from None
                said = error
            except (KilledWorker, CancelledError, CommClosedError, OSError) as error:
                said = error
        raise ServerError(
            f"The Dask cluster did not train the model in {TRIES} tries: {str(said).splitlines()[0]}. Nothing was "
            "registered; look at its workers' logs, or train with estimator.memory: external."
        )

    def _pinned(self) -> list[str]:
        """Return the addresses of the workers that train."""
        self._client.wait_for_workers(self._workers, timeout=self._wait_seconds)
        there = self._client.scheduler_info(n_workers=-1)["workers"]
        in_order = sorted(there, key=lambda address: f"[xgboost.dask-{there[address]['name']}]:{address}")
        return in_order[: self._workers]  # XGBoost ranks them so, and adds up in the order of ranks

    def _fit(self, workers: list[str], pages: Pages, kinds: list[str], params: Mapping[str, Any], rounds: int) -> Any:
        from xgboost import dask as on_dask

        given, outcomes = self._placed(workers, pages)
        cut = {"enable_categorical": True, "feature_types": kinds, "max_bin": params.get("max_bin", 256)}
        data = on_dask.DaskQuantileDMatrix(self._client, given, outcomes, **cut)
        plain = {name: value for name, value in params.items() if name != "nthread"}
        return on_dask.train(self._client, plain, data, num_boost_round=rounds)["booster"]

    def _placed(self, workers: list[str], pages: Pages) -> tuple[Any, Any]:
        """Send every page to its worker and return matrix and outcomes as Dask arrays; one page at a time is held."""
        import dask.array as da

        by_worker: list[list[tuple[Any, ...]]] = [[] for _ in workers]
        for number, page in enumerate(pages.read()):
            at = number % len(workers)
            by_worker[at].append(tuple(self._sent(part, workers[at]) for part in page))
        self.topology["pages"] = [len(held) for held in by_worker]
        matrices, outcomes = zip(*(pair for held in by_worker for pair in held), strict=True)
        return da.concatenate(matrices), da.concatenate(outcomes)  # type: ignore[no-untyped-call]

    def _sent(self, part: Any, worker: str) -> Any:
        import dask.array as da
        from dask.delayed import delayed

        future = self._client.scatter(part, workers=[worker], hash=False)
        return da.from_delayed(delayed(future), part.shape, part.dtype)  # type: ignore[no-untyped-call]


@contextmanager
def cluster_trainer(config: DaskConfig, workers: int) -> Iterator[DaskTrainer]:
    """Yield a trainer on the configured cluster; ServerError when it has fewer workers than are asked for."""
    with connected(config) as client:
        try:
            client.wait_for_workers(workers, timeout=config.wait_seconds)
        except TimeoutError:
            raise ServerError(
                f"estimator.workers asks for {workers} Dask workers at {config.address}, which has fewer after "
                f"{config.wait_seconds:.0f} s. Start more, or train with estimator.memory: external."
            ) from None
        yield DaskTrainer(client, workers, config.wait_seconds)


@contextmanager
def own_trainer(workers: int) -> Iterator[DaskTrainer]:
    """Yield a trainer on a cluster of its own on this machine, gone afterwards: for a replay, which has no other."""
    from distributed import Client, LocalCluster

    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with LocalCluster(**here) as cluster, Client(cluster, set_as_default=False) as client:
        yield DaskTrainer(client, workers, OWN_WAIT_SECONDS)
