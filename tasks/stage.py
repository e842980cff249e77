"""A step of a flow as a Prefect task that is handed its inputs whole.

Prefect takes more than a second to import, so it is imported by the first step that runs: whoever only looks, such as
`plimsoll trace`, reads modules of steps and runs none.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from logging import Logger, LoggerAdapter

P = ParamSpec("P")
T = TypeVar("T")


def stage(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function a Prefect task that is never cached and whose inputs Prefect does not look into.

    Prefect walks through every input of a task twice, in search of futures: through a run and all ledger entries that
    it has read that takes seconds, and more with every night. Steps are called one after another, without futures.

    Tags are the flow run's: of every tag of a step Prefect asks the server for a slot before it begins. A worker gives
    its steps no tags either.
    """

    @cache
    def step() -> Callable[..., T]:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        return task(cache_policy=NO_CACHE)(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        from prefect.context import TagsContext
        from prefect.utilities.annotations import opaque

        whole = {name: opaque(value) for name, value in kwargs.items()}
        with TagsContext(current_tags=set()):
            return step()(*(opaque(value) for value in args), **whole)

    return call


def get_run_logger() -> "Logger | LoggerAdapter[Logger]":
    """Return Prefect's logger of the run that this is called in."""
    from prefect.logging import get_run_logger as of_prefect

    return of_prefect()
