"""One batch on its way: what a run reads of a date once, for every version that scores it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pandas as pd

from plimsoll.assembled import Assembled
from plimsoll.assembly import KEY
from plimsoll.errors import DataError
from plimsoll.predictions import Served
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.validation import Verdict, too_many_bad_rows
from tasks.assemble import assemble_batch, batch_partition
from tasks.landing import keep_snapshot
from tasks.records import Run


class BrokenBatchError(DataError):
    """A batch that must not be scored, with the snapshot and the verdict that say so."""

    def __init__(self, sentence: str, snapshot: Snapshot, verdict: Verdict | None) -> None:
        super().__init__(sentence)
        self.snapshot, self.verdict = snapshot, verdict


@dataclass(frozen=True)
class Rows:
    """A batch's assembled rows, the verdict on them and the snapshot that they are of."""

    snapshot: Snapshot
    assembled: Assembled
    verdict: Verdict

    def chunks(self, served: Sequence[Served]) -> Iterator[pd.DataFrame]:
        """Yield all rows in order, a chunk at a time, with their keys and the columns that versions look at."""
        columns = (one.bundle.encoder.columns for one in served)
        planned = (column.name for one in served for column in one.bundle.reference.plan)
        yield from self.assembled.chunks([*dict.fromkeys([KEY, *chain.from_iterable(columns), *planned])])


@dataclass(eq=False)
class Night:
    """A date of a run. Not frozen: it keeps the rows, so that they are read and judged once."""

    run: Run
    date: str
    scratch: Path
    _rows: Rows | None = None
    predicted: float | None = field(default=None)  # seconds that the champion took

    def rows(self, snapshot: str | None = None) -> Rows:
        """Return the date's rows of a snapshot that was kept, or of one that is taken now.

        Raises BrokenBatchError when they cannot be read.
        """
        if self._rows is None or snapshot not in (None, self._rows.snapshot.id):
            self._rows = self._read(load_snapshot(self.run.store, snapshot) if snapshot else None)
        return self._rows

    def _read(self, known: Snapshot | None) -> Rows:
        run, partition = self.run, batch_partition(self.run.config, self.date)
        snapshot = known or keep_snapshot(run, [self.date], outcomes=False)
        try:
            rows, verdict = assemble_batch(run.workspace, run.config, snapshot, partition, self.scratch)
        except DataError as error:
            raise BrokenBatchError(str(error), snapshot, None) from None
        return Rows(snapshot, rows, verdict)

    def good_rows(self, snapshot: str | None = None) -> Rows:
        """Return what `rows` does; BrokenBatchError also when the suite says that they must not be scored."""
        rows = self.rows(snapshot)
        verdict, share = rows.verdict, self.run.config.scoring.max_quarantined_share
        if stop := "; ".join(verdict.stops) or too_many_bad_rows(verdict, share):
            raise BrokenBatchError(stop, rows.snapshot, verdict)
        return rows
