"""What one night shows about a model: inputs, scores, the losses whose outcomes have come, and a guess at the others.

Nightly checks and backtests of a policy call the same two functions, so what was tried is what will be done.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from plimsoll import drift, quality
from plimsoll.bundle import Reference
from plimsoll.diagnosis import diagnose
from plimsoll.drift import InputVerdict, judge_inputs, unjudged
from plimsoll.drift_config import Drift
from plimsoll.errors import DataError
from plimsoll.estimate import EstimateVerdict, high_estimate, judge_estimate
from plimsoll.loss_charts import has_enough, judge_losses
from plimsoll.loss_sizes import loss_scale
from plimsoll.outcomes import NightlyQuality
from plimsoll.pooling import MAX_NIGHTS, Pool, blocks_of
from plimsoll.profile import Profile, merge
from plimsoll.quality import QualityVerdict
from plimsoll.quality_threshold import Curves, threshold_curve
from plimsoll.recent_losses import LONGEST_BEHIND, RecentVerdict, judge_recent
from plimsoll.score_sketch import ScoreSketch
from plimsoll.trailing import InputsJudged, judge_both

NIGHTS_SEEN = 30  # up to the one that is judged: what came before it is held against it
PATH_NIGHTS = 14  # of the quality chart kept in an entry; the whole path follows from the predictions


@dataclass(frozen=True)
class Observed:
    """What is kept of one night's batch by the version that is judged."""

    date: str
    profile: Profile | None  # None: kept in a form that another version of this project wrote
    scores: ScoreSketch | None  # None: committed before they were kept


@dataclass(frozen=True)
class LateVerdict:
    """Has the model got worse, by the outcomes that have come?"""

    quality: QualityVerdict
    slices: Mapping[str, QualityVerdict]
    stale: bool  # outcomes ended so long ago that they say nothing of tonight

    @property
    def quality_alarms(self) -> tuple[bool, ...]:
        """Whether late losses were over their threshold, as a whole or in a slice, night by night, newest last."""
        dates = [] if self.stale else [date for date, _, _ in self.quality.path]
        charts = [set(self.quality.alarm_nights), *(_high_nights(chart, dates) for chart in self.slices.values())]
        return tuple(any(date in high for high in charts) for date in dates)

    @property
    def alarmed_slices(self) -> tuple[str, ...]:
        """The slices whose late losses are over their threshold now."""
        return () if self.stale else tuple(name for name, chart in self.slices.items() if chart.alarm)

    @property
    def losses_rose_from(self) -> str | None:
        """The night after the chart was last at zero (Page's estimate of when it changed); None without an alarm."""
        return None if self.stale else quality.rose_from(self.quality)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as it is kept with a decision, its charts cut to the last nights."""
        charts = {name: _cut(chart) for name, chart in self.slices.items()}
        return {"quality": _cut(self.quality), "slices": charts, "outcomes_ended": self.stale}


def _high_nights(chart: QualityVerdict, dates: Sequence[str]) -> set[str]:
    """Return on which dates a slice's chart is high: until its next night, since its small nights are pooled."""
    high: set[str] = set()
    for night in chart.alarm_nights:
        later = min((date for date, _, _ in chart.path if date > night), default="9999")
        high |= {*[date for date in dates if night <= date < later][:MAX_NIGHTS]}
    return high


@dataclass(frozen=True)
class NightVerdict(LateVerdict):
    """The other answers beside: has the input moved, have the scores, is a loss to be expected?"""

    inputs: InputsJudged
    scores: InputVerdict | None  # None where the version or the batch keeps no scores
    recent: RecentVerdict
    estimate: EstimateVerdict
    estimate_alarms: tuple[bool, ...]  # of the nights that were given, newest last
    sentence: str  # what it means together

    @property
    def input_alarm(self) -> bool:
        """Whether tonight's inputs are strange to the training days."""
        return self.inputs.training.alarm

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as it is kept with a decision, its charts cut to the last nights."""
        return {
            "inputs": self.inputs.to_json(),
            "scores": drift.to_json(self.scores) if self.scores else None,
            **super().to_json(),
            "recent": self.recent.to_json(),
            "estimate": self.estimate.to_json(),
            "diagnosis": self.sentence,
        }


def judge_late(
    policy: Drift,
    reference: Reference,
    trained_through: str,
    date: str,
    late: Sequence[NightlyQuality],
    curves: Curves = threshold_curve,
    delay_days: int = 0,
) -> LateVerdict:
    """Return what a version's losses so far say on a date, in order of dates; outcomes come delay_days late.

    Losses of nights that the version was trained on are not judged, nor of those with too few outcomes. Where none has
    come for LONGEST_BEHIND days more than the delay, what was seen then asks for nothing tonight.
    """
    chart, slices = judge_losses(policy, reference, [n for n in late if n.date > trained_through], curves)
    stale = bool(chart.path) and _behind(chart, date) > delay_days + LONGEST_BEHIND
    return LateVerdict(chart, slices, stale)


def _behind(chart: QualityVerdict, date: str) -> int:
    """Return how many days before a date the last night was whose outcomes have come, judged or waiting."""
    ended = [*(night for night, _, _ in chart.path), *chart.waits][-1:] or [date]
    return (dt.date.fromisoformat(date) - dt.date.fromisoformat(ended[0])).days


def judge_night(
    policy: Drift,
    reference: Reference,
    trained_through: str,
    nights: Sequence[Observed],
    late: Sequence[NightlyQuality],
    curves: Curves = threshold_curve,
    waiting: Collection[str] = (),
    delay_days: int = 0,
) -> NightVerdict:
    """Return what the last of some nights shows about a version, and its losses so far, both in order of dates.

    waiting names nights with too few rows that wait to be judged with others; late losses are as for `judge_late`.
    Nights without a profile are left out of the last nights. Raises DataError when the last night has none or one night
    was profiled on another plan.
    """
    tonight, before = nights[-1], {night.date: night.profile for night in nights[:-1] if night.profile}
    if tonight.profile is None:
        raise DataError(f"The profile of {tonight.date} is in a form that another version of Plimsoll wrote.")
    pooled = {date: profile for date, profile in before.items() if date in waiting}
    given = reference.plan, reference.days, before, tonight.date, tonight.profile
    unread = len(nights) - 1 - len(before)
    inputs = replace(judge_both(*given, policy.one_in_nights, pooled), unread=unread)
    seen = judge_late(policy, reference, trained_through, tonight.date, late, curves, delay_days)
    chart = seen.quality
    recent = judge_recent(chart, policy.recent_one_in_nights, _behind(chart, tonight.date), delay_days)
    guesses = _estimates(reference, nights)
    estimate, high = judge_estimates(policy, reference, nights, guesses)
    scores = judge_scores(policy, reference, nights, inputs.pool)
    later = [n for n in late if n.date > trained_through and has_enough(n, policy)]
    came = {n.date: n.loss for n in later if n.loss is not None}
    both = {date: (guess, came[date]) for date, guess in guesses.items() if date in came}
    known = replace(chart, judged=False, alarm=False) if seen.stale else chart
    sentence = diagnose(inputs.training, scores, known, estimate, both, recent.alarm, seen.alarmed_slices)
    return NightVerdict(chart, seen.slices, seen.stale, inputs, scores, recent, estimate, high, sentence)


def judge_scores(policy: Drift, reference: Reference, nights: Sequence[Observed], pool: Pool) -> InputVerdict | None:
    """Return the verdict about tonight's scores, of the nights that its inputs are judged with."""
    told = reference.scores
    if told is None or nights[-1].scores is None:
        return None
    days = [*told.days.values()]
    if pool.waits:
        why = f"Scores were not judged: {pool.rows:,} rows wait and {pool.needed:,} are needed."
        return replace(unjudged(len(days), policy.one_in_nights, ""), sentence=why)
    some = [told.profile(night.scores) for night in nights if night.date in pool.nights and night.scores]
    against = blocks_of(days, [one.rows for one in some]) if len(some) > 1 else days
    return judge_inputs([told.plan], against, reduce(merge, some), policy.one_in_nights)


def judge_estimates(
    policy: Drift, reference: Reference, nights: Sequence[Observed], guesses: Mapping[str, float]
) -> tuple[EstimateVerdict, tuple[bool, ...]]:
    """Return the verdict about tonight's estimated loss, and of every night whether its own is high."""
    past, one_in = _reference_estimates(reference), policy.estimate_one_in_nights
    scale = loss_scale(past, reference.scores.spread()) if reference.scores else None
    rows = {night.date: night.scores.count if night.scores else 0 for night in nights}
    tonight = nights[-1].date
    verdict = judge_estimate(guesses.get(tonight), past, reference.losses, one_in, scale, rows[tonight])
    if not verdict.judged:
        return verdict, ()
    levels = {size: high_estimate(past, one_in, scale, size) for size in {*rows.values()}}
    return verdict, tuple(n.date in guesses and guesses[n.date] > levels[rows[n.date]] for n in nights)


def _estimates(reference: Reference, nights: Sequence[Observed]) -> dict[str, float]:
    scores = reference.scores
    if scores is None:
        return {}
    guesses = {n.date: scores.estimate(scores.profile(n.scores)) for n in nights if n.scores}
    return {date: guess for date, guess in guesses.items() if guess is not None}


def _reference_estimates(reference: Reference) -> dict[str, float]:
    scores = reference.scores
    guesses = {date: scores.estimate(day) for date, day in scores.days.items()} if scores else {}
    return {date: guess for date, guess in guesses.items() if guess is not None}


def _cut(chart: QualityVerdict) -> dict[str, Any]:
    body = quality.to_json(chart)
    return {**body, "path": body["path"][-PATH_NIGHTS:]}
