"""The command that replays the past under several retrain policies."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli_look import Json, Model
from flows.output import print_facts, print_json, print_table, say, working

HEADS = ["policy", "mean loss", "retrains", "won", "alarms", "false", "worse", "cost"]


def add_commands(app: typer.Typer) -> None:
    """Add the backtest to the command line."""
    app.command()(backtest)


def backtest(
    model: Model,
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first night.")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last night.")],
    policy: Annotated[
        list[Path] | None,
        typer.Option(help="A YAML with drift:, retrain: or split:, to compare too; may be given again."),
    ] = None,
    retrain_price: Annotated[float, typer.Option(help="What one retrain costs.")] = 10.0,
    quality_price: Annotated[
        float, typer.Option(help="What one percent of loss on one night costs, in the same unit.")
    ] = 1.0,
    approval_days: Annotated[int, typer.Option(min=0, help="How long a challenger waits for a person's yes.")] = 0,
    as_json: Json = False,
) -> None:
    """Replay the past under the configured retrain policy and its rivals, training for real; change nothing."""
    from flows.running import run_flow
    from plimsoll.backtest_figures import Prices
    from tasks.backtests import read_policies
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    workspace.model(model)
    prices = Prices(retrain_price, quality_price)
    given = {
        "model": model,
        "start": start.date(),
        "end": end.date(),
        "policies": read_policies(policy or []),
        "retrain_price": prices.retrain,
        "quality_price": prices.quality,
        "approval_days": approval_days,
    }
    with working(f"backtest {model}", as_json):
        result = run_flow(workspace, "backtest_policy", given)
    if as_json:
        return print_json(result)
    return _tell(result)


def _tell(result: dict[str, Any]) -> None:
    if "policies" in result:
        print_table(
            "What each policy would have done", HEADS, [_row(one) for one in result["policies"]], whole="policy"
        )
    for sentence in result.get("sentences") or [result["sentence"]]:
        say(sentence)
    print_facts({name: result[name] for name in ("run", "page", "url") if name in result})


def _row(one: dict[str, Any]) -> list[str]:
    return [
        one["policy"],
        f"{one['mean_loss']:.4f}",
        str(one["retrains"]),
        str(one["promotions"]),
        str(one["alarms"]),
        str(one["false_alarms"]),
        str(one["worse_nights"]),
        f"{one['cost']:,.0f}",
    ]
