"""A backtest

`plimsoll backtest flight_delay` from the first of April 2013 as a person starts it, against a real Prefect server on
SQLite, with nothing kept before: six policies, training for real. With `--full` nine months, else six weeks, which the
goal is not about. Then the same again, and with one changed threshold. The policies' figures are those of the first
run. A loss is the mean log loss of a night; worse nights are those on which a model that was to be had would have lost
2 % less.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.children import run_command
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL
from benchmarks.nightly import server

FROM, SIX_WEEKS, NINE_MONTHS = "2013-04-01", "2013-05-12", "2013-12-31"
GOAL_MINUTES = 15.0
THRESHOLD = "drift: {one_in_nights: 20}\n"


def measure(full: bool) -> Iterator[Figure]:
    """Yield the time of a first run, of a second, and of one with a changed threshold, and what the policies gave."""
    end, span = (NINE_MONTHS, "nine months") if full else (SIX_WEEKS, "six weeks")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)):
        seconds, first = backtest(end)
        again, second = backtest(end)
        policy = Path(folder) / "changed.yaml"
        policy.write_text(THRESHOLD)
        changed, third = backtest(end, "--policy", str(policy))
    assert not second["made"]
    assert "train" not in third["made"] or third["made"]["train"] < first["made"]["train"]
    timed = at_most if full else lambda figure, value, unit, _: plain(figure, value, unit)
    yield timed(f"{span}, {len(first['policies'])} policies", seconds / 60, "min", GOAL_MINUTES)
    yield plain("models trained for them", first["made"]["train"], "")
    yield plain("the same again", again, "s")
    yield plain("one more policy, with another threshold for inputs", changed, "s")
    for one in first["policies"]:
        yield from told(one)


def told(one: dict[str, Any]) -> Iterator[Figure]:
    """Yield the figures of a policy."""
    yield plain(f"{one['policy']}: mean loss", one["mean_loss"], "")
    yield plain(f"{one['policy']}: retrains", one["retrains"], "")
    yield plain(f"{one['policy']}: worse nights", one["worse_nights"], f"of {one['nights']}")


def backtest(end: str, *more: str) -> tuple[float, dict[str, Any]]:
    """Run the command; return its seconds and what it gave."""
    seconds, out = run_command("backtest", MODEL, "--from", FROM, "--to", end, "--json", *more)
    return seconds, json.loads(out)
