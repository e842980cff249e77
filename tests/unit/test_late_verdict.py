"""Late losses that are asked on a night: outcomes that ended long ago ask for nothing, however bad they were."""

import datetime as dt

import numpy as np
import pytest

from plimsoll.bundle import Reference
from plimsoll.drift_config import Drift
from plimsoll.night_verdict import LateVerdict, judge_late
from plimsoll.outcomes import NightlyQuality

FIRST = dt.date(2026, 1, 1)


def day(n: int) -> str:
    return (FIRST + dt.timedelta(days=n)).isoformat()


def asked_on(night: int, delay_days: int = 0) -> LateVerdict:
    """Ask on a night about thirty nights, of which the last ten were far worse than the reference."""
    chance = np.random.default_rng(7)
    past = {f"2025-11-{n + 1:02d}": float(loss) for n, loss in enumerate(chance.normal(0.5, 0.02, 30))}
    losses = [0.5 if n < 20 else 0.9 for n in range(30)]
    late = [NightlyQuality(day(n), 1, loss, 100, 100, 0) for n, loss in enumerate(losses)]
    return judge_late(Drift(), Reference((), {}, past), "2025-12-31", day(night), late, delay_days=delay_days)


def test_losses_that_rose_alarm_while_outcomes_come() -> None:
    found = asked_on(30)
    assert found.quality_alarms[-3:] == (True, True, True)
    assert found.losses_rose_from == day(20)
    assert not found.stale


@pytest.mark.parametrize(("night", "delay", "stale"), [(43, 0, False), (44, 0, True), (64, 21, False), (65, 21, True)])
def test_outcomes_that_ended_ask_for_nothing(night: int, delay: int, stale: bool) -> None:
    found = asked_on(night, delay)
    assert found.stale is stale
    assert any(found.quality_alarms) is not stale
    assert (found.losses_rose_from is None) is stale
    assert found.quality.alarm, "the chart itself stays as it is"
