"""Engines: where the dates of a run are scored. One after the other here, by processes, or on a Dask cluster."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from plimsoll.errors import PlimsollError
from plimsoll.platform_config import PlatformConfig
from plimsoll.predictions import BatchResult, Served
from tasks.partition import Job, Part, jobs_of
from tasks.records import Run
from tasks.score_date import score_date


def score_each(run: Run, served: Sequence[Served], dates: Sequence[str]) -> Iterator[BatchResult]:
    """Score dates on the engine that the platform config names, and yield what became of each as it comes.

    Of several dates the champion's results come first, then the shadows of them all: none can hold up a later date.
    Every date is tried before the first error among them is raised, in the order of dates; only in one process the
    first error ends it. The run's record names what other processes have written for it.
    """
    if len(served) == 1 or len(dates) == 1:
        yield from _score(run, served, dates)
        return
    good, refusal = [], None
    with closing(_score(run, served[:1], dates)) as champions:
        try:
            for result in champions:
                good += [result.date] if result.state != "rejected" else []
                yield result
        except PlimsollError as error:
            refusal = error
    with closing(_score(run, served, sorted(good))) as shadows:
        try:
            deque(shadows, maxlen=0)
        except PlimsollError as error:  # such as a shadow that kills its process
            run.outputs.setdefault("left_out", {})["shadows"] = f"Not every shadow scored: {error}"
    if refusal:
        raise refusal


def _score(run: Run, served: Sequence[Served], dates: Sequence[str]) -> Generator[BatchResult, None, None]:
    platform = run.workspace.platform
    if not dates or in_one_process(platform, len(dates)):
        yield from (score_date(run, served, date) for date in dates)
        return
    refusals = {}
    try:
        for part in _parts(jobs_of(run, served, dates), platform):
            _take_over(run, part)
            if part.result:
                yield part.result
            elif part.refusal:
                refusals[part.date] = part.refusal
    finally:
        _name_entries(run)
    if refusals:
        raise refusals[min(refusals)].to_error()


def in_one_process(platform: PlatformConfig, dates: int) -> bool:
    """Return whether so many dates are scored in the run's own process."""
    return platform.engine == "local" and min(platform.processes, dates) == 1


def _parts(jobs: Sequence[Job], platform: PlatformConfig) -> Iterator[Part]:
    if platform.engine == "dask":
        from tasks.dask_engine import on_dask

        return on_dask(jobs, platform.dask)
    from tasks.process_engine import on_processes

    return on_processes(jobs, platform.processes)


def _take_over(run: Run, part: Part) -> None:
    """Enter into a run what another process saw and made for it."""
    run.snapshots.extend(part.snapshots)
    if part.left_out:
        run.outputs.setdefault("left_out", {}).update(part.left_out)
    if part.host:
        run.outputs.setdefault("scored_on", {})[part.host] = part.cpu


def _name_entries(run: Run) -> None:
    """Enter what a run wrote to the ledger, also in processes that were killed before they could say so."""
    mine = (one for one in run.standing().entries if one.facts.get("run") == run.id)
    run.entries.extend(one for one in mine if one not in run.entries)
