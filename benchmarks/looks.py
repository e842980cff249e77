"""Looks

Who looks at `plimsoll compare` every night and acts on the first night that is sure has looked sixty times, not once.
How often is anything sure although both versions are equal? Two models score every flight from April on; what one wins
over the other is one number a night, and the mean of these is taken away. Then sixty nights are drawn, or taken in a
row as they come, and somebody looks on each from the fifth on.

**As of the day alone** is the paired bootstrap of the last 28 nights at 95 %, the interval that stands beside the
recommendation, and was its basis before. **At any time** is the bound that recommendations rest on now. Better by half
of the spread of nights is what a single look at 28 nights finds four times in five. Each share is of 300 times sixty
nights (1,000 with `--full`). Nights in a row hang together and have seasons: a version that is equal over the year is
better in some of them, and no bound that takes nights for alike can tell.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import DATE, Flights, lay_out
from benchmarks.gates import PAIRS, SCORED_FROM, Model
from plimsoll.anytime import anytime_gain
from plimsoll.assembly import OUTCOME
from plimsoll.metrics import row_losses
from plimsoll.paired_bootstrap import MIN_UNITS, Tally, paired_gain
from plimsoll.side_by_side import ERROR, confidence_of_each

SEED, NIGHTS, WINDOW, DRAWS = 2013, 60, 28, 1000
MISLED, HALF = 5.0, 0.5  # percent; of the spread of nights

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], NDArray[np.intp]]


def measure(full: bool) -> Iterator[Figure]:
    """Yield how often sixty looks mislead, and how soon a better version is found."""
    times = 1000 if full else 300
    with tempfile.TemporaryDirectory() as name:
        flights = lay_out(Path(name))
    for pair, models in PAIRS.items():
        sums = nightly_sums(flights, models)
        for how, draw in (("drawn nights", drawn), ("nights in a row", in_a_row)):
            yield from misled(f"{pair}, {how}", sums, draw, times, asked=draw is drawn)
        yield from found(f"{pair}, drawn nights, better by {HALF} of the spread", sums, times)


def nightly_sums(flights: Flights, models: tuple[Model, Model]) -> Floats:
    """Return rows, the challenger's loss and the champion's of every night, with equal mean losses over the year."""
    later = flights.rows[(flights.rows[DATE] >= SCORED_FROM) & flights.rows[OUTCOME].notna()]
    outcome = later[OUTCOME].to_numpy(dtype=np.float64)
    names, unit = np.unique(later[DATE].to_numpy(), return_inverse=True)
    parts = [np.ones(len(outcome))]
    for model in models:
        score = 1 / (1 + np.exp(-model.score(flights, later)))
        parts.append(row_losses(outcome, score, "classification"))
    sums = np.stack([np.bincount(unit, part, len(names)) for part in parts], axis=1)
    return shifted(sums, -float((sums[:, 2] - sums[:, 1]).sum() / sums[:, 0].sum()))


def shifted(sums: Floats, gain: float) -> Floats:
    """Return nights on which the challenger wins so much more by row."""
    return np.column_stack([sums[:, 0], sums[:, 1] - gain * sums[:, 0], sums[:, 2]])


def misled(how: str, sums: Floats, draw: Draw, times: int, *, asked: bool) -> Iterator[Figure]:
    """Yield how often any look at equal versions calls one of them better, in percent."""
    chance = np.random.default_rng([SEED, 1])
    wrong = {"once": 0, "alone": 0, "always": 0}
    for _ in range(times):
        nights = sums[draw(chance, len(sums))]
        looks = [sure_alone(nights[:n]) for n in range(MIN_UNITS, NIGHTS + 1)]
        wrong["once"] += looks[-1]
        wrong["alone"] += any(looks)
        wrong["always"] += any(sure_always(nights[:n]) for n in range(MIN_UNITS, NIGHTS + 1))
    share = {name: 100 * count / times for name, count in wrong.items()}
    yield plain(f"{how}, equal: as of the day alone, one look", share["once"], "%")
    yield plain(f"{how}, equal: as of the day alone, any of sixty looks", share["alone"], "%")
    name = f"{how}, equal: at any time, any of sixty looks"
    yield at_most(name, share["always"], "%", MISLED) if asked else plain(name, share["always"], "%")


def found(how: str, sums: Floats, times: int) -> Iterator[Figure]:
    """Yield how often, and after how many nights, a version that is better is surely so at any time."""
    won = sums[:, 2] - sums[:, 1]
    better = shifted(sums, HALF * float(won.std(ddof=1)) / float(sums[:, 0].mean()))
    chance, first, once = np.random.default_rng([SEED, 2]), [], 0
    for _ in range(times):
        nights = better[drawn(chance, len(better))]
        first.append(next((n for n in range(MIN_UNITS, NIGHTS + 1) if sure_always(nights[:n])), NIGHTS + 1))
        once += sure_alone(nights[:WINDOW])
    seen = np.array(first)
    yield plain(f"{how}: found by one look at {WINDOW} nights", 100 * once / times, "%")
    yield plain(f"{how}: found at any time within {WINDOW} nights", 100 * float((seen <= WINDOW).mean()), "%")
    yield plain(f"{how}: found at any time within {NIGHTS} nights", 100 * float((seen <= NIGHTS).mean()), "%")
    yield plain(f"{how}: median night on which it is found", float(np.median(seen)), "")


def drawn(chance: np.random.Generator, nights: int) -> NDArray[np.intp]:
    """Return sixty nights drawn with replacement."""
    return chance.integers(0, nights, NIGHTS)


def in_a_row(chance: np.random.Generator, nights: int) -> NDArray[np.intp]:
    """Return sixty nights in a row."""
    return int(chance.integers(0, nights - NIGHTS + 1)) + np.arange(NIGHTS)


def sure_alone(nights: Floats) -> bool:
    """Whether the paired bootstrap of the last 28 nights is sure of anything."""
    last = nights[-WINDOW:]
    mine, rival = (Tally("log_loss", last[:, [0, side]]) for side in (1, 2))
    gain = paired_gain(mine, rival, confidence_of_each(1), len(nights), DRAWS)
    return gain is not None and (gain.low > 0 or gain.high < 0)


def sure_always(nights: Floats) -> bool:
    """Whether the bound that holds on all nights is sure of anything."""
    found = anytime_gain((nights[:, 2] - nights[:, 1]).tolist(), nights[:, 0].astype(int).tolist(), ERROR)
    return found is not None and bool(found.surely)
