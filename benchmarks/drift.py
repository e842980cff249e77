"""Drift

Milliseconds of one verdict from profiles, and how often it is wrong. For the second, days of 2013 that pass the
suite are shuffled (every other day of the year, every day with `--full`), so that none is stranger than another but
by chance: 60 drawn days are the reference, with a plan made of them alone as in training, and each of 20 other days
is judged as tonight; many references are drawn, seeded. An alarm there is false. Power: 8 of the 20 nights with one
random numeric column × 1.6, and with 5 points more nulls in one random column, at the same two levels. Rates are
means over references; a single reference's own rate varies around them.
"""

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.children import in_child, median_ms
from benchmarks.figures import Figure, near, plain
from benchmarks.flights import lay_out
from plimsoll.drift import judge_inputs
from plimsoll.profile import ColumnPlan, Profile, plan_profile, profile_batch
from plimsoll.quality import judge_quality

SEED = 2013
REFERENCE_DAYS, TONIGHTS, BROKEN = 60, 20, 8
LEVELS = (14, 30)  # one false alarm in so many nights
POINTS = 2.0  # a rate may be this far from its stated level
WIDE = 100
REFERENCE_NIGHTS, NIGHTS = 60, 90


@dataclass(frozen=True)
class Days:
    """The valid days' feature rows by date, and the kind of every feature."""

    rows: dict[str, pd.DataFrame]
    kinds: dict[str, str]


@dataclass(frozen=True)
class Draw:
    """One shuffled reference and the alarms it gave: per level, of every tonight, unchanged and broken."""

    alarms: Mapping[tuple[int, str], list[bool]]


def measure(full: bool) -> Iterator[Figure]:
    """Yield the milliseconds of verdicts, the rates of false alarms and the power."""
    days = in_child(valid_days, 1 if full else 2)
    yield from speed(days, 101 if full else 31)
    draws = [draw(days, SEED + n) for n in range(200 if full else 60)]
    for level in LEVELS:
        alarms = [alarm for one in draws for alarm in one.alarms[level, "unchanged"]]
        what = f"false alarms, one in {level} nights asked, {len(alarms):,} nights"
        yield near(what, share(alarms), "%", 100 / level, POINTS)
    for what in ("a numeric column × 1.6", "5 points more nulls"):
        for level in LEVELS:
            alarms = [alarm for one in draws for alarm in one.alarms[level, what]]
            yield plain(f"found: {what}, one in {level} nights asked", share(alarms), "%")


def valid_days(every: int) -> Days:
    """Return the days of 2013 that the suite lets pass, of every so-manieth day."""
    from plimsoll.archive import Archive
    from plimsoll.assembled import Assembled
    from plimsoll.seal import SECRET_BYTES, seal_of
    from tasks.expectations import judge_rows
    from tasks.object_store import FolderStore
    from tasks.workspace import PROJECT

    with tempfile.TemporaryDirectory() as folder:
        flights = lay_out(Path(folder) / "landing")
        archive = Archive(FolderStore(Path(folder) / "store"), seal_of(bytes(SECRET_BYTES)))
        days = dict(list(flights.days.items())[::every])
        judged = {date: Assembled(len(rows), rows) for date, rows in days.items()}
        scratch = Path(folder)
        verdicts = {d: judge_rows(archive, PROJECT, flights.config, rows, d, scratch) for d, rows in judged.items()}
        kinds = {feature.name: feature.kind for feature in flights.config.features.columns}
        rows = {d: verdicts[d].keep_good(r)[[*kinds]] for d, r in days.items() if verdicts[d].passed}
        return Days(rows, {**kinds})


def speed(days: Days, times: int) -> Iterator[Figure]:
    """Yield the milliseconds of judge_inputs on 17 and on 100 columns, and of judge_quality."""
    rows = [*days.rows.values()][: REFERENCE_DAYS + 1]
    plan = plan_profile(pd.concat(rows[:-1]), days.kinds)
    profiles = [profile_batch(plan, day) for day in rows]
    for wide in (len(plan), WIDE):
        columns, bag = widened(plan, profiles, wide)
        judge = median_ms(lambda c=columns, b=bag: judge_inputs(c, b[:-1], b[-1], LEVELS[0]), times)  # type: ignore[misc]
        yield plain(f"judge_inputs, {wide} columns, {REFERENCE_DAYS} reference days", judge, "ms")
    losses = np.random.default_rng(SEED).gamma(20, 0.02, REFERENCE_NIGHTS + NIGHTS).tolist()
    nightly = [(f"night {n}", loss) for n, loss in enumerate(losses[REFERENCE_NIGHTS:])]
    quality = median_ms(lambda: judge_quality(losses[:REFERENCE_NIGHTS], nightly, 0.1, 90), times)
    yield plain(f"judge_quality, {REFERENCE_NIGHTS} reference nights, {NIGHTS} nights", quality, "ms")


def widened(plan: tuple[ColumnPlan, ...], profiles: list[Profile], wide: int) -> tuple[list[ColumnPlan], list[Profile]]:
    """Return plan and profiles with the same columns again and again under new names, until there are enough."""
    sources = {f"{plan[n % len(plan)].name} {n}": plan[n % len(plan)] for n in range(wide)}
    columns = [replace(column, name=name) for name, column in sources.items()]
    bag = [Profile(p.rows, {name: p.columns[column.name] for name, column in sources.items()}) for p in profiles]
    return columns, bag


def draw(days: Days, seed: int) -> Draw:
    """Shuffle the days, make one reference, and judge other days against it, unchanged and broken."""
    chance = np.random.default_rng(seed)
    drawn = chance.permutation(sorted(days.rows))[: REFERENCE_DAYS + TONIGHTS].tolist()
    reference = [days.rows[date] for date in drawn[:REFERENCE_DAYS]]
    plan = plan_profile(pd.concat(reference), days.kinds)
    bag = [profile_batch(plan, rows) for rows in reference]
    alarms: dict[tuple[int, str], list[bool]] = {}
    for n, date in enumerate(drawn[REFERENCE_DAYS:]):
        faults = broken(days.rows[date], days.kinds, chance) if n < BROKEN else {}
        for what, rows in {"unchanged": days.rows[date], **faults}.items():
            tonight = profile_batch(plan, rows)
            for level in LEVELS:
                alarms.setdefault((level, what), []).append(judge_inputs(plan, bag, tonight, level).alarm)
    return Draw(alarms)


def broken(rows: pd.DataFrame, kinds: Mapping[str, str], chance: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Return tonight as each of two faults would make it."""
    number = str(chance.choice([name for name, kind in kinds.items() if kind == "number"]))
    column = str(chance.choice([*kinds]))
    lost = chance.random(len(rows)) < 0.05
    return {
        "a numeric column × 1.6": rows.assign(**{number: rows[number] * 1.6}),
        "5 points more nulls": rows.assign(**{column: rows[column].mask(lost)}),
    }


def share(alarms: list[bool]) -> float:
    """Return the share of alarms in percent."""
    return 100 * statistics.fmean(alarms)
