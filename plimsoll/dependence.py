"""Partial dependence: the mean score of the same rows when one input is set to one value after another.

After Friedman (2001); the band holds eight in ten of the rows' own curves (Goldstein and others 2015), so that it opens
where the input does not work alike on all rows. Setting one input leaves the others as they were: of inputs that hang
together it makes rows that never occur, so each says which others it hangs together with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.bundle import Bundle
from plimsoll.curves import rounded
from plimsoll.encoder import Matrix
from plimsoll.metrics import Numbers

GRID = 15  # values of a number, at even shares of the rows
WORDS = 12  # of a category, the most frequent
EDGES = (0.02, 0.98)  # beyond lie too few rows to say anything
TIED = 0.5  # rank correlation from which two numbers are said to hang together
BAND = (0.1, 0.9)


def partial_dependence(bundle: Bundle, matrix: Matrix, features: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each feature its values with mean score, band and share of rows, as JSON.

    matrix holds encoded rows. A feature without two values is left out: there is nothing to compare.
    """
    ties = tied_numbers(bundle, matrix)
    columns = bundle.encoder.columns
    found = []
    for name in features:
        j = columns.index(name)
        values, labels, shares = _words(bundle, matrix, j) if name in bundle.encoder.words else _numbers(matrix, j)
        if len(values) > 1:
            points = _points(bundle, matrix, j, values, labels, shares)
            kind = "category" if name in bundle.encoder.words else "number"
            found.append({"feature": name, "kind": kind, "tied": ties.get(name, []), "points": points})
    return found


def tied_numbers(bundle: Bundle, matrix: Matrix) -> dict[str, list[list[Any]]]:
    """Return, by number, the others that it hangs together with and Spearman's rank correlation, strongest first."""
    names = [name for name in bundle.encoder.columns if name not in bundle.encoder.words]
    places = [bundle.encoder.columns.index(name) for name in names]
    ranks = pd.DataFrame(matrix[:, places], columns=names).rank().corr().to_numpy()
    found = {}
    for i, name in enumerate(names):
        near = [k for k in np.argsort(-np.abs(ranks[i]), kind="stable") if k != i and abs(ranks[i, k]) >= TIED]
        if near:
            found[name] = [[names[k], rounded(ranks[i, k])] for k in near]
    return found


def _points(
    bundle: Bundle, matrix: Matrix, j: int, values: Numbers, labels: Sequence[Any], shares: Sequence[float]
) -> list[dict[str, Any]]:
    curves = np.empty((len(matrix), len(values)))
    for at, value in enumerate(values):
        set_to = matrix.copy()
        set_to[:, j] = value
        curves[:, at] = bundle.fitted.predict(set_to)
    means = curves.mean(axis=0)
    low, high = np.quantile(curves, BAND, axis=0)
    rows = zip(labels, means, low, high, shares, strict=True)
    return [
        {"at": a, "mean": rounded(m), "low": rounded(b), "high": rounded(c), "share": rounded(s)}
        for a, m, b, c, s in rows
    ]


def _numbers(matrix: Matrix, j: int) -> tuple[Numbers, list[Any], list[float]]:
    """Return values at even shares of the rows that have one; each stands for the rows that are nearest to it."""
    known = matrix[~np.isnan(matrix[:, j]), j].astype(np.float64)
    if not len(known):
        return np.empty(0), [], []
    grid = np.unique(np.quantile(known, np.linspace(*EDGES, GRID), method="nearest"))
    near = np.abs(known[:, None] - grid).argmin(axis=1)
    shares = np.bincount(near, minlength=len(grid)) / len(matrix)
    return grid, [rounded(value) for value in grid], shares.tolist()


def _words(bundle: Bundle, matrix: Matrix, j: int) -> tuple[Numbers, list[Any], list[float]]:
    words = bundle.encoder.words[bundle.encoder.columns[j]]
    codes = matrix[~np.isnan(matrix[:, j]), j].astype(np.intp)
    counts = np.bincount(codes, minlength=len(words))
    frequent = [code for code in np.argsort(-counts, kind="stable")[:WORDS] if counts[code]]
    shares = [float(counts[code] / len(matrix)) for code in frequent]
    return np.asarray(frequent, dtype=np.float64), [words[code] for code in frequent], shares
