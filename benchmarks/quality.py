"""Quality charts

False alarms of the chart of late losses on unchanged models whose nights hang together, and how soon it finds a loss.
A reference of 60 and of 104 nights, then 120 nights, gamma-distributed losses with a lag-1 autocorrelation that the
chart does not know; 10 % of such horizons are stated. Beside it the table of thresholds that the study gives, as
DRIFT's rank-CUSUM with allowance 0.5 and its correction for autocorrelation. The moving average states one night in
seven. A rise is of the standard deviation of a
night, from the first night after the reference on.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, at_most, near, plain
from plimsoll.quality import judge_quality
from plimsoll.quality_threshold import autocorrelation, cusum, normal_nights, normal_scores
from plimsoll.recent_losses import high_average, moving_average

SEED, NIGHTS, SHARE, ONE_IN = 1954, 120, 0.1, 7
STATED, POINTS, MOST_NIGHTS = 100 * SHARE, 4.0, 8.0
RHOS = (0.0, 0.2, 0.3, 0.4, 0.5)
OBSERVED = (0.2, 0.3, 0.4, 0.5)  # what nights of the study's tables show
TABLE_RHOS, TABLE = (0.0, 0.2, 0.3, 0.5, 0.7), (4.7, 6.3, 7.2, 10.5, 13.8)  # for 60 nights
TABLE_120, TABLE_ALLOWANCE = 5.5 / 4.7, 0.5

Floats = NDArray[np.float64]


def measure(full: bool) -> Iterator[Figure]:
    """Yield false alarms by autocorrelation, beside those of the table, and nights until a rise is found."""
    runs = 2000 if full else 400
    for reference in (60, 104):
        found = {rho: draw(reference, rho, runs) for rho in RHOS}
        for rho, (ours, table, _, _) in found.items():
            what = f"{reference} reference nights, autocorrelation {rho}: false alarms"
            yield near(what, 100 * ours, "%", STATED, POINTS) if rho in OBSERVED else plain(what, 100 * ours, "%")
            yield plain(f"{what} by the table", 100 * table, "%")
        for rho in RHOS:
            what = f"{reference} reference nights, autocorrelation {rho}: nights with a high moving average"
            yield near(what, 100 * high_share(reference, rho, runs), "%", 100 / ONE_IN, POINTS)
        for sd, place in ((2, 2), (1, 3)):
            delays = [found[rho][place] for rho in OBSERVED]
            what = f"{reference} reference nights: nights until a rise of {sd} sd is found, mean over 0.2 to 0.5"
            mean = float(np.mean(delays))
            yield at_most(what, mean, "nights", MOST_NIGHTS) if sd == 2 else plain(what, mean, "nights")


def draw(reference: int, rho: float, runs: int) -> tuple[float, float, float, float]:
    """Return the share of runs with a false alarm, ours and the table's, and mean nights until 2 and 1 sd are found."""
    chance = np.random.default_rng([SEED, reference, round(100 * rho)])
    nights = normal_nights(chance, np.full(runs, rho), reference + NIGHTS)
    ours = [alarm_night(one[:reference], one[reference:]) for one in nights]
    table = [table_alarms(one[:reference], one[reference:]) for one in nights]
    delays = [
        np.mean([alarm_night(one[:reference], one[reference:] + sd) or NIGHTS for one in nights]) for sd in (2.0, 1.0)
    ]
    return float(np.mean([n is not None for n in ours])), float(np.mean(table)), float(delays[0]), float(delays[1])


def high_share(reference: int, rho: float, runs: int) -> float:
    """Return the share of nights of unchanged models on which the moving average is high."""
    chance = np.random.default_rng([SEED, reference, round(100 * rho), ONE_IN])
    shares = []
    for one in normal_nights(chance, np.full(runs, rho), reference + NIGHTS):
        past, later = one[:reference], one[reference:]
        threshold = high_average(float(autocorrelation(normal_scores(past, past))), ONE_IN)
        shares.append(np.mean(np.array(moving_average(normal_scores(past, later).tolist())) > threshold))
    return float(np.mean(shares))


def alarm_night(past: Floats, later: Floats) -> int | None:
    """Return on which night the chart first alarms, counted from one; None when it does not."""
    dated = [(str(n), loss) for n, loss in enumerate(losses(later).tolist(), 1)]
    verdict = judge_quality(losses(past).tolist(), dated, SHARE, NIGHTS)
    return int(verdict.alarm_nights[0]) if verdict.alarm_nights else None


def table_alarms(past: Floats, later: Floats) -> bool:
    """Return whether the chart with the study's table alarms."""
    rho = float(autocorrelation(normal_scores(past, past)))
    height = TABLE_120 * float(np.interp(rho, TABLE_RHOS, TABLE))
    return bool(cusum(normal_scores(past, later), TABLE_ALLOWANCE).max() > height)


def losses(nights: Floats) -> Floats:
    """Return skewed losses for normal nights; the chart sees ranks alone."""
    return np.asarray(np.exp(0.2 * nights) / 2)
