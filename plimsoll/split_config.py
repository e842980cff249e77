"""Which rows of a model train, which judge, and which are held out for ever."""

import datetime as dt
from typing import Annotated

from pydantic import Field, model_validator

from plimsoll.config_part import Name, Part

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Holdout(Part):
    """Rows that no training may ever touch: those of dates, or a share of all rows by a hash.

    The hash is that of the row's key, or of a column whose every value, as a customer, is wholly on one side.
    """

    name: Name
    start: dt.date | None = None
    end: dt.date | None = None
    share: Annotated[float, Field(gt=0, lt=0.9)] | None = None
    by: str | None = None  # with share: the column whose value is hashed; null: the key

    @model_validator(mode="after")
    def _one_way(self) -> "Holdout":
        dates = [self.start is not None, self.end is not None]
        if (self.share is None) != all(dates) or (self.share is not None and any(dates)):
            raise ValueError("needs start and end, or share")
        if self.by is not None and self.share is None:
            raise ValueError(f"names by {self.by}, which goes with share; dates hold all rows of a day anyway")
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"ends on {self.end}, before its start {self.start}")
        return self


class Split(Part):
    """Which days train, which later days judge."""

    test_days: Positive = 14
    test_share: Share = 0.25  # of rows, by a hash of the key, where there is no time axis
    window_days: Positive | None = None  # null: all days since the first asked
    holdout: tuple[Holdout, ...] = ()  # the last one judges; the others stay out of training


def holdout_faults(holdouts: tuple[Holdout, ...], dated: bool, judged: bool) -> list[str]:
    """Return in sentences what is wrong with holdouts of a model; judged: whether a gate looks at them."""
    names = [one.name for one in holdouts]
    found = [f"split.holdout names {name} twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if holdouts and not judged:
        found.append("split.holdout keeps rows back that no gate looks at: set gates.holdout too")
    if judged and not holdouts:
        found.append("gates.holdout judges on rows that nothing keeps back: set split.holdout too")
    if not dated and any(one.share is None for one in holdouts):
        found.append("split.holdout with start and end needs a time axis: source.kind must be dates, or set share")
    return found
