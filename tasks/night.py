"""One batch on its way: what a run reads of a date once, for every version that scores it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pandas as pd

from plimsoll.assembled import Assembled
from plimsoll.assembly import KEY
from plimsoll.errors import DataError
from plimsoll.model_config import ModelConfig
from plimsoll.own_features import not_its_own
from plimsoll.predictions import Served
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.validation import Verdict, too_many_bad_rows
from tasks.assemble import assemble_batch, batch_partition
from tasks.landing import keep_snapshot
from tasks.records import Run
from tasks.version_config import own_config


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
    """A date of a run. Not frozen: it keeps the rows, so that they are read and judged once for equal features."""

    run: Run
    date: str
    scratch: Path
    _rows: dict[str, Rows] = field(default_factory=dict)  # by the features that they have
    _configs: dict[int, ModelConfig] = field(default_factory=dict)  # by version
    predicted: float | None = field(default=None)  # seconds that the champion took

    def rows(self, one: Served, snapshot: str | None = None) -> Rows:
        """Return the date's rows with the features of a version, of a snapshot that was kept or of one taken now.

        Raises BrokenBatchError when they cannot be read.
        """
        config = self._config(one)
        key = config.features_key
        there = next((rows.snapshot for rows in self._rows.values()), None)
        if there is None or snapshot not in (None, there.id):
            self._rows = {}
            there = (
                load_snapshot(self.run.store, snapshot)
                if snapshot
                else keep_snapshot(self.run, [self.date], outcomes=False)
            )
        if key not in self._rows:
            self._rows[key] = self._read(config, there)
        return self._rows[key]

    def alike(self, served: Sequence[Served]) -> list[list[Served]]:
        """Return versions in groups that have equal features, in their order."""
        groups: dict[str, list[Served]] = {}
        for one in served:
            groups.setdefault(self._config(one).features_key, []).append(one)
        return list(groups.values())

    def _config(self, one: Served) -> ModelConfig:
        """Return the config by which a version's rows are made; its record is read once a date."""
        run = self.run
        if one.version not in self._configs and (version := run.standing().version(one.version)):
            self._configs[one.version] = own_config(run.workspace, run.config, str(version.trained.facts["run"]))
        return self._configs.get(one.version, run.config)

    def _read(self, config: ModelConfig, snapshot: Snapshot) -> Rows:
        run, partition = self.run, batch_partition(config, self.date)
        not_asked = not_its_own(run.config, config)
        try:
            rows, verdict = assemble_batch(run.workspace, config, snapshot, partition, self.scratch, not_asked)
        except DataError as error:
            raise BrokenBatchError(str(error), snapshot, None) from None
        return Rows(snapshot, rows, verdict)

    def good_rows(self, one: Served, snapshot: str | None = None) -> Rows:
        """Return what `rows` does; BrokenBatchError also when the suite says that they must not be scored."""
        rows = self.rows(one, snapshot)
        verdict, share = rows.verdict, self.run.config.scoring.max_quarantined_share
        if stop := "; ".join(verdict.stops) or too_many_bad_rows(verdict, share):
            raise BrokenBatchError(stop, rows.snapshot, verdict)
        return rows
