"""The screen of labels: how often it warns where nobody changed anything, and days hang together."""

import numpy as np
import pytest

from plimsoll.label_screen import QUIET, Answered, drift_of, label_shifts

PAST, CAME, ROWS = 74, 14, 60


def answered(outcome: np.ndarray, score: np.ndarray, days: slice, groups: np.ndarray) -> Answered:
    day = np.repeat(np.arange(PAST + CAME), ROWS)
    mine = (day >= days.start) & (day < days.stop)
    named = {name: (groups == n)[mine] for n, name in enumerate(("c=x", "c=y"))}
    return Answered(outcome[mine], score[mine], day[mine].astype(np.int32), named)


def lived(seed: int, hang: float, flipped: float = 0.0) -> tuple[Answered, Answered, Answered]:
    """Return what a champion knows, what judged it and what came; the level of a day follows that of the day before."""
    chance = np.random.default_rng(seed)
    level = np.zeros(PAST + CAME)
    for day in range(1, len(level)):
        level[day] = hang * level[day - 1] + chance.normal(0, 0.5)
    score = chance.uniform(0.05, 0.6, len(level) * ROWS)
    logit = np.log(score / (1 - score)) + np.repeat(level, ROWS)
    outcome = (chance.random(len(score)) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    flip = (np.arange(len(score)) >= PAST * ROWS) & (chance.random(len(score)) < flipped)
    outcome = np.where(flip, 1 - outcome, outcome)
    groups = chance.integers(0, 2, len(score))
    parts = (slice(0, PAST), slice(PAST - CAME, PAST), slice(PAST, PAST + CAME))
    past, held, came = (answered(outcome, score, part, groups) for part in parts)
    return past, held, came


def warned(hang: float, *, with_past: bool, flipped: float = 0.0) -> int:
    found = 0
    for seed in range(60):
        past, held, came = lived(seed, hang, flipped)
        shifts = label_shifts(held, came, "classification", past if with_past else None)
        found += any(one.sure and abs(one.change) > 0.05 for one in shifts)
    return found


def test_days_that_hang_together_raise_few_false_alarms_where_the_past_is_known() -> None:
    alone, known = warned(0.8, with_past=False), warned(0.8, with_past=True)
    assert alone >= 12, "days that are counted as independent warn too often"
    assert known <= alone / 2


def test_where_days_are_independent_the_past_changes_little() -> None:
    assert warned(0.0, with_past=True) <= 8


def test_random_flips_show_on_quiet_days_whatever_the_weather() -> None:
    assert warned(0.5, with_past=True, flipped=0.25) >= 35
    past, held, came = lived(3, 0.2, 0.25)
    [quiet] = (one for one in label_shifts(held, came, "classification", past) if one.name == QUIET)
    assert quiet.sure
    assert quiet.now - quiet.before > 0.1
    assert QUIET not in {one.name for one in label_shifts(held, came, "classification", held)}, "no past, no quiet days"


@pytest.mark.parametrize(("hang", "least", "most"), [(0.0, 1.0, 1.4), (0.9, 1.5, 4.0)])
def test_the_past_says_how_much_wider_intervals_have_to_be(hang: float, least: float, most: float) -> None:
    found = [drift_of(lived(seed, hang)[0], "classification", 1.0, CAME) for seed in range(12)]
    overall, groups = np.median(np.array(found), axis=0)
    assert least <= overall <= most
    assert 1.0 <= groups <= 1.4, "beside the rest of the day nothing hangs together"


def test_a_short_past_says_nothing() -> None:
    past, held, came = lived(1, 0.8)
    assert drift_of(past, "classification", 1.0, 20) == (1.0, 1.0)
    short = label_shifts(held, came, "classification", held)
    assert short == label_shifts(held, came, "classification")
