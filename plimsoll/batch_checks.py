"""Checks of a batch that no suite can make: the columns that its model cannot do without, seen chunk by chunk."""

import numpy as np
import pandas as pd

from plimsoll.batch_times import BatchTimes
from plimsoll.column_kinds import is_number, is_text, told
from plimsoll.config_loading import nearest
from plimsoll.errors import DataError
from plimsoll.model_config import Feature, ModelConfig

LARGEST = float(np.finfo(np.float32).max)  # what a learner is given are float32
MOST_INFINITE = 1_000_000  # values; their keys are held until the batch is judged


class BatchChecks:
    """Looks at every chunk of a batch, and at the end says which columns never had a value."""

    def __init__(self, config: ModelConfig, date: str) -> None:
        self.where = f"{config.source.where} of {date}"
        self.infinite: list[tuple[pd.Series, str, pd.Series]] = []  # keys, feature and values that no float32 holds
        self._config, self._times = config, BatchTimes(config, date)
        self._raw: dict[str, bool] = {}  # column → whether any row had a value
        self._features: dict[str, bool] = {}

    def see_raw(self, batch: pd.DataFrame) -> None:
        """Look at raw rows; DataError when the key or the time is missing, or two columns have one name."""
        source = self._config.source
        if batch.columns.has_duplicates:
            twice = ", ".join(sorted(set(map(str, batch.columns[batch.columns.duplicated()]))))
            raise DataError(f"{self.where}: column {twice} is there twice. Columns need names of their own.")
        needed = [*source.key, *([source.event_time] if source.event_time else [])]
        if not batch.empty:
            for column in needed:
                if column not in batch:
                    raise DataError(f"{self.where}: column {column} is missing.{_near(column, batch)}")
            self._times.see(batch)
        for column in batch.columns.intersection([*needed, *self._config.feature_names]):
            self._raw[column] = self._raw.get(column, False) or bool(batch[column].notna().any())

    def see_features(self, frame: pd.DataFrame, keys: pd.Series) -> pd.DataFrame:
        """Return assembled rows with their numbers as finite numbers; keys names the rows.

        Truth values and decimals become floats. A value that no float32 holds becomes null and is noted: its row is
        to be set aside. DataError when a feature is missing or is of the wrong type.
        """
        changed = {}
        for feature in self._config.features.columns:
            found = self._present(frame, feature)
            filled = bool(found.notna().any())
            self._features[feature.name] = self._features.get(feature.name, False) or filled
            if filled and feature.kind == "category" and not is_text(found):
                raise self._wrong(feature, "a category (text)", found)
            if filled and feature.kind == "number" and (values := self._number(feature, found, keys)) is not found:
                changed[feature.name] = values
        return frame.assign(**changed) if changed else frame

    def finish_raw(self, rows: int, *, whole: bool = True) -> None:
        """Raise DataError when there were no rows, or a column had no value in any of them.

        Of a whole batch also when its times are not of its date.
        """
        if not rows:
            raise DataError(f"{self.where}: the file has no rows.")
        for column, filled in self._raw.items():
            if not filled:
                raise DataError(f"{self.where}: column {column} has no value in any of {rows} rows.")
        if whole:
            self._times.finish(self.where)

    def finish_features(self, rows: int) -> None:
        """Raise DataError when a feature that is not sparse had no value in any row."""
        for feature in self._config.features.columns:
            if not feature.sparse and not self._features.get(feature.name, False):
                raise DataError(f"{self._config.model}: feature {feature.name} has no value in any of {rows} rows.")

    def finish(self, rows: int) -> None:
        """Raise DataError for what only the whole batch shows."""
        self.finish_raw(rows)
        self.finish_features(rows)

    def infinite_values(self) -> tuple[tuple[str, str, str], ...]:
        """Return key, feature and value of every number that no float32 holds."""
        found = ((keys, name, values) for keys, name, values in self.infinite)
        return tuple((str(k), name, str(v)) for keys, name, values in found for k, v in zip(keys, values, strict=True))

    def _present(self, frame: pd.DataFrame, feature: Feature) -> pd.Series:
        if feature.name not in frame:
            near = _near(feature.name, frame)
            raise DataError(f"{self._config.model}: feature {feature.name} is missing from the batch.{near}")
        return frame[feature.name]

    def _number(self, feature: Feature, found: pd.Series, keys: pd.Series) -> pd.Series:
        if not is_number(found):
            raise self._wrong(feature, "a number", found)
        if found.dtype.kind in "iu":
            return found
        values = found.astype("float64") if found.dtype.kind != "f" else found
        outside = np.abs(values.to_numpy(dtype=np.float64, na_value=np.nan)) > LARGEST
        if not outside.any():
            return values
        self.infinite.append((keys[outside], feature.name, values[outside]))
        if (count := sum(len(held) for held, _, _ in self.infinite)) > MOST_INFINITE:
            raise DataError(
                f"{self._config.model}: {count:,} values and more are infinite or beyond {LARGEST:.1e}, in "
                f"{feature.name} among others. Mend the feed: a value that is not known is null."
            )
        return values.mask(outside)

    def _wrong(self, feature: Feature, wanted: str, found: pd.Series) -> DataError:
        return DataError(
            f"{self._config.model}: feature {feature.name} must be {wanted}, found {told(found)}. Mend the feed, or "
            "convert it in the feature function."
        )


def _near(wanted: str, frame: pd.DataFrame) -> str:
    return nearest(wanted, [str(name) for name in frame.columns]).replace(" Allowed: ", " It has: ", 1)
