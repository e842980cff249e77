"""Whether the losses of the last nights are high together: a moving average of their normal scores.

The CUSUM in quality.py asks whether losses have risen and stayed there. This asks a smaller question sooner: are bad
nights to be expected now? Roberts, "Control chart tests based on geometric moving averages", Technometrics 1959; its
standard deviation for nights that hang together: Schmid, "On EWMA charts for time series", 1997.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.quality import QualityVerdict

WEIGHT = 0.3  # of the newest night: half of the average is of the last two nights, nine tenths of the last seven

LONGEST_BEHIND = 14  # days without outcomes beyond their delay: what was bad a fortnight ago says nothing of tonight


@dataclass(frozen=True)
class RecentVerdict:
    """The moving average of late losses against its threshold; judged=False: the sentence says why not."""

    judged: bool
    alarm: bool
    statistic: float | None  # the average, in standard deviations of a reference night
    threshold: float | None
    alarm_nights: tuple[str, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON value."""
        return {**asdict(self), "alarm_nights": list(self.alarm_nights)}


def judge_recent(chart: QualityVerdict, one_in_nights: int, behind: int = 0, delay_days: int = 0) -> RecentVerdict:
    """Return whether the moving average of the chart's losses is as high as on one night in one_in_nights.

    behind is how many days ago the last night was whose outcomes have come; they come delay_days late. An unchanged
    model is over the threshold on about that share of nights. Raises ValueError when one_in_nights is below 2.
    """
    if one_in_nights < 2:
        raise ValueError(f"one_in_nights: expected 2 or more, found {one_in_nights}.")
    if not chart.judged or chart.rho is None:
        return RecentVerdict(False, False, None, None, (), "Recent losses were not judged: late losses were not.")
    if behind > delay_days + LONGEST_BEHIND:
        late = f", and outcomes come {delay_days} days late" if delay_days else ""
        why = f"the last night with enough outcomes was {behind} days ago{late}."
        return RecentVerdict(False, False, None, None, (), f"Recent losses were not judged: {why}")
    averages = moving_average(chart.scores)
    threshold = round(high_average(chart.rho, one_in_nights), 3)
    over = tuple(date for (date, _, _), average in zip(chart.path, averages, strict=True) if average > threshold)
    alarm, tonight = averages[-1] > threshold, averages[-1]
    said = "are high" if alarm else "are as usual"
    sentence = (
        f"Losses of the last nights {said}: moving average {tonight:.2f}, over {threshold:.2f} on one night in "
        f"{one_in_nights} of an unchanged model."
    )
    return RecentVerdict(True, alarm, tonight, threshold, over, sentence)


def moving_average(scores: Sequence[float]) -> list[float]:
    """Return W ← (1 - WEIGHT) W + WEIGHT z after every night, from nought."""
    average, found = 0.0, []
    for score in scores:
        average += WEIGHT * (score - average)
        found.append(average)
    return found


def high_average(rho: float, one_in_nights: int) -> float:
    """Return what the moving average of standard normal nights of lag-1 autocorrelation rho exceeds so seldom.

    Its variance is λ/(2 - λ) · (1 + (1 - λ)ρ)/(1 - (1 - λ)ρ).
    """
    from scipy.special import ndtri

    together = (1 - WEIGHT) * rho
    sd = math.sqrt(WEIGHT / (2 - WEIGHT) * (1 + together) / (1 - together))
    return float(-ndtri(1 / one_in_nights)) * sd
