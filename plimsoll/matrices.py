"""Training matrices: all rows encoded once, read page by page, in memory or from a scratch file.

A page is a fixed number of the table's rows, wherever dates or files begin and end, so that what is made of the pages
is the same whichever way was taken. A subset of rows has an encoder of its own; its codes are looked up from those of
all rows, which is far quicker than encoding words again.
"""

import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plimsoll.encoder import Encoder, Matrix, fit_encoder
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import Mask, Rows

PAGE_CELLS = 2**21  # 8 MiB of float32: small beside a memory limit, large beside the cost of a page
FLOAT32_BYTES = 4
Boost = Callable[["Pages", list[str], Mapping[str, Any], int], Any]  # as `boost` is called
Page = tuple[Matrix, npt.NDArray[np.float64]]  # encoded rows, and their outcomes


@dataclass(frozen=True, eq=False)
class Pages:
    """Encoded rows with outcomes, page by page, read as often as asked; in files where scratch is a folder."""

    read: Callable[[], Iterator[Page]]
    scratch: Path | None = None

    def matrix(self) -> Page:
        """Return all of them as one matrix in memory."""
        matrices, outcomes = zip(*self.read(), strict=True)
        return np.concatenate(matrices), np.concatenate(outcomes)


class EncodedRows:
    """All rows of a training run as one float32 table on the words of them all, in memory or in a scratch file."""

    def __init__(self, rows: Rows, config: ModelConfig, page_cells: int = PAGE_CELLS) -> None:
        self._rows, self._scratch = rows, rows.scratch
        self.encoder = _encoder_of_all(rows, config)
        self._width = len(self.encoder.columns)
        self._page_rows = max(1, page_cells // self._width)
        self._table: Matrix | Path = self._in_memory() if self._scratch is None else self._on_disk(self._scratch)

    def encoder_of(self, mask: Mask) -> Encoder:
        """Return the encoder that some rows would have given by themselves."""
        places = [(j, column) for j, column in enumerate(self.encoder.columns) if column in self.encoder.words]
        seen = {column: np.zeros(len(self.encoder.words[column]), dtype=bool) for _, column in places}
        for matrix, _ in self._pages(mask) if places else ():
            for j, column in places:
                codes = matrix[:, j]
                seen[column][codes[~np.isnan(codes)].astype(np.intp)] = True
        words = {c: tuple(w for w, here in zip(self.encoder.words[c], seen[c], strict=True) if here) for c in seen}
        return Encoder(self.encoder.columns, words)

    def pages(self, mask: Mask, encoder: Encoder) -> Pages:
        """Return some rows as an encoder of a part of these words would have encoded them."""
        tables = _code_tables(self.encoder, encoder)

        def read() -> Iterator[Page]:
            for matrix, outcome in self._pages(mask):
                yield _recoded(matrix, tables), outcome

        return Pages(read, self._scratch)

    def _pages(self, mask: Mask) -> Iterator[Page]:
        """Yield some rows, page by page, those pages that have any; a copy that may be changed."""
        for start in range(0, len(mask), self._page_rows):
            chosen = mask[start : start + self._page_rows]
            if chosen.any():
                yield self._page(start, len(chosen))[chosen], self._rows.outcome[start : start + len(chosen)][chosen]

    def _page(self, start: int, rows: int) -> Matrix:
        if isinstance(self._table, Path):
            place, cells = start * self._width * FLOAT32_BYTES, rows * self._width
            return np.fromfile(self._table, np.float32, cells, offset=place).reshape(rows, self._width)
        return self._table[start : start + rows]

    def _in_memory(self) -> Matrix:
        table, start = np.empty((len(self._rows), self._width), dtype=np.float32), 0
        for frame in self._rows.frames(columns=self.encoder.columns):
            table[start : start + len(frame)] = self.encoder.encode(frame)
            start += len(frame)
        return table

    def _on_disk(self, scratch: Path) -> Path:
        path = scratch / "encoded.float32"
        with path.open("wb") as file:
            for frame in self._rows.frames(columns=self.encoder.columns):
                self.encoder.encode(frame).tofile(file)
        return path


def boost(pages: Pages, kinds: list[str], params: Mapping[str, Any], rounds: int) -> Any:
    """Return the booster that XGBoost trains on pages, through files where they lie in files; the same bytes.

    Only tree_method hist cuts values into bins page by page; any other way of boosting takes one matrix in memory.
    The files that XGBoost writes are gone when this returns or raises.
    """
    import xgboost as xgb

    cut = {"nthread": params["nthread"], "enable_categorical": True}
    if params.get("tree_method") != "hist" or params.get("booster", "gbtree") == "gblinear":
        matrix, outcome = pages.matrix()
        return xgb.train(dict(params), xgb.DMatrix(matrix, label=outcome, feature_types=kinds, **cut), rounds)
    cut["max_bin"] = params.get("max_bin", 256)
    if pages.scratch is None:
        return xgb.train(dict(params), xgb.QuantileDMatrix(_batches(pages, kinds), **cut), rounds)
    with tempfile.TemporaryDirectory(prefix="pages-", dir=pages.scratch) as folder:
        data = None
        try:
            data = xgb.ExtMemQuantileDMatrix(_batches(pages, kinds, f"{folder}/page"), **cut)
            booster = xgb.train(dict(params), data, rounds)
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)  # whatever holds data there lets go of it
            raise
        finally:
            data = None  # it removes its files itself, and complains when they are gone
    return booster


def _batches(pages: Pages, kinds: list[str], cache_prefix: str | None = None) -> Any:
    """Return XGBoost's iterator over pages."""
    import xgboost as xgb

    class Batches(xgb.DataIter):  # type: ignore[misc]  # xgboost has no types
        def __init__(self) -> None:
            self.left = pages.read()
            super().__init__(cache_prefix=cache_prefix)

        def next(self, input_data: Callable[..., Any]) -> bool:
            page = next(self.left, None)
            if page is not None:
                input_data(data=page[0], label=page[1], feature_types=kinds)
            return page is not None

        def reset(self) -> None:
            self.left = pages.read()

    return Batches()


def _encoder_of_all(rows: Rows, config: ModelConfig) -> Encoder:
    words: dict[str, set[str]] = {name: set() for name in config.feature_names if name in config.categories}
    for frame in rows.frames(columns=config.feature_names) if words else ():
        for name, new in fit_encoder(frame, config).words.items():
            words[name].update(new)
    return Encoder(config.feature_names, {name: tuple(sorted(known)) for name, known in words.items()})


def _code_tables(known: Encoder, wanted: Encoder) -> dict[int, Matrix]:
    """Return, by column, the new code of each old one and NaN at the end for none; nothing where all stay."""
    tables = {}
    for j, column in enumerate(known.columns):
        if column in known.words and known.words[column] != wanted.words[column]:
            codes = {word: code for code, word in enumerate(wanted.words[column])}
            new = [codes.get(word, np.nan) for word in known.words[column]]
            tables[j] = np.array([*new, np.nan], dtype=np.float32)
    return tables


def _recoded(matrix: Matrix, tables: Mapping[int, Matrix]) -> Matrix:
    for j, table in tables.items():
        codes = matrix[:, j]
        matrix[:, j] = table[np.where(np.isnan(codes), len(table) - 1, codes).astype(np.intp)]
    return matrix
