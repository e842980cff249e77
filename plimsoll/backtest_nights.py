"""What nights showed about a model, on each of them: the real verdict, on what was known that night."""

from collections.abc import Mapping, Sequence

from plimsoll.backtest_parts import NightLoss, Seen, shifted
from plimsoll.bundle import Reference
from plimsoll.drift_config import Drift
from plimsoll.night_verdict import NIGHTS_SEEN, Observed, judge_night
from plimsoll.outcomes import NightlyQuality
from plimsoll.pooling import waiting_dates
from plimsoll.quality_threshold import Curves

VERSION = 1  # one model is looked at, so all that waits is of one version


def look_at_nights(
    drift: Drift,
    reference: Reference,
    trained_through: str,
    served: Sequence[str],
    nights: Sequence[Observed],
    losses: Mapping[str, NightLoss],
    delay_days: int,
    curves: Curves,
    before: Sequence[Observed] = (),
    waiting: Sequence[str] = (),
    serves: str = "",
) -> dict[str, Seen]:
    """Return what each of some nights showed; served are the nights that the model has scored, in order.

    On a night only losses of nights at least delay_days before it are known. before are the nights that came before
    these, waiting those of them that were too small to be judged and wait for others. serves is from when on the model
    is champion: nothing is decided about a challenger, so its small nights wait for nobody.
    """
    found: dict[str, Seen] = {}
    for n, tonight in enumerate(nights):
        late = [_quality(date, losses[date]) for date in served if date <= shifted(tonight.date, -delay_days)]
        observed = [*before, *nights[: n + 1]][-NIGHTS_SEEN:]
        small = still_waiting({date: seen for date, seen in found.items() if date >= serves}, waiting)
        verdict = judge_night(drift, reference, trained_through, observed, late, curves, small, delay_days)
        pool = verdict.inputs.pool
        found[tonight.date] = Seen(
            input_alarm=verdict.input_alarm,
            quality_alarms=verdict.quality_alarms,
            recent_alarm=verdict.recent.alarm,
            estimate_alarm=verdict.estimate.alarm,
            alarmed_slices=verdict.alarmed_slices,
            losses_rose_from=verdict.losses_rose_from,
            waits=pool.waits,
            pooled=pool.nights,
        )
    return found


def still_waiting(seen: Mapping[str, Seen], before: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the small nights that wait after some nights, by the code that reads the ledger; before waited already."""
    told = [(date, {"waits": True, "nights": [date]}) for date in before]
    told += [(date, {"waits": one.waits, "nights": [*one.pooled]}) for date, one in sorted(seen.items())]
    facts = ({"date": date, "version": VERSION, "inputs": {"pool": pool}} for date, pool in told)
    return tuple(waiting_dates(facts, VERSION))


def _quality(date: str, night: NightLoss) -> NightlyQuality:
    counts = night.rows, night.outcomes, 0
    return NightlyQuality(date, VERSION, night.loss, *counts, night.slices, slice_outcomes=night.slice_outcomes)
