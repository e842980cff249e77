"""The encoder: the only preprocessing there is, the same for training and for scoring."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig

if TYPE_CHECKING:
    import pyarrow as pa

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """Columns in order, and for each category the words it knows, whose positions are the codes."""

    columns: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]

    def encode(self, frame: pd.DataFrame) -> Matrix:
        """Return frame's features as one float32 matrix (rows × columns), NaN for null and for unseen words.

        Raises DataError for a column that the model was trained on and that is not there.
        """
        return self.encode_counting(frame)[0]

    def encode_counting(self, frame: pd.DataFrame) -> tuple[Matrix, dict[str, int]]:
        """Return what `encode` does, and how many rows carry a word that training never saw, by column."""
        if missing := [column for column in self.columns if column not in frame]:
            raise DataError(
                f"Expected the columns that the model was trained on, found no {', '.join(missing)}. Put them back "
                "into the config or the feature function, or train anew."
            )
        matrix, unseen = np.empty((len(frame), len(self.columns)), dtype=np.float32), {}
        for j, column in enumerate(self.columns):
            if column not in self.words:
                matrix[:, j] = frame[column].to_numpy(dtype=np.float32, na_value=np.nan)
                continue
            given, codes = self._codes(column, frame[column])
            matrix[:, j] = codes.to_numpy(zero_copy_only=False)
            if count := codes.null_count - given.null_count:
                unseen[column] = count
        return matrix, unseen

    def _codes(self, name: str, values: pd.Series) -> tuple["pa.Array", "pa.Array"]:
        """Return words and the position of each among those known, null for null and for a word that is not."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = pa.array(self.words[name], pa.string())
        given = pa.array(values.array, from_pandas=True)
        given = (given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given).cast(pa.string())
        return given, pc.index_in(given.cast(pa.string()), value_set=words, skip_nulls=True)

    @property
    def feature_types(self) -> list[str]:
        """XGBoost's letters: c for a category, q for a quantity."""
        return ["c" if column in self.words else "q" for column in self.columns]

    def to_json(self) -> dict[str, Any]:
        """Return the encoder as JSON."""
        return {"columns": list(self.columns), "words": {c: list(w) for c, w in sorted(self.words.items())}}


def fit_encoder(frame: pd.DataFrame, config: ModelConfig) -> Encoder:
    """Return the encoder of a training frame: the sorted words of each category."""
    words = {
        name: tuple(sorted(str(word) for word in frame[name].dropna().unique()))
        for name in config.feature_names
        if name in config.categories
    }
    return Encoder(config.feature_names, words)


def encoder_from_json(body: Mapping[str, Any]) -> Encoder:
    """Return an encoder from its JSON."""
    return Encoder(tuple(body["columns"]), {c: tuple(w) for c, w in body["words"].items()})
