"""Dates scored by the workers of a Dask cluster, which commit for themselves; what comes back is a few sentences."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from plimsoll.errors import ConfigError, PlimsollError, ServerError
from plimsoll.platform_config import DaskConfig
from tasks.dask_worker import objection
from tasks.partition import Job, Part, Refusal, refused, score_partition
from tasks.process_engine import killed

WORTH_A_RETRY = frozenset({"ServerError", "ConflictError", "FolderError"})  # another worker may have more luck
START = "Start one with: dask worker {address} --nthreads 1 --preload tasks.dask_worker"
Pending = dict[Any, Job]  # by future
Suspects = list[tuple[Job, int]]  # dates at which workers died, and how many


def on_dask(jobs: Sequence[Job], config: DaskConfig) -> Iterator[Part]:
    """Score jobs on the configured cluster, and yield what became of each as it comes.

    Raises ServerError when the scheduler or every worker is gone, ConfigError when a worker is not fit to score.
    """
    with connected(config) as client:
        _refuse_strangers(client, config, jobs[0])
        suspects: Suspects = []
        yield from _score(client, config, jobs, suspects)
        for job, _ in suspects:  # alone, so that no date is blamed for what another one did
            guilty: Suspects = []
            yield from _score(client, config, [job], guilty)
            yield from (refused(one.date, PlimsollError(killed(one.date, times))) for one, times in guilty)


@contextmanager
def connected(config: DaskConfig) -> Iterator[Any]:
    """Yield a client of the configured scheduler; ServerError when none answers."""
    from distributed import Client

    try:
        client = Client(config.address, timeout=config.wait_seconds, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ServerError(
            f"No Dask scheduler answers at {config.address}, within {config.wait_seconds:.0f} s ({error}). Start one "
            "with `plimsoll up --dask 2`, name another in dask.scheduler, or score here with engine: local."
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=config.wait_seconds)


def _refuse_strangers(client: Any, config: DaskConfig, job: Job) -> None:
    """Ask every worker what it has loaded before any work is sent; one that comes later is asked with each date."""
    try:
        client.wait_for_workers(1, timeout=config.wait_seconds)
    except TimeoutError:
        raise _nobody(config) from None
    said: Mapping[str, Any] = client.run(objection, job.footing, job.start.run_id, on_error="return")
    against = [f"{address}: {_sentence(one)}" for address, one in sorted(said.items()) if one]
    if against:
        raise ConfigError(
            f"{len(against)} of {len(said)} Dask workers are not fit to score, so nothing was sent. {against[0]}"
        )


def _sentence(objected: Any) -> str:
    if isinstance(objected, BaseException):
        return f"Plimsoll is not installed there, or is another one ({type(objected).__name__}: {objected})."
    return str(objected)


def _score(client: Any, config: DaskConfig, jobs: Sequence[Job], suspects: Suspects) -> Iterator[Part]:
    """Yield the parts of jobs; one whose workers all died is put among the suspects."""
    from distributed.scheduler import KilledWorker

    names = [f"{job.config.model}-{job.date}-{job.start.run_id}-{time.monotonic_ns()}" for job in jobs]
    futures = client.map(score_or_raise, jobs, key=names, pure=False, retries=config.retries)
    pending: Pending = dict(zip(futures, jobs, strict=True))
    try:
        while pending:
            for future in _next(client, config, pending):
                job, error = pending.pop(future), future.exception()
                if isinstance(error, KilledWorker):
                    suspects.append((job, error.allowed_failures + 1))
                else:
                    yield _part(job, future, error)
    finally:
        client.cancel(list(pending), force=True)


def score_or_raise(job: Job) -> Part:
    """Score a date in a worker; what another worker may be spared is raised, so that Dask tries it there."""
    part = score_partition(job)
    if part.refusal and part.refusal.kind in WORTH_A_RETRY:
        raise part.refusal.to_error()
    return part


def _part(job: Job, future: Any, error: BaseException | None) -> Part:
    if isinstance(error, PlimsollError):
        return Part(job.date, refusal=Refusal(type(error).__name__, str(error)))
    part: Part = future.result()
    return part


def _next(client: Any, config: DaskConfig, pending: Pending) -> list[Any]:
    """Return the futures that are done, once there is one; ServerError when nobody is left to do any."""
    from concurrent.futures import CancelledError

    from distributed import wait

    idle_since = None
    while True:
        try:
            with client.as_current():
                return list(wait(list(pending), timeout=1, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            idle_since = _idle_since(client, idle_since)
        except (CancelledError, OSError):
            raise _lost(config) from None
        if idle_since and time.monotonic() - idle_since > config.wait_seconds:
            raise _nobody(config)


def _idle_since(client: Any, before: float | None) -> float | None:
    if client.scheduler_info(n_workers=1)["workers"]:
        return None
    return before or time.monotonic()


def _nobody(config: DaskConfig) -> ServerError:
    start = START.format(address=config.address)
    return ServerError(
        f"The Dask scheduler at {config.address} has had no worker for {config.wait_seconds:.0f} s. {start}"
    )


def _lost(config: DaskConfig) -> ServerError:
    return ServerError(
        f"The Dask scheduler at {config.address} was lost in mid-run. What its workers had committed stands; run again "
        "for the rest."
    )
