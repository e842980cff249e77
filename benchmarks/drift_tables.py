"""Tables that drift is measured on: flights' schedule and weather, and days that are made to hang together."""

import importlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.flights import lay_out
from plimsoll.drift_faults import FAULTS, Fault, Field, field_of

SEED = 2013
WEATHER = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
BROKEN = ("unit error", "new category", "feed cut", "two columns swapped")
SHOPS = 60
FEW_VALUES = 6  # a column of no more is a category
Chance = np.random.Generator


@dataclass(frozen=True)
class Table:
    """Feature rows by day, and the kind of every feature."""

    rows: dict[str, pd.DataFrame]
    kinds: dict[str, str]

    def columns(self, names: Sequence[str]) -> "Table":
        """Return the table with some of its columns."""
        return Table(
            {day: rows[[*names]] for day, rows in self.rows.items()}, {name: self.kinds[name] for name in names}
        )


@dataclass(frozen=True)
class Broken:
    """A day with a planted fault: its rows, and whether the suite stops them."""

    fault: str
    day: str
    rows: pd.DataFrame
    stopped: bool  # the batch, or the rows of a new category set aside


def flights(every: int, nights: int) -> tuple[Table, list[Broken]]:
    """Return the days of 2013 that the suite lets pass, of every so-manieth day; and some nights with every fault."""
    from plimsoll.archive import Archive
    from plimsoll.assembled import Assembled
    from plimsoll.seal import SECRET_BYTES, seal_of
    from plimsoll.validation import Verdict, too_many_bad_rows
    from tasks.expectations import judge_rows
    from tasks.object_store import FolderStore
    from tasks.workspace import PROJECT

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = lay_out(folder / "landing")
        archive = Archive(FolderStore(folder / "store"), seal_of(bytes(SECRET_BYTES)))
        kinds = {feature.name: str(feature.kind) for feature in given.config.features.columns}

        def judge(rows: pd.DataFrame, source: str) -> Verdict:
            return judge_rows(archive, PROJECT, given.config, Assembled(len(rows), rows), source, folder)

        days = dict(list(given.days.items())[::every])
        verdicts = {day: judge(rows, day) for day, rows in days.items()}
        table = Table({d: verdicts[d].keep_good(r)[[*kinds]] for d, r in days.items() if verdicts[d].passed}, kinds)
        broken = []
        for fault, day, rows in plant_some(days, table, nights):
            verdict = judge(rows, f"{fault.name} {fault.strength} {day}")
            stop = verdict.stops or too_many_bad_rows(verdict, given.config.scoring.max_quarantined_share)
            kept = rows if stop else verdict.keep_good(rows)
            aside = fault.name == "new category" and verdict.bad_keys > 0
            broken.append(Broken(f"{fault.name} {fault.strength}", day, kept[[*kinds]], bool(stop) or aside))
        return table, broken


def plant_some(days: Mapping[str, pd.DataFrame], table: Table, nights: int) -> list[tuple[Fault, str, pd.DataFrame]]:
    """Return whole rows of some good days with each fault that validation or drift is to catch."""
    chance = np.random.default_rng(SEED)
    field: Field = field_of(list(table.rows.values()), table.kinds)
    some = chance.permutation(sorted(table.rows))[:nights].tolist()
    found = []
    for fault in (fault for fault in FAULTS if fault.name in BROKEN):
        for turn, day in enumerate(some):
            found.append((fault, day, planted(fault, days[day], turn, field, chance)))
    return found


def planted(fault: Fault, rows: pd.DataFrame, turn: int, field: Field, chance: Chance) -> pd.DataFrame:
    """Return rows with a fault in the next column that it changes anything of: rain has no unit on a dry day."""
    for other in range(len(rows.columns)):
        broken = fault.plant(rows, fault.choose(field, turn + other, chance) or [], field, chance)
        if not broken.equals(rows):
            return broken
    raise ValueError(f"{fault.name} {fault.strength} changes nothing of this day.")


def generated(days: int, seed: int, together: float = 0.5) -> Table:
    """Return days whose rows share a day's effect, and whose effects hang together from day to day as an AR(1)."""
    chance = np.random.default_rng(seed)
    effects = chance.normal(size=(days, 5))
    for n in range(1, days):
        effects[n] = together * effects[n - 1] + np.sqrt(1 - together**2) * effects[n]
    rows = {f"day {n:04}": made_day(n, effect, chance) for n, effect in enumerate(effects)}
    words = ("kind", "shop")
    return Table(rows, {name: "category" if name in words else "number" for name in rows["day 0000"]})


def shuffled(name: str, days: int) -> Table:
    """Return a real table without days, of those that come with statsmodels, cut into so many parts by chance."""
    rows: pd.DataFrame = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data
    part = np.random.default_rng(SEED).integers(0, days, len(rows))
    kinds = {str(c): "category" if rows[c].nunique() <= FEW_VALUES else "number" for c in rows.columns}
    return Table({f"part {n:02}": rows[part == n].reset_index(drop=True) for n in range(days)}, kinds)


def made_day(n: int, effect: np.ndarray, chance: Chance) -> pd.DataFrame:  # type: ignore[type-arg]
    """Return one day of 300 to 900 rows: near-normal, skewed and counted numbers, a weekday, two categories, nulls."""
    rows = int(chance.integers(300, 900))
    kinds = np.array([0.4, 0.3, 0.2, 0.08, 0.02]) * np.exp(0.15 * chance.normal(size=5))
    shops = np.exp(0.1 * chance.normal(size=SHOPS)) / np.arange(1, SHOPS + 1)
    frame = pd.DataFrame(
        {
            "steady": chance.normal(0.05 * effect[0], 1, rows),
            "moving": chance.normal(0.25 * effect[1], 1, rows),
            "wandering": chance.normal(effect[2], 1, rows),
            "amount": chance.lognormal(3 + 0.1 * effect[3], 0.8, rows),
            "count": chance.poisson(3 * np.exp(0.1 * effect[4]), rows).astype(float),
            "weekday": float(n % 7),
            "kind": chance.choice(list("abcde"), rows, p=kinds / kinds.sum()),
            "shop": chance.choice([f"shop {i}" for i in range(SHOPS)], rows, p=shops / shops.sum()),
        }
    )
    return frame.assign(moving=frame["moving"].mask(chance.random(rows) < 0.02))
