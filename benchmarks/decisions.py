"""Decisions

Do decisions to retrain fall on nights that were bad? A model of flights is trained on the ninety days before, serves a
hundred and twenty nights, and is replaced, whatever is decided: so every night is judged, and none of cooldown, budget
or age stops a wish. With `--full` a model starts every thirty days, so that a night is judged for several. Quality fell
on a night when its loss was above the 95th percentile of the model's reference losses. A decision rests on what is
known that night: outcomes of the nights before, tonight's inputs and scores.

Shares are of nights. Who decides nearly always finds every bad night, so decisions on more than a quarter of nights are
no good rule. Beside the policy stand its parts, and the moving average of the study that it comes from: normal scores
of late losses, W ← 0.8 W + 0.2 z, over 0.55. How often recent losses may be high though nothing changed is the trade:
one night in seven finds half of the bad nights, and is held to the goals; one in twenty is what configs ask unless told
otherwise, since a backtest of nine months gained nothing from deciding oftener. The weight 0.3 was chosen on this year
of flights, on models that start every fifteen days. One year of one city: the intervals are wide.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.children import in_child
from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.flights import lay_out
from plimsoll.assembly import OUTCOME
from plimsoll.bundle import Bundle
from plimsoll.drift_config import Retrain
from plimsoll.metrics import row_losses
from plimsoll.model_config import ModelConfig
from plimsoll.night_verdict import LateVerdict, NightVerdict, Observed, judge_night
from plimsoll.outcomes import NightlyQuality
from plimsoll.profile import profile_batch
from plimsoll.quality_threshold import normal_scores
from plimsoll.recent_losses import judge_recent
from plimsoll.retrain import RetrainFacts, decide
from plimsoll.row_parts import DATE
from plimsoll.score_sketch import sketch_scores
from plimsoll.training import train_bundle

FIRST, WINDOW_DAYS, SERVED_DAYS, LAST_START_DAYS = date(2013, 4, 1), 90, 120, 150
MOST_DECISIONS, LEAST_CAUGHT, LEAST_RATIO = 25.0, 50.0, 3.0  # % of nights, % of bad nights, times

HIGH_AVERAGE = 0.55
POLICY = "the policy"
RATES = (7, 10, 20)  # nights, of which an unchanged model has one with a high moving average


@dataclass(frozen=True)
class Judged:
    """One night: whether quality fell on it, and what each way of deciding said before that was known."""

    fell: bool
    says: Mapping[str, bool]


def measure(full: bool) -> Iterator[Figure]:
    """Yield for each way of deciding how often it decides, what it finds, and how often it is right."""
    nights = in_child(judge_year, 30 if full else SERVED_DAYS)
    yield plain("nights", len(nights), "")
    yield plain("nights on which quality fell", 100 * float(np.mean([n.fell for n in nights])), "%")
    for way in nights[0].says:
        yield from told(way, nights, held=way == f"{POLICY}, {one_in(RATES[0])}")


def one_in(nights: int) -> str:
    """Say how often an unchanged model has a high moving average."""
    return f"recent losses at one night in {nights}"


def told(way: str, nights: list[Judged], *, held: bool) -> Iterator[Figure]:
    """Yield the figures of one way of deciding; held to the goals where it is the policy's."""
    fell, said = (np.array(some, dtype=bool) for some in zip(*((n.fell, n.says[way]) for n in nights), strict=True))
    caught = 100 * float(said[fell].mean()) if fell.any() else 0.0
    right, else_ = (float(fell[some].mean()) if some.any() else 0.0 for some in (said, ~said))
    share, ratio = 100 * float(said.mean()), right / else_ if else_ else 0.0
    yield (
        at_most(f"{way}: nights with a decision", share, "%", MOST_DECISIONS)
        if held
        else plain(f"{way}: nights with a decision", share, "%")
    )
    yield (
        at_least(f"{way}: bad nights caught", caught, "%", LEAST_CAUGHT)
        if held
        else plain(f"{way}: bad nights caught", caught, "%")
    )
    yield plain(f"{way}: quality fell, of nights with a decision", 100 * right, "%")
    yield plain(f"{way}: quality fell, of the others", 100 * else_, "%")
    if held:
        yield at_least(f"{way}: the one over the other", ratio, "×", LEAST_RATIO)


def judge_year(every_days: int) -> list[Judged]:
    """Return what every night of service showed of models that start every so many days."""
    with tempfile.TemporaryDirectory() as folder:
        flights = lay_out(Path(folder) / "landing")
    starts = [FIRST + timedelta(days=days) for days in range(0, LAST_START_DAYS + 1, every_days)]
    return [night for start in starts for night in serve(flights.config, flights.rows, start)]


def serve(config: ModelConfig, rows: pd.DataFrame, start: date) -> list[Judged]:
    """Train on the days before a date, and judge the nights from it on."""
    first, end = (start - timedelta(days=WINDOW_DAYS)).isoformat(), (start + timedelta(days=SERVED_DAYS)).isoformat()
    bundle = train_bundle(rows[(rows[DATE] >= first) & (rows[DATE] < start.isoformat())], config)
    bad = float(np.quantile([*bundle.reference.losses.values()], 0.95))
    seen: list[Observed] = []
    late: list[NightlyQuality] = []
    found: list[Judged] = []
    for day, night in rows[(rows[DATE] >= start.isoformat()) & (rows[DATE] < end)].groupby(DATE, sort=True):
        scores = bundle.score(night)
        seen.append(Observed(str(day), profile_batch(bundle.reference.plan, night), sketch_scores(scores)))
        verdict = judge_night(config.drift, bundle.reference, bundle.trained_through, seen, late)
        late.append(quality_of(str(day), night, scores, bundle))
        found.append(Judged((late[-1].loss or 0) > bad, ways(config, bundle, str(day), verdict, late[:-1])))
    return found


def quality_of(day: str, night: pd.DataFrame, scores: np.ndarray, bundle: Bundle) -> NightlyQuality:  # type: ignore[type-arg]
    """Return a night's loss, which is known on the next one."""
    known = night[OUTCOME].notna().to_numpy()
    lost = row_losses(night[OUTCOME].to_numpy(np.float64)[known], scores[known], bundle.task)
    return NightlyQuality(day, 1, float(lost.mean()), len(night), int(known.sum()), 0)


def average(bundle: Bundle, late: list[NightlyQuality]) -> float:
    """Return the moving average of the normal scores of late losses."""
    past = np.array([*bundle.reference.losses.values()])
    mean = 0.0
    for score in normal_scores(past, np.array([night.loss for night in late], dtype=np.float64)):
        mean = 0.8 * mean + 0.2 * float(score)
    return mean


def unhindered(config: ModelConfig) -> Retrain:
    """Return the model's policy without what stops a wish, and without the maximum age."""
    return config.retrain.model_copy(update={"max_age_days": 10**6, "monthly_budget": 10**6, "cooldown_days": 0})


def facts_of(policy: Retrain, day: str, verdict: LateVerdict) -> RetrainFacts:
    """Return what the controller is told of a night; one with late losses alone is of a batch that was rejected."""
    night = verdict if isinstance(verdict, NightVerdict) else None
    return RetrainFacts(
        date=day,
        batch="committed" if night else "rejected",
        batch_reason="",
        input_alarm=bool(night and night.input_alarm),
        quality_alarms=verdict.quality_alarms[-policy.persistence_of :],
        recent_alarm=bool(night and night.recent.alarm),
        estimate_alarms=night.estimate_alarms[-policy.persistence_of :] if night else (),
        alarmed_slices=(),
        losses_rose_from=None,
        model_age_days=0,
        days_since_last_retrain=None,
        retrains_last_30_days=0,
        in_flight=False,
        awaiting_approval=None,
    )


def ways(
    config: ModelConfig, bundle: Bundle, day: str, verdict: NightVerdict, late: list[NightlyQuality]
) -> dict[str, bool]:
    """Return which ways of deciding would retrain."""
    policy = unhindered(config)
    facts = facts_of(policy, day, verdict)
    alone = policy.model_copy(update={"on_estimate": "informs", "on_recent": "informs"})
    high = {rate: judge_recent(verdict.quality, rate).alarm for rate in RATES}
    asked = {f"{POLICY}, {one_in(rate)}": decide(replace(facts, recent_alarm=high[rate]), policy) for rate in RATES}
    return {
        **{way: decision.retrain for way, decision in asked.items()},
        "late losses that stay high, alone": decide(facts, alone).retrain,
        "tonight's estimate alone": verdict.estimate.alarm,
        "the study's moving average": average(bundle, late) > HIGH_AVERAGE,
        "input alarm alone": verdict.input_alarm,
    }
