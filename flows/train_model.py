"""train_model: from the asked days to a challenger that asks to be champion."""

import datetime as dt
from typing import Any

from prefect import flow

from flows.run_names import dated
from tasks.candidates import (
    fit_candidate,
    read_valid_rows,
    register_candidate,
    request_promotion,
    require_promotable,
)
from tasks.evaluation_page import publish_candidate
from tasks.frozen_rows import hold_out
from tasks.index_page import publish_pages
from tasks.judging import judge_candidate
from tasks.landing import take_snapshot, training_dates
from tasks.open_approval import open_approval
from tasks.records import recording
from tasks.run_asker import asked_by
from tasks.scratch import scratch_folder
from tasks.settling import require_question, settle_settings


@flow(name="train-model", flow_run_name=dated("train"))
def train_model(
    model: str,
    start: dt.date | None = None,
    end: dt.date | None = None,
    as_of: dt.date | None = None,
    requested_by: str = "",
    cause: str = "asked for",
    cause_key: str = "",
    search: bool = False,
) -> dict[str, Any]:
    """Train a challenger on the asked days and, when every gate passes, request its promotion.

    Args:
        model: A model of configs/models.
        start: First batch date to train on; empty takes all, or the config's window.
        end: Last batch date; empty takes the last whose outcomes have come.
        as_of: Business date of the run; empty is today.
        requested_by: Who asks; empty is whom Prefect knows of, as the schedule. A person may not approve what they
            asked for where the config says so.
        cause: Why, in words; it is kept in the ledger.
        cause_key: The drift decision that asked, when one did; one decision trains once.
        search: Search settings anew, whatever the config's search.when says.
    """
    requested_by = asked_by(requested_by)
    asked = {"requested_by": requested_by, "cause": cause, "cause_key": cause_key, "search": search}
    given = {"start": start, "end": end, **asked}
    with recording("train_model", model, as_of, given) as run, scratch_folder(run.workspace) as scratch:
        require_question(run, search)
        require_promotable(run, requested_by)
        snapshot = take_snapshot(run, training_dates(run, start, end))
        holdout = hold_out(run, snapshot, scratch)
        rows = read_valid_rows(run, snapshot, scratch)
        settle_settings(run, rows, search)
        bundle = fit_candidate(run, rows)
        report = judge_candidate(run, bundle, rows, holdout)
        version = register_candidate(run, bundle, report, cause, cause_key)
        publish_candidate(run, version, bundle, report)
        request_promotion(run, version, report, requested_by)
        open_approval(run, version, report)
        publish_pages(run)
    return {"run": run.id, "version": version, "passed": report.passed, "sentence": run.sentence}
