"""One pass over a batch: every version scores the same rows, and the batch is summed up while it is in memory.

While one chunk is predicted, the next one is read and the one before it is written.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
import pyarrow as pa

from plimsoll.assembly import KEY
from plimsoll.predictions import Served
from plimsoll.profile import Profile, merge, profile_batch
from plimsoll.score_sketch import ScoreSketch, merge_sketches, sketch_scores

Sink = Callable[[int, pa.Array, pa.Array], None]  # takes a version's keys and scores of one chunk
T = TypeVar("T")


@dataclass(frozen=True)
class Summary:
    """What one version made of a batch."""

    profile: Profile  # of the features, on the bins of its own reference
    scores: ScoreSketch


@dataclass(frozen=True)
class Pass:
    """What one pass over a batch came to."""

    rows: int
    unseen: Mapping[str, int]  # rows with a word that the champion never saw, by column
    summaries: Mapping[int, Summary]  # by version
    failed: Mapping[int, str]  # versions that raised, with what they said; never the first


def score_chunks(chunks: Iterable[pd.DataFrame], served: Sequence[Served], sink: Sink) -> Pass:
    """Score every chunk by every version and hand keys and scores to sink, in the order of rows.

    What the first version raises, this raises. Another one that raises is left out from there on; what sink took of
    it is not to be used.
    """
    champion, rows, unseen = served[0], 0, Counter[str]()
    summaries, failed = dict[int, Summary](), dict[int, str]()
    with ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        for chunk in _ahead(chunks):
            scored = dict[int, pa.Array]()
            for one in served:
                if one.version in failed:
                    continue
                try:
                    scored[one.version], found = _score(one, chunk)
                except Exception as error:  # a shadow harms nobody, whatever it raises
                    if one is champion:
                        raise
                    failed[one.version] = f"{type(error).__name__}: {error}"
                    continue
                summaries[one.version] = _add(summaries.get(one.version), found)
            if written:
                written.result()
            written = writer.submit(_hand_over, chunk, scored, sink)
            unseen.update(champion.bundle.encoder.unseen(chunk))
            rows += len(chunk)
        if written:
            written.result()
    return Pass(rows, dict(unseen), {n: found for n, found in summaries.items() if n not in failed}, failed)


def _score(one: Served, chunk: pd.DataFrame) -> tuple[pa.Array, Summary]:
    scores = one.bundle.score(chunk)
    return pa.array(scores), Summary(profile_batch(one.bundle.reference.plan, chunk), sketch_scores(scores))


def _add(sofar: Summary | None, found: Summary) -> Summary:
    if sofar is None:
        return found
    return Summary(merge(sofar.profile, found.profile), merge_sketches(sofar.scores, found.scores))


def _hand_over(chunk: pd.DataFrame, scored: Mapping[int, pa.Array], sink: Sink) -> None:
    keys = pa.array(chunk[KEY], type=pa.string())
    keys = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
    for version, scores in scored.items():
        sink(version, keys, scores)


def _ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield items, the next one being made meanwhile."""
    end, source = object(), iter(items)
    with ThreadPoolExecutor(1) as reader:
        coming: Future[object] = reader.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = reader.submit(next, source, end)
            yield item  # type: ignore[misc]
