"""check_drift: one decision a night, and at most one retrain."""

import datetime as dt
from typing import Any

from prefect import flow

from flows.retraining import start_retrain
from flows.run_names import dated
from tasks.decisions import close_nights, dates_to_check, decide_nights
from tasks.index_page import publish_pages
from tasks.records import recording


@flow(name="check-drift", flow_run_name=dated("check"))
def check_drift(
    model: str, start: dt.date | None = None, end: dt.date | None = None, as_of: dt.date | None = None
) -> dict[str, Any]:
    """Judge each date against the reference and late outcomes, and decide whether to retrain.

    Args:
        model: A model of configs/models.
        start: First batch date; empty takes every batch without a decision, oldest first.
        end: Last batch date; empty checks the start date alone.
        as_of: Business date of the run; empty is today.
    """
    with recording("check_drift", model, as_of, {"start": start, "end": end}) as run:
        nights = decide_nights(run, dates_to_check(run, start, end))
        started = start_retrain(run, nights)
        decided = close_nights(run, nights, started)
        publish_pages(run)
    return decided
