"""What nights showed about a model, on each of them: the real verdict, on what was known that night."""

from collections.abc import Mapping, Sequence

from plimsoll.backtest_parts import NightLoss, Seen, shifted
from plimsoll.bundle import Reference
from plimsoll.drift_config import Drift
from plimsoll.night_verdict import Observed, judge_night
from plimsoll.outcomes import NightlyQuality
from plimsoll.quality_threshold import Curves


def look_at_nights(
    drift: Drift,
    reference: Reference,
    trained_through: str,
    served: Sequence[str],
    nights: Sequence[Observed],
    losses: Mapping[str, NightLoss],
    delay_days: int,
    curves: Curves,
) -> dict[str, Seen]:
    """Return what each of some nights showed; served are the nights that the model has served, in order.

    On a night only losses of nights at least delay_days before it are known.
    """
    found = {}
    for n, tonight in enumerate(nights):
        late = [_quality(date, losses[date]) for date in served if date <= shifted(tonight.date, -delay_days)]
        verdict = judge_night(drift, reference, trained_through, nights[: n + 1], late, curves)
        found[tonight.date] = Seen(
            input_alarm=verdict.input_alarm,
            quality_alarms=verdict.quality_alarms,
            recent_alarm=verdict.recent.alarm,
            estimate_alarm=verdict.estimate.alarm,
            alarmed_slices=verdict.alarmed_slices,
            losses_rose_from=verdict.losses_rose_from,
        )
    return found


def _quality(date: str, night: NightLoss) -> NightlyQuality:
    return NightlyQuality(date, 1, night.loss, night.rows, night.outcomes, 0, night.slices)
