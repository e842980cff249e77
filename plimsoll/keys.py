"""The keys of rows: each row's name as one string, the same whatever type a null gave its columns."""

import pandas as pd

from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig

EXACT = 2.0**53  # whole numbers below are floats exactly


def row_keys(frame: pd.DataFrame, config: ModelConfig) -> pd.Series:
    """Return each row's name: its key columns joined by a bar; null where one of them is null.

    Whole numbers that a null made floats are told as whole. DataError where floats no longer tell them apart.
    """
    first, *rest = (value_words(frame[column]) for column in config.source.key)
    keys: pd.Series = first
    for words in rest:
        keys = keys + "|" + words
    return keys


def value_words(values: pd.Series) -> pd.Series:
    """Return values of a column that names things as text, each the same whatever stands beside it.

    DataError where floats are too large to tell one whole number from the next.
    """
    if pd.api.types.is_datetime64_any_dtype(values):  # pandas would write midnights alone without their hour
        return _time_words(values)
    words: pd.Series = values.astype(str)
    if not pd.api.types.is_float_dtype(values):
        return words
    if (values.abs() >= EXACT).any():
        raise DataError(
            f"Key column {values.name} came as floating-point numbers, and {values.abs().max():.0f} is too large for "
            "them to tell it from its neighbours. Send whole numbers without a null, or text."
        )
    return words.str.removesuffix(".0")


def _time_words(values: pd.Series) -> pd.Series:
    """Return times in one form, to the microsecond and in UTC where they have a zone, whatever stands beside them."""
    times = values if values.dt.tz is None else values.dt.tz_convert("UTC")
    words: pd.Series = times.dt.strftime(f"%Y-%m-%d %H:%M:%S.%f{'' if values.dt.tz is None else 'Z'}").astype("str")
    return words
