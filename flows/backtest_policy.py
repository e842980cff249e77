"""backtest_policy: the past again, under the configured retrain policy and its rivals."""

import datetime as dt
from typing import Any

from prefect import flow

from flows.run_names import dated
from plimsoll.backtest_figures import Prices
from tasks.backtests import (
    dates_to_replay,
    policies_to_compare,
    publish_backtest,
    replay_policies,
    weigh_policies,
)
from tasks.landing import take_snapshot
from tasks.records import recording
from tasks.scratch import scratch_folder
from tasks.settling import take_known_settings


@flow(name="backtest-policy", flow_run_name=dated("backtest"))
def backtest_policy(
    model: str,
    start: dt.date,
    end: dt.date,
    policies: dict[str, dict[str, Any]] | None = None,
    retrain_price: float = 10.0,
    quality_price: float = 1.0,
    approval_days: int = 0,
) -> dict[str, Any]:
    """Replay nights under the configured policy, others, and the rivals; nothing about the model changes.

    Args:
        model: A model of configs/models.
        start: The first night.
        end: The last night.
        policies: More policies by name, each with parts drift, retrain and split.window_days, as in a config.
        retrain_price: What one retrain costs.
        quality_price: What one percent of loss on one night costs, in the same unit.
        approval_days: How long a challenger waits for a person's yes.
    """
    prices = Prices(retrain_price, quality_price)
    priced = {"retrain_price": retrain_price, "quality_price": quality_price}
    given = {"start": start, "end": end, "policies": policies or {}, "approval_days": approval_days, **priced}
    with recording("backtest_policy", model, None, given) as run, scratch_folder(run.workspace) as scratch:
        take_known_settings(run)
        rivals = policies_to_compare(run, policies or {})
        snapshot = take_snapshot(run, dates_to_replay(run, start, end, rivals))
        replayed = replay_policies(run, rivals, snapshot, start, approval_days, scratch)
        tallies = weigh_policies(run, replayed, prices)
        publish_backtest(run, replayed, tallies, prices)
    return {"run": run.id, "sentence": run.sentence, **run.outputs}
