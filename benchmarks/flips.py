"""Flipped labels

Whether `gates.trust` sees outcomes that somebody changed. Each week from the middle of March on a champion has learnt
sixty days and was judged on the fourteen after them; the next fortnight, or the one after that, is what came since. Its
labels are changed in ways that a person could choose, and both screens look: `max_label_change: 0.05` with
`label_columns: [carrier, origin]`, which compares losses, levels, slopes and groups with an interval over days, as wide
as the champion's past asks for, and `max_surprise_share: 0.05`, which counts outcomes that surprise the champion more
than 99 % of those that judged it.

Shares are of 76 fortnights that overlap (three draws of each with `--full`), so they are known to some five points.
**Nothing** is the price: one in twenty is what it is meant to be. Seasons change as labels do, and the screen can tell
neither from the other, which is why the delivered config says `effect: warn`. A flip turns an outcome into its
opposite, and a late flight that is called on time is what somebody gains by.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.flights import DATE, Flights, lay_out
from plimsoll.assembly import OUTCOME
from plimsoll.label_screen import Answered, label_shifts
from plimsoll.metrics import row_losses
from plimsoll.row_groups import groups_of
from plimsoll.training import train_bundle

SEED, LIMIT, SURPRISED, USUAL = 2013, 0.05, 0.05, 0.99
TRAINED, JUDGED, CAME = 60, 14, 14  # days
FIRST, LAST, EVERY, FORTNIGHTS = "2013-03-18", "2013-12-04", "7D", 2
FALSE_ALARMS = 5.0  # percent, what label_screen.ERROR asks for
COLUMNS = ("carrier", "origin")
SEEN = 80.0  # percent, of what harms most
Flags = NDArray[np.bool_]
Attack = Callable[[pd.DataFrame, np.random.Generator], Flags]  # returns whose outcome is changed


def some(share: float) -> Attack:
    """Return an attack on a share of all rows."""
    return lambda rows, chance: np.asarray(chance.random(len(rows)) < share)


def of(column: str, value: str, share: float = 1.0) -> Attack:
    """Return an attack on the rows of one group, or a share of them."""
    return lambda rows, chance: np.asarray((rows[column] == value) & (chance.random(len(rows)) < share))


FLIPS: Mapping[str, Attack] = {
    "nothing": some(0),
    "5 % of labels flipped": some(0.05),
    "10 % of labels flipped": some(0.1),
    "20 % of labels flipped": some(0.2),
    "30 % of labels flipped": some(0.3),
}
TARGETED: Mapping[str, Attack] = {
    "all late flights of EV called on time": of("carrier", "EV"),
    "half of the late flights of EV called on time": of("carrier", "EV", 0.5),
    "all late flights from JFK called on time": of("origin", "JFK"),
    "all late flights to ATL, which is no named column, called on time": of("dest", "ATL"),
    "a fifth of all late flights called on time": some(0.2),
}
GOALS = ("20 % of labels flipped", "all late flights of EV called on time")


def measure(full: bool) -> Iterator[Figure]:
    """Yield how often each screen sees each way of changing labels, in percent."""
    with tempfile.TemporaryDirectory() as name:
        flights = lay_out(Path(name))
    sides = [one for first in pd.date_range(FIRST, LAST, freq=EVERY) for one in fortnights(flights, first)]
    repeats = 3 if full else 1
    for name, attack, flip in [
        *((n, a, True) for n, a in FLIPS.items()),
        *((n, a, False) for n, a in TARGETED.items()),
    ]:
        chance, hits = np.random.default_rng([SEED, 1]), {"screen": 0, "surprise": 0}
        for past, held, came in sides * repeats:
            hit = attack(came, chance)
            changed = came.assign(**{OUTCOME: np.where(hit, 1 - came[OUTCOME] if flip else 0.0, came[OUTCOME])})
            hits["screen"] += seen(past, held, changed)
            hits["surprise"] += surprises(held, changed)
        share = {rule: 100 * count / len(sides) / repeats for rule, count in hits.items()}
        figure = f"{name}: max_label_change warns"
        goal = at_most(figure, share["screen"], "%", FALSE_ALARMS) if name == "nothing" else None
        goal = at_least(figure, share["screen"], "%", SEEN) if name in GOALS else goal
        yield goal or plain(figure, share["screen"], "%")
        yield plain(f"{name}: max_surprise_share warns", share["surprise"], "%")


def fortnights(flights: Flights, first: pd.Timestamp) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
    """Yield all that a champion of a day knows, what judged it and what came since, scored by it."""
    days = flights.rows[DATE]
    judged = first - pd.Timedelta(days=JUDGED)
    since = judged - pd.Timedelta(days=TRAINED)

    def between(start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        inside = (days >= f"{start:%Y-%m-%d}") & (days < f"{end:%Y-%m-%d}") & flights.rows[OUTCOME].notna()
        return flights.rows[inside].reset_index(drop=True)

    bundle = train_bundle(between(since, judged), flights.config, folds=False)
    past = between(since, first)
    past = past.assign(score=bundle.score(past))
    held = past[past[DATE] >= f"{judged:%Y-%m-%d}"].reset_index(drop=True)
    for n in range(FORTNIGHTS):
        begun = first + pd.Timedelta(days=CAME * n)
        came = between(begun, begun + pd.Timedelta(days=CAME))
        yield past, held, came.assign(score=bundle.score(came))


def seen(past: pd.DataFrame, held: pd.DataFrame, came: pd.DataFrame) -> bool:
    """Whether the screen of the trust gate finds a sure change above the limit."""
    shifts = label_shifts(answered(held), answered(came), "classification", answered(past))
    return any(one.sure and abs(one.change) > LIMIT for one in shifts)


def answered(rows: pd.DataFrame) -> Answered:
    """Return rows as the screen takes them."""
    parts = [groups_of(rows[column]) for column in COLUMNS]
    groups = {name: part.of_row == code for part in parts for code, name in enumerate(part.names)}
    _, day = np.unique(rows[DATE].to_numpy(), return_inverse=True)
    outcome, score = (rows[name].to_numpy(dtype=np.float64) for name in (OUTCOME, "score"))
    return Answered(outcome, score, day.astype(np.int32), groups)


def surprises(held: pd.DataFrame, came: pd.DataFrame) -> bool:
    """Whether more outcomes surprise the champion than the limit of surprises lets pass."""
    before, now = (
        row_losses(side[OUTCOME].to_numpy(dtype=np.float64), side["score"].to_numpy(), "classification")
        for side in (held, came)
    )
    return bool(np.mean(now > np.quantile(before, USUAL)) > SURPRISED)
