"""Sampled Shapley values: what each input added to one score of any model, with the error of the sampling.

Inputs of a row of the background are replaced one after another, in a drawn order, by those of the row to explain; what
the score moves at each step is that input's share (Štrumbelj and Kononenko 2014). Each order is walked in both
directions, which halves much of the error (Mitchell and others 2022). Shares and base add up to the score exactly,
since every walk begins at a background row and ends at the row; the error is in how it is shared out.
"""

import numpy as np
import numpy.typing as npt

from plimsoll.bundle import Bundle
from plimsoll.encoder import Matrix
from plimsoll.metrics import Numbers

WALKS = 150  # pairs of orders
BATCH = 25  # pairs that are scored at once, so that memory stays bounded


def shapley(bundle: Bundle, row: Matrix, background: Matrix, seed: int, walks: int = WALKS) -> tuple[Numbers, Numbers]:
    """Return what each input added to a score and the base last (columns + 1), and the standard error of each share.

    row is 1 × columns, background rows × columns, both encoded. Units are those of the score. Same seed, same numbers.
    """
    chance = np.random.default_rng(seed)
    width = row.shape[1]
    shares, bases = np.empty((walks, width)), np.empty(walks)
    for start in range(0, walks, BATCH):
        orders = [chance.permutation(width) for _ in range(min(BATCH, walks - start))]
        starts = background[chance.integers(len(background), size=len(orders))]
        pairs = [order for one in orders for order in (one, one[::-1])]
        found = _walked(bundle, row[0], np.repeat(starts, 2, axis=0), pairs)
        shares[start : start + len(orders)] = (found[::2, :-1] + found[1::2, :-1]) / 2
        bases[start : start + len(orders)] = found[::2, -1]
    means = np.append(shares.mean(axis=0), bases.mean())
    return means, np.asarray(shares.std(axis=0, ddof=1) / np.sqrt(walks), dtype=np.float64)


def _walked(bundle: Bundle, row: Matrix, starts: Matrix, orders: list[npt.NDArray[np.intp]]) -> Numbers:
    """Return the steps of each walk by column, and the score where it began last."""
    width = len(row)
    steps = np.repeat(starts, width + 1, axis=0)
    for n, order in enumerate(orders):
        for at, column in enumerate(order):
            steps[n * (width + 1) + at + 1 : (n + 1) * (width + 1), column] = row[column]
    scores = bundle.fitted.predict(steps).reshape(len(orders), width + 1)
    found = np.empty((len(orders), width + 1))
    for n, order in enumerate(orders):
        found[n, order] = np.diff(scores[n])
    found[:, -1] = scores[:, 0]
    return found
