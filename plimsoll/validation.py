"""Verdicts on batches: is the data broken? Rows can be set aside; a broken batch is stopped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from plimsoll.assembly import KEY


@dataclass(frozen=True)
class BadRow:
    """One row set aside, and why."""

    key: str
    expectation: str
    column: str
    value: str
    says: str


@dataclass(frozen=True)
class Verdict:
    """What a suite said about one batch."""

    rows: int
    expectations: int
    stops: tuple[str, ...]  # sentences; any of them stops the batch
    bad_rows: tuple[BadRow, ...]
    suite: str  # digest of the suite
    report: str = ""  # digest of the full result, an object

    @property
    def passed(self) -> bool:
        """Whether the batch may be used, without its bad rows."""
        return not self.stops

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        return asdict(self)

    def keep_good(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return frame without the rows set aside."""
        bad = {row.key for row in self.bad_rows}
        return frame[~frame[KEY].isin(bad)] if bad else frame


def verdict_from_json(body: Mapping[str, Any]) -> Verdict:
    """Return a verdict from its JSON."""
    fields = dict(body)
    fields["stops"] = tuple(fields["stops"])
    fields["bad_rows"] = tuple(BadRow(**row) for row in fields["bad_rows"])
    return Verdict(**fields)


def too_many_bad_rows(verdict: Verdict, max_share: float) -> str | None:
    """Return the sentence that stops a batch with too large a share of bad rows, None when it is small."""
    bad = len({row.key for row in verdict.bad_rows})
    if not verdict.rows or bad / verdict.rows <= max_share:
        return None
    reasons = sorted({row.says for row in verdict.bad_rows})
    return (
        f"{bad} of {verdict.rows} rows are bad ({bad / verdict.rows:.1%}; scoring.max_quarantined_share allows "
        f"{max_share:.1%}): {'; '.join(reasons)}"
    )
