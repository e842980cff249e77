"""Probes: rows and the scores that a version gave them, by which it is proved later that it still gives the same."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle
from plimsoll.digest import sha256_json
from plimsoll.errors import IntegrityError
from plimsoll.estimators import Scores

PROBE_ROWS = 100


@dataclass(frozen=True)
class Probe:
    """Scores that a version once gave to rows of one partition, in the order in which they were scored."""

    partition: str  # a batch date; empty for an undivided table
    keys: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def digest(self) -> str:
        """The digest of keys and scores."""
        return sha256_json([list(self.keys), list(self.scores)])

    def to_json(self) -> dict[str, Any]:
        """Return the probe as JSON; its numbers come back bit for bit."""
        return {"partition": self.partition, "keys": list(self.keys), "scores": list(self.scores)}


@dataclass(frozen=True)
class Proof:
    """That a version was loaded and scored rows as it did before, bit for bit."""

    version: int
    by: Literal["batch", "probe"]  # rows that it scored in service, or when it was registered
    date: str  # batch date of the rows; empty for a table without a time axis
    entry: int  # ledger entry that says what it scored then
    rows: int
    snapshot: str  # where the rows come from
    scores: str  # digest of the probe: keys and scores

    def to_json(self) -> dict[str, Any]:
        """Return the proof as JSON."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The proof in words."""
        on = f" of {self.date}" if self.date else ""
        what = f"the batch{on} that it scored last" if self.by == "batch" else f"rows{on} kept when it was registered"
        return f"v{self.version} loads and scores {self.rows:,} rows as it did then, bit for bit: {what}."


def make_probe(bundle: Bundle, rows: pd.DataFrame, partition: str) -> Probe:
    """Return a probe of the first rows of an assembled frame of one partition."""
    first = rows.head(PROBE_ROWS)
    return Probe(partition, tuple(first[KEY]), tuple(bundle.score(first).tolist()))


def probe_from_json(body: dict[str, Any]) -> Probe:
    """Return a probe from its JSON."""
    return Probe(body["partition"], tuple(body["keys"]), tuple(body["scores"]))


def require_same_scores(bundle: Bundle, frame: pd.DataFrame, probe: Probe, name: str) -> None:
    """Raise IntegrityError unless a bundle scores a probe's rows, found by key in a frame, as it did before.

    All rows are scored in one pass and in the order of then, so that not even the last bit may differ.
    """
    places = pd.Index(frame[KEY]).get_indexer(pd.Index(probe.keys))
    if (places < 0).any():
        gone = probe.keys[int(np.argmin(places))]
        raise IntegrityError(f"{name} cannot be proved: row {gone!r} that it scored is not in the snapshot any more.")
    if missing := [column for column in bundle.encoder.columns if column not in frame]:
        raise IntegrityError(
            f"{name} cannot be proved: it needs the feature {', '.join(missing)}, which today's config and code do not "
            "make."
        )
    found = bundle.score(frame.iloc[places])
    if difference := _first_difference(probe.keys, np.asarray(probe.scores), found):
        raise IntegrityError(
            f"{name} does not score as it did: {difference}. Its bundle is whole, so data, code or libraries differ: "
            f"compare the runs with plimsoll diff. Nothing was changed."
        )


def _first_difference(keys: Sequence[str], then: Scores, now: Scores) -> str:
    """Return the first row whose bits differ, in words; empty when there is none."""
    differs = then.view(np.int64) != now.view(np.int64)
    if not differs.any():
        return ""
    at = int(np.argmax(differs))
    return (
        f"{int(differs.sum()):,} of {len(keys):,} rows differ, first {keys[at]!r}: {then[at]!r} then, {now[at]!r} now"
    )
