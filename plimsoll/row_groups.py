"""Rows put into groups by the value of a column: words and few numbers as they are, many numbers in quarters."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.column_kinds import is_number

MOST_VALUES = 20  # numbers of more values are cut in quarters; of words so many are looked at where nobody named them
QUARTERS = (0.25, 0.5, 0.75)
DIGITS = (6, 9, 12, 15, 17)  # of a cut; 17 tell any two numbers apart
MISSING = "missing"


@dataclass(frozen=True, eq=False)
class Groups:
    """One column's groups."""

    column: str
    names: tuple[str, ...]  # column=value, or column in a range
    of_row: npt.NDArray[np.int32]  # -1: a value that is no group


def groups_of(column: pd.Series, most: int | None = None) -> Groups:
    """Return the groups of a column, rows without a value in one of their own; of words only the `most` frequent."""
    if is_number(column) and column.nunique() > MOST_VALUES:
        return _quarters(column)
    words = column.astype("string").fillna(MISSING)
    counts = words.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    frequent = [str(word) for word in counts.index[:most]]
    codes = pd.Index(frequent, dtype="string").get_indexer(pd.Index(words))
    return Groups(str(column.name), tuple(f"{column.name}={word}" for word in frequent), codes.astype(np.int32))


def crossed(parts: Sequence[Groups]) -> Groups:
    """Return the crossings of several columns' groups that any row is in, in the order of their names."""
    codes = np.stack([part.of_row for part in parts], axis=1)
    there, of_row = np.unique(codes, axis=0, return_inverse=True)
    names = [" and ".join(p.names[c] for p, c in zip(parts, row, strict=True)) for row in there]
    return Groups(" and ".join(part.column for part in parts), tuple(names), of_row.ravel().astype(np.int32))


def _quarters(column: pd.Series) -> Groups:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    cuts = np.unique(np.nanquantile(values, QUARTERS))
    codes = np.where(np.isnan(values), len(cuts) + 1, np.searchsorted(cuts, values, "left")).astype(np.int32)
    edges = _apart(cuts)
    ranges = [f"≤ {edges[0]}", *(f"{low} to {high}" for low, high in pairwise(edges))]
    names = [f"{column.name} {one}" for one in (*ranges, f"> {edges[-1]}")]
    return Groups(str(column.name), (*names, f"{column.name}={MISSING}"), codes)


def _apart(cuts: npt.NDArray[np.float64]) -> list[str]:
    """Return cuts as words of as many digits, six at least, as tell them apart."""
    words: list[str] = []
    for digits in DIGITS:
        words = [f"{cut:.{digits}g}" for cut in cuts]
        if len(set(words)) == len(words):
            break
    return words
