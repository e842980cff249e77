"""One pass over a batch: every version scores the same rows, and the batch is summed up while it is in memory.

While one chunk is predicted, the next one is read and encoded, and the one before it is summed up and written.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from plimsoll.ahead import ahead, behind
from plimsoll.assembly import KEY
from plimsoll.encoder import Matrix
from plimsoll.estimators import Scores
from plimsoll.explained import Explain, chosen_rows, explain_rows
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
    unseen: Mapping[str, int]  # rows with a word that the version never saw, by column


@dataclass(frozen=True)
class Pass:
    """What one pass over a batch came to."""

    rows: int
    summaries: Mapping[int, Summary]  # by version
    failed: Mapping[int, str]  # versions that were left out, with the reason; empty when none may be
    seconds: Mapping[int, float]  # that a version took to predict
    explained: pa.Table | None = None  # of the first version, as `explain_rows` says


def score_chunks(
    chunks: Iterable[pd.DataFrame],
    served: Sequence[Served],
    sink: Sink,
    *,
    may_fail: bool = False,
    limit: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
    explain: Explain | None = None,
) -> Pass:
    """Score every chunk by every version and hand keys and scores to sink, in the order of rows.

    What a version raises, this raises. With may_fail such a version is left out from there on, and so is one that
    predicts for more than limit seconds; what sink took of it is not to be used. With explain some scores of the first
    version are taken apart.
    """
    lanes, rows, explained = [_Lane(one, may_fail) for one in served], 0, list[pa.Table]()
    encoded = ((chunk, [lane.encode(chunk) for lane in lanes]) for chunk in chunks)
    with behind(_finish) as finish:
        for chunk, matrices in ahead(encoded):
            scored = [lane.predict(matrix, limit, clock) for lane, matrix in zip(lanes, matrices, strict=True)]
            finish(chunk, lanes, scored, sink)
            rows += len(chunk)
            if explain:
                explained += _explain(served[0], chunk, explain)
    summaries = {lane.version: lane.summary for lane in lanes if lane.summary and not lane.failed}
    failed = {lane.version: lane.failed for lane in lanes if lane.failed}
    seconds = {lane.version: lane.seconds for lane in lanes}
    return Pass(rows, summaries, failed, seconds, pa.concat_tables(explained) if explained else None)


class _Lane:
    """One version on its way through the chunks: encoded, predicted and summed up in three threads."""

    def __init__(self, one: Served, may_fail: bool) -> None:
        self._bundle, self._may_fail = one.bundle, may_fail
        self.version, self.failed, self.seconds = one.version, "", 0.0
        self.summary: Summary | None = None
        self._unseen = Counter[str]()

    def encode(self, chunk: pd.DataFrame) -> Matrix | None:
        """Return a chunk's matrix, None when the version was left out."""
        return self._try(self._encode, chunk)

    def predict(self, matrix: Matrix | None, limit: float | None, clock: Callable[[], float]) -> Scores | None:
        """Return the scores of a matrix, None when the version was left out; that is what more than limit does."""
        began = clock()
        scores = None if matrix is None else self._try(self._bundle.fitted.predict, matrix)
        self.seconds += clock() - began
        if limit is not None and self.seconds > limit and not self.failed:
            self.failed = f"it predicted for {self.seconds:.0f} s and was to be done within {limit:.0f} s"
        return scores

    def sum_up(self, chunk: pd.DataFrame, scores: Scores) -> None:
        """Add a chunk to what is known of the batch."""
        self._try(self._sum_up, chunk, scores)

    def _encode(self, chunk: pd.DataFrame) -> Matrix:
        matrix, unseen = self._bundle.encoder.encode_counting(chunk)
        self._unseen.update(unseen)
        return matrix

    def _sum_up(self, chunk: pd.DataFrame, scores: Scores) -> None:
        profile, sketch = profile_batch(self._bundle.reference.plan, chunk), sketch_scores(scores)
        if self.summary is not None:
            profile, sketch = merge(self.summary.profile, profile), merge_sketches(self.summary.scores, sketch)
        self.summary = Summary(profile, sketch, self._unseen)

    def _try(self, step: Callable[..., T], *given: Any) -> T | None:
        if self.failed:
            return None
        try:
            return step(*given)
        except Exception as error:  # a shadow harms nobody, whatever it raises
            if not self._may_fail:
                raise
            self.failed = f"{type(error).__name__}: {error}"
            return None


def _explain(one: Served, chunk: pd.DataFrame, asked: Explain) -> list[pa.Table]:
    chosen = chosen_rows(keys := _keys(chunk), asked.share)
    if not len(chosen):
        return []
    return [explain_rows(one.bundle, chunk.iloc[chosen], keys.take(pa.array(chosen)), asked.top)]


def _keys(chunk: pd.DataFrame) -> pa.Array:
    keys = pa.array(chunk[KEY], type=pa.string())
    return keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys


def _finish(chunk: pd.DataFrame, lanes: Sequence[_Lane], scored: Sequence[Scores | None], sink: Sink) -> None:
    keys = _keys(chunk)
    for lane, scores in zip(lanes, scored, strict=True):
        if scores is not None:
            lane.sum_up(chunk, scores)
            sink(lane.version, keys, pa.array(scores))
