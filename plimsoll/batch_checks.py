"""Checks of a batch that no suite can make: the columns that its model cannot do without, seen chunk by chunk."""

import pandas as pd

from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig


class BatchChecks:
    """Looks at every chunk of a batch, and at the end says which columns never had a value."""

    def __init__(self, config: ModelConfig, date: str) -> None:
        self.where = f"{config.source.where} of {date}"
        self._config = config
        self._raw: dict[str, bool] = {}  # column → whether any row had a value
        self._features: dict[str, bool] = {}

    def see_raw(self, batch: pd.DataFrame) -> None:
        """Look at raw rows; DataError when the key or the time is missing."""
        source = self._config.source
        needed = [*source.key, *([source.event_time] if source.event_time else [])]
        if not batch.empty:
            for column in needed:
                if column not in batch:
                    raise DataError(f"{self.where}: column {column} is missing.{nearest(column, list(batch.columns))}")
        for column in batch.columns.intersection([*needed, *self._config.feature_names]):
            self._raw[column] = self._raw.get(column, False) or bool(batch[column].notna().any())

    def see_features(self, frame: pd.DataFrame) -> None:
        """Look at assembled rows; DataError when a feature is missing or is of the wrong type."""
        model = self._config.model
        for feature in self._config.features.columns:
            if feature.name not in frame:
                near = nearest(feature.name, [str(c) for c in frame.columns])
                raise DataError(f"{model}: feature {feature.name} is missing from the batch.{near}")
            found = frame[feature.name]
            filled, numeric = bool(found.notna().any()), pd.api.types.is_numeric_dtype(found)
            self._features[feature.name] = self._features.get(feature.name, False) or filled
            if feature.kind == "number" and not numeric and filled:
                raise DataError(f"{model}: feature {feature.name} must be a number, found {found.dtype}.")
            if feature.kind == "category" and numeric and filled:
                raise DataError(f"{model}: feature {feature.name} must be a category (text), found {found.dtype}.")

    def finish_raw(self, rows: int) -> None:
        """Raise DataError when there were no rows, or a column had no value in any of them."""
        if not rows:
            raise DataError(f"{self.where}: the file has no rows.")
        for column, filled in self._raw.items():
            if not filled:
                raise DataError(f"{self.where}: column {column} has no value in any of {rows} rows.")

    def finish_features(self, rows: int) -> None:
        """Raise DataError when a feature that is not sparse had no value in any row."""
        for feature in self._config.features.columns:
            if not feature.sparse and not self._features.get(feature.name, False):
                raise DataError(f"{self._config.model}: feature {feature.name} has no value in any of {rows} rows.")

    def finish(self, rows: int) -> None:
        """Raise DataError for what only the whole batch shows."""
        self.finish_raw(rows)
        self.finish_features(rows)
