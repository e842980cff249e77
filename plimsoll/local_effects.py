"""Accumulated local effects: how the score moves with an input among rows that really occur.

Of each row the score is compared at both ends of the small span that its own value lies in, all else as it is; the mean
differences of the spans are added up from left to right (Apley and Zhu 2020, first order). Unlike partial dependence it
makes no row far from where it was, so of inputs that hang together it tells each by itself.
"""

from collections.abc import Sequence

import numpy as np

from plimsoll.bundle import Bundle
from plimsoll.curves import rounded
from plimsoll.dependence import EDGES
from plimsoll.encoder import Matrix
from plimsoll.metrics import Numbers

SPANS = 15  # of even shares of the rows


def accumulated_effects(bundle: Bundle, matrix: Matrix, features: Sequence[str]) -> dict[str, list[list[float]]]:
    """Return for each number its values with the accumulated effect, shifted to the mean score of the rows.

    matrix holds encoded rows. A number without two values is left out.
    """
    found = {name: _effects(bundle, matrix, bundle.encoder.columns.index(name)) for name in features}
    return {name: points for name, points in found.items() if points}


def _effects(bundle: Bundle, matrix: Matrix, j: int) -> list[list[float]]:
    values = matrix[:, j].astype(np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    edges = np.unique(np.quantile(known, np.linspace(*EDGES, SPANS + 1), method="nearest"))
    inside = (values >= edges[0]) & (values <= edges[-1])  # no value is compared with none
    rows = matrix[inside]
    if len(edges) < 2:
        return []
    # the span that a row lies in: above its lower end, up to its upper end; the lowest value belongs to the first
    span = np.clip(np.searchsorted(edges, values[inside], "left") - 1, 0, len(edges) - 2)
    moved = _at(bundle, rows, j, edges[span + 1]) - _at(bundle, rows, j, edges[span])
    counts = np.bincount(span, minlength=len(edges) - 1)
    steps = np.bincount(span, moved, len(edges) - 1) / np.maximum(counts, 1)
    heights = np.concatenate([[0.0], np.cumsum(steps)])
    middle = float((counts * (heights[:-1] + heights[1:]) / 2).sum() / counts.sum())
    shift = float(np.mean(bundle.fitted.predict(rows))) - middle
    return [[rounded(at), rounded(height + shift)] for at, height in zip(edges, heights, strict=True)]


def _at(bundle: Bundle, rows: Matrix, j: int, values: Numbers) -> Numbers:
    """Return the scores of rows with one input set to a value of each row's own."""
    set_to = rows.copy()
    set_to[:, j] = values
    return np.asarray(bundle.fitted.predict(set_to), dtype=np.float64)
