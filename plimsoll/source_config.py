"""The source of batches: where they come from, their times, and the side tables that are joined to them."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from plimsoll.config_part import Name
from plimsoll.feed_config import Feed

Positive = Annotated[int, Field(ge=1)]


class Lookup(Feed):
    """A side table joined to every batch: equal keys, or the latest row known at the decision time."""

    name: Name
    by: Annotated[list[str], Field(min_length=1)]  # columns that must be equal
    columns: Annotated[list[str], Field(min_length=1)]  # columns that are brought over
    observed_at: str | None = None  # UTC time of a row; set: the latest row that was published by then
    published_after_minutes: Annotated[int, Field(ge=0)] = 0  # a row is known this long after observed_at
    max_age_hours: Annotated[float, Field(gt=0)] = 24.0  # older rows count as missing


JOINING = tuple(name for name in Lookup.model_fields if name not in {*Feed.model_fields, "name"})


class Source(Feed):
    """Where batches come from."""

    kind: Literal["dates", "table"]  # dates: one part per date; table: undivided, no time axis
    key: Annotated[list[str], Field(min_length=1)]  # columns that name a row
    event_time: str | None = None  # UTC time the prediction is about
    decision_lead_minutes: Annotated[int, Field(ge=0)] = 0  # the prediction is asked this long before
    event_within_days: Annotated[int, Field(ge=0)] | None = None  # of the batch date; null: nothing is asked
    lookups: list[Lookup] = []

    @property
    def joining(self) -> dict[str, Any]:
        """The times and joins by which rows are made of the tables, wherever those lie."""
        lookups = {one.name: one.model_dump(mode="json", include={*JOINING}) for one in self.lookups}
        return {"event_time": self.event_time, "decision_lead_minutes": self.decision_lead_minutes, "lookups": lookups}

    @model_validator(mode="after")
    def _times(self) -> "Source":
        if self.kind == "dates" and self.event_time is None:
            raise ValueError("event_time is needed when kind is dates: the UTC time column of a row")
        if self.kind == "table" and self.event_within_days is not None:
            raise ValueError("event_within_days is about batch dates: kind must be dates")
        if self.kind == "table" and any(lookup.observed_at for lookup in self.lookups):
            raise ValueError("a lookup with observed_at needs a time axis: kind must be dates")
        if self.dated != (self.kind == "dates"):
            asked = "one part per date" if self.kind == "dates" else "one undivided table"
            raise ValueError(f"kind {self.kind} asks for {asked}, which {self.where} is not")
        if self.kind == "dates" and self.sql and not self.sql.dates:
            raise ValueError("sql.dates is needed when kind is dates: a query that lists the dates there are")
        return self
