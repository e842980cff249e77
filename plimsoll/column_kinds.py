"""What the values of a column are, whatever type holds them: a null in a part of a file may change the type."""

from typing import Any

import pandas as pd

NUMBERS = {"boolean", "integer", "floating", "mixed-integer-float", "decimal"}


def is_number(values: pd.Series) -> bool:
    """Whether the values are numbers; truth values and decimals are, nulls are nothing."""
    return bool(pd.api.types.is_numeric_dtype(values)) or (values.dtype == object and _inferred(values) in NUMBERS)


def is_text(values: pd.Series) -> bool:
    """Whether the values are words, plain or as categories; nulls are nothing."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return is_text(values.dtype.categories.to_series())
    return isinstance(values.dtype, pd.StringDtype) or (values.dtype == object and _inferred(values) == "string")


def told(values: pd.Series) -> str:
    """Return what is in a column, for a person: its kind and its first value."""
    known = values.dropna()
    if known.empty:
        return "nothing but nulls"
    first: Any = known.iloc[0]
    if is_text(known):
        return f"text such as {str(first)!r}"
    if _inferred(known) == "boolean":
        return f"truth values such as {first}"
    if is_number(known):
        return f"numbers such as {first}"
    if pd.api.types.is_datetime64_any_dtype(known):
        return f"times such as {first}"
    return f"values such as {first}"


def _inferred(values: pd.Series) -> str:
    return str(pd.api.types.infer_dtype(values, skipna=True))
