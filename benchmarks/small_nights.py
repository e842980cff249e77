"""Small nights

False alarms about quality on unchanged models whose nights have fewer rows than the reference's. After 60 reference
nights of 700 rows come 90 nights of as many rows as named; 10 % of such horizons are stated for late losses, one night
in 20 for the others. Rows' losses are gamma-distributed; nights differ by nothing but chance, or by as much again, with
a lag-1 autocorrelation of 0.3. Scores are drawn row by row. A rise is of two standard deviations of a reference night,
from the first night on. Ten slices that are watched beside all rows have half of the false alarms together; shared
evenly, all rows had an eleventh.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, at_most, plain
from plimsoll.bundle import Reference
from plimsoll.drift_config import Drift
from plimsoll.loss_charts import judge_losses
from plimsoll.loss_sizes import WHOLE, LossSpread
from plimsoll.metrics import row_losses
from plimsoll.night_verdict import Observed, judge_estimates, judge_scores
from plimsoll.outcomes import NightlyQuality
from plimsoll.pooling import pool_nights
from plimsoll.quality import QualityVerdict, judge_quality
from plimsoll.quality_threshold import normal_nights, threshold_curve
from plimsoll.recent_losses import judge_recent
from plimsoll.score_reference import score_reference, tally_scores
from plimsoll.score_sketch import sketch_scores

SEED, REFERENCE, HORIZON, LONGEST = 1954, 60, 90, 200
ROWS, SIZES, FEWER = 700, (700, 350, 200, 100, 40), (700, 350, 200, 100, 40, 15)
SHAPE, MEAN, RHO = 1.2, 0.5, 0.3
VARIANCE = MEAN**2 / SHAPE
POLICY = Drift(quality_false_alarm_share=0.1, quality_horizon_nights=HORIZON, one_in_nights=20, slices=("part",))
POINTS = 4.0  # that a rate may lie above the stated one
SLICES = 10
SCORED = 28  # nights after each reference of scores

Floats = NDArray[np.float64]


def measure(full: bool) -> Iterator[Figure]:
    """Yield false alarms by rows a night of late and recent losses, of slices, of estimates and of score drift."""
    runs = 1000 if full else 200
    for name, between in (("by chance alone", 0.0), ("as much again", 1.0)):
        for rows in SIZES:
            what = f"nights that differ {name}, {rows} rows"
            late, recent, delay, raw = whole(runs, rows, between)
            yield at_most(f"{what}: false alarms of late losses", 100 * late, "%", 10 + POINTS)
            yield plain(f"{what}: the same, held against the reference as they are", 100 * raw, "%")
            yield at_most(f"{what}: nights with high recent losses", 100 * recent, "%", 5 + POINTS)
            yield plain(f"{what}: nights until a rise of 2 sd is found", delay, "nights")
    for rows in SIZES:
        what = f"{SLICES} slices, {rows} rows each a night"
        false, delay, evenly = sliced(runs // 2, rows)
        yield at_most(f"{what}: false alarms of all charts", 100 * false, "%", 10 + POINTS)
        yield plain(f"{what}: nights until a rise of 2 sd of the whole is found", delay, "nights")
        if rows == ROWS:
            yield plain(f"{what}: the same, false alarms shared evenly", evenly, "nights")
    for rows in FEWER:
        estimates, scores = scored(runs // 2, rows)
        yield at_most(f"{rows} rows a night: nights with a high estimate", 100 * estimates, "%", 5 + POINTS)
        yield at_most(f"{rows} rows a night: nights with score drift", 100 * scores, "%", 5 + POINTS)


def losses(chance: np.random.Generator, sizes: NDArray[np.int64], between: float) -> Floats:
    """Return a mean loss for every night of so many rows; between is in variances of a mean of ROWS rows."""
    apart = np.sqrt(between * VARIANCE / ROWS) * normal_nights(chance, np.array([RHO]), sizes.size)[0]
    return np.asarray(chance.gamma(SHAPE * sizes, MEAN / SHAPE / sizes) + apart)


def whole(runs: int, rows: int, between: float) -> tuple[float, float, float, float]:
    """Return shares of horizons with an alarm and of nights with high recent losses, and nights until a rise.

    The last is the first where no size is looked at.
    """
    chance = np.random.default_rng([SEED, rows, round(between)])
    sd = float(np.sqrt((1 + between) * VARIANCE / ROWS))
    alarms, high, delays, raw = [], [], [], []
    for _ in range(runs):
        nights = losses(chance, np.array([ROWS] * REFERENCE + [rows] * LONGEST), between)
        told = reference(nights[:REFERENCE], {})
        later = nights[REFERENCE:]
        calm, worse = ([night(n, loss, rows) for n, loss in enumerate(some)] for some in (later, later + 2 * sd))
        chart, _ = judge_losses(POLICY, told, calm[:HORIZON], threshold_curve)
        alarms.append(bool(chart.alarm_nights))
        high.append(len(judge_recent(chart, 20).alarm_nights) / len(chart.path))
        rise, _ = judge_losses(POLICY, told, worse, threshold_curve)
        delays.append(first(rise))
        dated = [(one.date, one.loss) for one in calm[:HORIZON] if one.loss is not None]
        raw.append(bool(judge_quality(nights[:REFERENCE].tolist(), dated, 0.1, HORIZON).alarm_nights))
    return float(np.mean(alarms)), float(np.mean(high)), float(np.mean(delays)), float(np.mean(raw))


def sliced(runs: int, rows: int) -> tuple[float, float, float]:
    """Return the share of horizons in which any of all charts alarms, and nights until the whole finds a rise.

    The last is the same where all charts have an equal share of the false alarms and no size is looked at.
    """
    chance = np.random.default_rng([SEED, rows, SLICES])
    alarms, delays, evenly = [], [], []
    for _ in range(runs):
        sizes = np.array([ROWS] * REFERENCE + [rows] * LONGEST)
        parts = np.array([losses(chance, sizes, 1.0) for _ in range(SLICES)])
        nights, names = parts.mean(axis=0), [f"part={n}" for n in range(SLICES)]
        told = reference(nights[:REFERENCE], dict(zip(names, parts[:, :REFERENCE], strict=True)))
        sd = float(nights[:REFERENCE].std())
        calm = [night(n, nights[REFERENCE + n], rows, parts[:, REFERENCE + n]) for n in range(HORIZON)]
        rise = [night(n, loss + 2 * sd, rows, parts[:, REFERENCE + n]) for n, loss in enumerate(nights[REFERENCE:])]
        chart, slices = judge_losses(POLICY, told, calm, threshold_curve)
        alarms.append(any(one.alarm_nights for one in (chart, *slices.values())))
        found, _ = judge_losses(POLICY, told, rise, threshold_curve)
        delays.append(first(found))
        dated = [(one.date, one.loss) for one in rise if one.loss is not None]
        share = POLICY.quality_false_alarm_share / (1 + SLICES)
        evenly.append(first(judge_quality(nights[:REFERENCE].tolist(), dated, share, HORIZON, threshold_curve)))
    return float(np.mean(alarms)), float(np.mean(delays)), float(np.mean(evenly))


def first(chart: QualityVerdict) -> int:
    """Return on which night a chart first alarms, counted from one; the last that was looked at when it does not."""
    return int(chart.alarm_nights[0]) + 1 if chart.alarm_nights else LONGEST


def reference(nights: Floats, slices: dict[str, Floats]) -> Reference:
    """Return a reference of nightly losses, of nights of ROWS rows and of slices as large each."""
    dates = [f"{n:03d}" for n in range(REFERENCE)]
    by = {name: dict(zip(dates, part.tolist(), strict=True)) for name, part in {WHOLE: nights, **slices}.items()}
    size = {WHOLE: ROWS * max(len(slices), 1)} | dict.fromkeys(slices, ROWS)
    spread = {name: LossSpread(VARIANCE, dict.fromkeys(dates, rows)) for name, rows in size.items()}
    return Reference((), {}, by.pop(WHOLE), slices=by, spread=spread)


def night(number: int, loss: float, rows: int, parts: Floats | None = None) -> NightlyQuality:
    """Return a night whose rows have all their outcomes."""
    told = {} if parts is None else {f"part={n}": float(part) for n, part in enumerate(parts)}
    every = rows * max(len(told), 1)
    sizes = dict.fromkeys(told, rows)
    return NightlyQuality(f"{number:03d}", 1, float(loss), every, every, 0, told, slice_outcomes=sizes)


def scored(runs: int, rows: int) -> tuple[float, float]:
    """Return the shares of nights with a high estimated loss and with score drift, of those that were judged."""
    chance = np.random.default_rng([SEED, rows])
    high, moved = [], []
    for _ in range(runs):
        scores = np.concatenate([draw(chance, ROWS) for _ in range(REFERENCE)])
        lost = row_losses((chance.random(scores.size) < scores).astype(np.float64), scores, "classification")
        days = np.repeat([f"{n:03d}" for n in range(REFERENCE)], ROWS)
        told = score_reference([tally_scores(days, scores, lost)])
        assert told is not None
        past, waiting = Reference((), {}, {}, told), {}
        nights = [Observed(f"9{n:02d}", None, sketch_scores(draw(chance, rows))) for n in range(SCORED)]
        for n, tonight in enumerate(nights):
            assert tonight.scores is not None
            batch = told.profile(tonight.scores)
            pool, _ = pool_nights([*told.days.values()], waiting, tonight.date, batch)
            waiting = {**waiting, tonight.date: batch} if pool.waits else {}
            verdict = judge_scores(POLICY, past, nights[: n + 1], pool)
            moved += [verdict.alarm] if verdict and verdict.judged else []
        guesses = {one.date: told.estimate(told.profile(one.scores)) or 0.0 for one in nights if one.scores}
        high += judge_estimates(POLICY, past, nights, guesses)[1]
    return float(np.mean(high)), float(np.mean(moved)) if moved else 0.0


def draw(chance: np.random.Generator, rows: int) -> Floats:
    """Return the scores of one night; nights differ in how hard they are."""
    return np.asarray(chance.beta(2 + 0.2 * chance.random(), 6, rows))
