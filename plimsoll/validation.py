"""Verdicts on batches: is the data broken? Rows can be set aside; a broken batch is stopped."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from plimsoll.assembly import KEY

FINITE = "finite"  # the rule that holds without a suite
FEW = 100  # bad rows that a ledger entry shows by itself


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

    @cached_property
    def _bad(self) -> frozenset[str]:
        return frozenset(row.key for row in self.bad_rows)

    @property
    def bad_keys(self) -> int:
        """How many rows are set aside, some of them for several reasons."""
        return len(self._bad)

    def with_infinite(self, infinite: Iterable[tuple[str, str, str]]) -> "Verdict":
        """Return the verdict with the rows set aside that have an infinite number: key, feature and value of each."""
        more = (BadRow(key, FINITE, column, value, f"{column} is a finite number") for key, column, value in infinite)
        return replace(self, bad_rows=(*self.bad_rows, *more))

    def keep_good(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return frame without the rows set aside."""
        return frame[~frame[KEY].isin(self._bad)] if self._bad else frame


def verdict_from_json(body: Mapping[str, Any]) -> Verdict:
    """Return a verdict from its JSON."""
    fields = dict(body)
    fields["stops"] = tuple(fields["stops"])
    fields["bad_rows"] = tuple(BadRow(**row) for row in fields["bad_rows"])
    return Verdict(**fields)


def too_many_bad_rows(verdict: Verdict, max_share: float) -> str | None:
    """Return the sentence that stops a batch with too large a share of bad rows, None when it is small."""
    bad = verdict.bad_keys
    if not verdict.rows or bad / verdict.rows <= max_share:
        return None
    reasons = sorted({row.says for row in verdict.bad_rows})
    return (
        f"{bad} of {verdict.rows} rows are bad ({bad / verdict.rows:.1%}; scoring.max_quarantined_share allows "
        f"{max_share:.1%}): {'; '.join(reasons)}"
    )


def too_many_unseen(unseen: Mapping[str, int], rows: int, max_share: float) -> str:
    """Return the sentence that stops a batch with too many words that training never saw, empty when they are few."""
    found = [f"{column} {count / rows:.1%}" for column, count in unseen.items() if count > max_share * rows]
    if not found:
        return ""
    return (
        f"Words that the champion never saw in training: {', '.join(found)} of {rows} rows; scoring.max_unseen_share "
        f"allows {max_share:.1%} in a column. Mend the feed, or train on days that have them."
    )


def quarantine_facts(verdict: Verdict, digest: str) -> dict[str, Any]:
    """Return what a ledger entry says of rows set aside: how many, the first few, the object with all."""
    few = [asdict(row) for row in verdict.bad_rows[:FEW]]
    more = {"quarantine": digest} if digest else {}
    return {"quarantined": few, "quarantined_rows": verdict.bad_keys, **more}


def of_earlier_code(facts: Mapping[str, Any]) -> bool:
    """Return whether a batch was committed before its digest was taken in buckets and its bad rows were counted."""
    return "quarantined_rows" not in facts


def quarantined_rows(facts: Mapping[str, Any]) -> int:
    """Return how many rows a batch's ledger entry says were set aside."""
    told = facts.get("quarantined_rows")  # entries of earlier code list them all
    return len({row["key"] for row in facts.get("quarantined", [])}) if told is None else int(told)
