"""Explanations of a share of a batch: which rows, and what moved each of their scores most.

Rows are chosen by the hash of their key, so that the same batch always explains the same rows, however it is cut.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from plimsoll.bundle import Bundle
from plimsoll.contributions import contributions
from plimsoll.key_hash import BITS, key_hashes

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Explain:
    """What share of rows is explained, and by how many of their inputs."""

    share: float
    top: int


def chosen_rows(keys: "pa.Array", share: float) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the positions of the rows whose explanations are asked for: about that share of them, always the same."""
    return np.flatnonzero(key_hashes(keys) < share * 2.0**BITS)


def explain_rows(bundle: Bundle, rows: pd.DataFrame, keys: "pa.Array", top: int) -> "pa.Table":
    """Return key, rank, feature, value (as text) and contribution of the strongest inputs of each row.

    Contributions are in log-odds, or in units of the outcome. Raises DataError for a learner whose scores cannot be
    taken apart.
    """
    import pyarrow as pa

    columns = bundle.encoder.columns
    _, found = contributions(bundle, bundle.encoder.encode(rows))
    strongest = np.argsort(-np.abs(found[:, :-1]), axis=1, kind="stable")[:, :top]
    of_row = np.repeat(np.arange(len(rows)), strongest.shape[1])
    at = strongest.ravel()
    words = {j: pa.array(rows[columns[j]].array, from_pandas=True).cast(pa.string()) for j in np.unique(at).tolist()}
    values = [words[j][i].as_py() for i, j in zip(of_row.tolist(), at.tolist(), strict=True)]
    return pa.table(
        {
            "key": keys.take(pa.array(of_row)).cast(pa.string()),
            "rank": pa.array(np.tile(np.arange(1, strongest.shape[1] + 1, dtype=np.int16), len(rows))),
            "feature": pa.array([columns[j] for j in at.tolist()], pa.string()),
            "value": pa.array(values, pa.string()),
            "contribution": pa.array(found[of_row, at]),
        }
    )
