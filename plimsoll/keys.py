"""The keys of rows: each row's name as one string, the same whatever type a null gave its columns."""

import pandas as pd

from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig

EXACT = 2.0**53  # whole numbers below are floats exactly


def row_keys(frame: pd.DataFrame, config: ModelConfig) -> pd.Series:
    """Return each row's name: its key columns joined by a bar; null where one of them is null.

    Whole numbers that a null made floats are told as whole. DataError where floats no longer tell them apart.
    """
    first, *rest = (_key_words(frame[column]) for column in config.source.key)
    keys: pd.Series = first
    for words in rest:
        keys = keys + "|" + words
    return keys


def _key_words(values: pd.Series) -> pd.Series:
    words: pd.Series = values.astype(str)
    if not pd.api.types.is_float_dtype(values):
        return words
    if (values.abs() >= EXACT).any():
        raise DataError(
            f"Key column {values.name} came as floating-point numbers, and {values.abs().max():.0f} is too large for "
            "them to tell it from its neighbours. Send whole numbers without a null, or text."
        )
    return words.str.removesuffix(".0")
