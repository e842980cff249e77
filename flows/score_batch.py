"""score_batch: every asked date scored exactly once, by the versions that stand at the start."""

import datetime as dt
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.run_names import dated
from tasks.batches import close_batches, dates_to_score, resolve_versions, score_dates
from tasks.records import recording


@flow(name="score-batch", flow_run_name=dated("score"))
def score_batch(
    model: str,
    start: dt.date | None = None,
    end: dt.date | None = None,
    as_of: dt.date | None = None,
    version: int | None = None,
) -> State[Any]:
    """Score the asked dates with the champion, and its challengers in its shadow.

    Args:
        model: A model of configs/models.
        start: First batch date; empty scores what landed since the last committed batch, at first the newest date.
        end: Last batch date; empty scores the start date alone.
        as_of: Business date of the run, scored by the version that was champion then; empty is today.
        version: Score with this version alone; empty takes the champion and its challengers.
    """
    with recording("score_batch", model, as_of, {"start": start, "end": end, "version": version}) as run:
        served = resolve_versions(run, as_of, version)
        results = score_dates(run, served, dates_to_score(run, start, end))
        return close_batches(run, results)
