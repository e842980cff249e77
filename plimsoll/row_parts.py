"""Training rows part by part: what is big is held in memory or lies in scratch files, what is small is at hand.

A part is what was added at once: one date, or an undivided table. Outcome and day of every row stay in memory, 12 bytes
a row. Both ways give the same rows in the same order with the same values.
"""

from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from plimsoll.assembly import OUTCOME
from plimsoll.errors import DataError

DATE = "__date__"
Mask = npt.NDArray[np.bool_]  # one per row


class Rows:
    """Assembled rows with dates and outcomes, in the order in which they were added; read as often as asked.

    No dataclass: Prefect walks through those that a task is handed. With a scratch folder, which whoever made it
    removes, the parts lie there as Arrow files.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self.scratch = scratch
        self._parts: list[pd.DataFrame | Path] = []
        self._sizes: list[int] = []
        self._outcomes: list[npt.NDArray[np.float64]] = []
        self._days: list[tuple[npt.NDArray[np.object_], npt.NDArray[np.int32]]] = []  # names, and one of them a row

    def add(self, frame: pd.DataFrame) -> None:
        """Add rows that have a date and an outcome each; DataError where a column cannot be written."""
        codes, names = pd.factorize(frame[DATE])
        self._days.append((np.asarray(names, dtype=object), codes.astype(np.int32)))
        self._outcomes.append(frame[OUTCOME].to_numpy(dtype=np.float64))
        self._sizes.append(len(frame))
        self._parts.append(frame if self.scratch is None else _write(frame, self.scratch / f"{len(self._parts)}.arrow"))
        for name in ("outcome", "days", "day"):  # nobody should have asked yet; if so they are made again
            self.__dict__.pop(name, None)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return sum(self._sizes)

    @cached_property
    def outcome(self) -> npt.NDArray[np.float64]:
        """The outcome of each row, NaN where none has come."""
        return np.concatenate([np.empty(0), *self._outcomes])

    @cached_property
    def days(self) -> npt.NDArray[np.object_]:
        """The dates there are, in order."""
        return np.array(sorted({name for names, _ in self._days for name in names}), dtype=object)

    @cached_property
    def day(self) -> npt.NDArray[np.int32]:
        """The place of each row's date among the days."""
        place = {name: n for n, name in enumerate(self.days)}
        parts = [np.array([place[name] for name in names], dtype=np.int32)[codes] for names, codes in self._days]
        return np.concatenate([np.empty(0, dtype=np.int32), *parts])

    def dates(self, mask: Mask) -> tuple[str, ...]:
        """Return the dates of some rows, in order, each once."""
        return tuple(str(date) for date in self.days[np.unique(self.day[mask])])

    def frames(self, mask: Mask | None = None, columns: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows of a mask part by part, those parts that have any, with all columns or those of them named."""
        start = 0
        for part, size in zip(self._parts, self._sizes, strict=True):
            here = slice(start, start + size)
            start += size
            chosen = None if mask is None else mask[here]
            if chosen is None or chosen.any():
                frame = self._read(part, here, columns)
                yield frame if chosen is None or chosen.all() else frame[chosen]

    def head(self, rows: int, mask: Mask, columns: Collection[str]) -> pd.DataFrame:
        """Return the first rows of a mask."""
        first = mask & (np.cumsum(mask) <= rows)
        return pd.concat(self.frames(first, columns), ignore_index=True)

    def _read(self, part: pd.DataFrame | Path, here: slice, columns: Collection[str] | None) -> pd.DataFrame:
        if isinstance(part, pd.DataFrame):
            return part if columns is None else part[[c for c in part.columns if c in columns]]
        import pyarrow as pa
        from pyarrow import feather

        known = pa.ipc.open_file(part).schema.names if columns is not None else None
        names = None if known is None or columns is None else [c for c in known if c in columns]
        frame: pd.DataFrame = feather.read_table(part, columns=names, memory_map=False).to_pandas()
        if columns is None or DATE in columns:
            frame[DATE] = self.days[self.day[here]]
        return frame


def sampled(mask: Mask, most: int, seed: int) -> Mask:
    """Return so many of the rows of a mask at most, drawn with a seed."""
    places = np.flatnonzero(mask)
    if len(places) <= most:
        return mask
    chosen = np.zeros(len(mask), dtype=bool)
    chosen[np.random.default_rng(seed).choice(places, most, replace=False)] = True
    return chosen


def rows_of(frame: pd.DataFrame) -> Rows:
    """Return a frame in memory as one part."""
    rows = Rows()
    rows.add(frame)
    return rows


def _write(frame: pd.DataFrame, path: Path) -> Path:
    import pyarrow as pa
    from pyarrow import feather

    try:
        table = pa.Table.from_pandas(frame.drop(columns=DATE), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"A column holds values of more than one type, which a table on disk cannot ({error}). Mend the feature "
            "function, or set estimator.memory to in_memory."
        ) from None
    feather.write_feather(table, path, compression="uncompressed")
    return path
