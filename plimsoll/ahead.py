"""Work beside work: the next item made ahead, the last one put away behind, each in a thread of its own."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield items in order, the next one being made meanwhile; what making one raises comes out at its place."""
    end, source = object(), iter(items)
    with ThreadPoolExecutor(1) as maker:
        coming: Future[object] = maker.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = maker.submit(next, source, end)
            yield item  # type: ignore[misc]


def in_order(work: Callable[[S], T], items: Iterable[S], at_once: int) -> Iterator[T]:
    """Yield what work makes of items, in their order; so many are worked on at a time, and no more are drawn."""
    begun = deque[Future[T]]()
    with ThreadPoolExecutor(at_once) as workers:
        for item in items:
            begun.append(workers.submit(work, item))
            if len(begun) == at_once:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


@contextmanager
def behind(work: Callable[P, object]) -> Iterator[Callable[P, None]]:
    """Hand over a function that begins some work and returns, after the work begun before it is done.

    What work raises comes out at the next call, or at the end of the block.
    """
    with ThreadPoolExecutor(1) as worker:
        begun: list[Future[object]] = []

        def begin(*args: P.args, **kwargs: P.kwargs) -> None:
            if begun:
                begun.pop().result()
            begun.append(worker.submit(work, *args, **kwargs))

        yield begin
        if begun:
            begun.pop().result()
