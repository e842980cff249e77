"""Planted faults: what goes wrong with feeds, at graded strength, to see which of it a verdict finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

NEW_WORD = "never seen before"
Chance = np.random.Generator


@dataclass(frozen=True)
class Field:
    """The columns that faults may be planted in."""

    numbers: Sequence[str]  # those that vary
    categories: Sequence[str]
    sd: Mapping[str, float]  # of each number over all rows
    words: Mapping[str, Sequence[str]]  # of each category


Plant = Callable[[pd.DataFrame, Sequence[str], Field, Chance], pd.DataFrame]


@dataclass(frozen=True)
class Fault:
    """One fault at one strength: what it needs (so many numbers, categories, or any columns), and what it does."""

    name: str
    strength: str
    needs: str  # number, category, any, two numbers or rows
    plant: Plant

    def choose(self, field: Field, turn: int, chance: Chance) -> list[str] | None:
        """Return the columns it strikes: the next in turn, a second one by chance; None where there are none."""
        of = {"number": field.numbers, "category": field.categories, "two numbers": field.numbers}
        columns = list(of.get(self.needs, [*field.numbers, *field.categories]))
        if self.needs == "rows":
            return columns
        if len(columns) < (2 if self.needs == "two numbers" else 1):
            return None
        first = columns[turn % len(columns)]
        others = [name for name in columns if name != first]
        return [first, str(chance.choice(others))] if self.needs == "two numbers" else [first]


def shift(sds: float) -> Plant:
    """Return what adds so many standard deviations to a number."""
    return lambda rows, at, field, _: rows.assign(**{at[0]: rows[at[0]].astype("float64") + sds * field.sd[at[0]]})


def scale(factor: float) -> Plant:
    """Return what multiplies a number, as another unit does."""
    return lambda rows, at, _, __: rows.assign(**{at[0]: rows[at[0]].astype("float64") * factor})


def move(share: float, word: str = "") -> Plant:
    """Return what gives a share of rows one word: of those known by chance, or a given one."""

    def plant(rows: pd.DataFrame, at: Sequence[str], field: Field, chance: Chance) -> pd.DataFrame:
        hit = chance.random(len(rows)) < share
        values = rows[at[0]].astype("object").mask(hit, word or str(chance.choice(list(field.words[at[0]]))))
        return rows.assign(**{at[0]: values})

    return plant


def lose(share: float) -> Plant:
    """Return what takes the value of a share of rows."""
    return lambda rows, at, _, chance: rows.assign(**{at[0]: rows[at[0]].mask(chance.random(len(rows)) < share)})


def swap(rows: pd.DataFrame, at: Sequence[str], _: Field, __: Chance) -> pd.DataFrame:
    """Return the rows with two columns in each other's place."""
    return rows.assign(**{at[0]: rows[at[1]], at[1]: rows[at[0]]})


def cut(rows: pd.DataFrame, _: Sequence[str], __: Field, ___: Chance) -> pd.DataFrame:
    """Return the first half of the rows, as a feed that breaks off delivers them."""
    return rows.head((len(rows) + 1) // 2)


SHIFTS = tuple(Fault("mean shift", f"{sds:g} sd", "number", shift(sds)) for sds in (0.1, 0.25, 0.5, 1.0))
FAULTS = (
    *SHIFTS,
    *(Fault("unit error", f"× {factor:g}", "number", scale(factor)) for factor in (1.6, 2.54, 10)),
    *(Fault("mass moved to a category", f"{share:.0%}", "category", move(share)) for share in (0.05, 0.1, 0.2)),
    *(Fault("new category", f"{share:.0%}", "category", move(share, NEW_WORD)) for share in (0.02, 0.05, 0.1)),
    *(Fault("more nulls", f"+{points} points", "any", lose(points / 100)) for points in (1, 5, 20)),
    Fault("two columns swapped", "whole", "two numbers", swap),
    Fault("feed cut", "last half", "rows", cut),
)


def field_of(days: Sequence[pd.DataFrame], kinds: Mapping[str, str]) -> Field:
    """Return where faults may be planted in the rows of some days, and what they need to know of them."""
    rows = pd.concat(days, ignore_index=True)
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    sd = {name: float(rows[name].astype("float64").std()) for name in numbers}
    words = {name: sorted(rows[name].dropna().astype(str).unique()) for name in kinds if name not in sd}
    return Field([n for n in numbers if sd[n] > 0], [n for n in words if words[n]], sd, words)
