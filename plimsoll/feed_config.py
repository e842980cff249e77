"""Feeds: where a table comes from. Source, lookups and outcome are each a feed, with the same choices."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from plimsoll.config_part import Part

ColumnType = Literal["text", "integer", "number", "boolean", "date", "time", "utc_time"]
SUFFIXES = {".parquet": "parquet", ".csv": "csv"}
DATE = re.compile(r"(?<![:\w\\]):date\b")  # a bind of SQLAlchemy, not a cast such as x::date


class Sql(Part):
    """A query; its rows are read in one read-only transaction with every other query of a snapshot."""

    connection: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]  # the variable that holds the URL, never the URL
    select: Annotated[str, Field(min_length=8)]  # with :date where the table has one part per date
    dates: str | None = None  # a query that lists the dates there are
    order_by: list[str] = []  # the order of rows; empty: the columns that name a row


class Delta(Part):
    """A Delta table."""

    path: str  # under the data root, or s3://bucket/prefix
    date_column: str | None = None  # set: one part per date
    version: Annotated[int, Field(ge=0)] | None = None  # null: the newest when the snapshot is taken, which it names


class CsvForm(Part):
    """How CSV files are written; always UTF-8, a header, and double quotes."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    nulls: list[str] = [""]  # what stands for no value, unless it is quoted


class Feed(Part):
    """Where a table comes from: files, a query or a Delta table."""

    path: str | None = None  # under the data root, or s3://…: a folder of <date>.parquet or .csv, or one such file
    sql: Sql | None = None
    delta: Delta | None = None
    format: Literal["parquet", "csv"] | None = None  # of the files in a folder; parquet when nothing is said
    csv: CsvForm = CsvForm()
    keep_columns: Annotated[list[str], Field(min_length=1)] | None = None  # null: all of them
    types: dict[str, ColumnType] = {}  # of CSV columns and of what a query returns

    @model_validator(mode="after")
    def _one_place(self) -> "Feed":
        given = [name for name in ("path", "sql", "delta") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of path, sql or delta, has {' and '.join(given) or 'none of them'}")
        if self.path and self.format and self._suffix not in ("", self.format):
            raise ValueError(f"format is {self.format} and path names a {self._suffix} file")
        return self

    @property
    def where(self) -> str:
        """The place in words for a person; never an address with a password."""
        if self.sql:
            return f"the query on {self.sql.connection}"
        return self.delta.path if self.delta else str(self.path)

    @property
    def dated(self) -> bool:
        """Whether the table has one part per date; else it is one undivided table."""
        if self.sql:
            return bool(DATE.search(self.sql.select))
        return bool(self.delta.date_column) if self.delta else not self._suffix

    @property
    def file_format(self) -> str:
        """What its files are: parquet or csv."""
        return self._suffix or self.format or "parquet"

    @property
    def as_delivered(self) -> bool:
        """Whether its files are kept byte for byte: parquet of which nothing is cut away."""
        return bool(self.path) and self.file_format == "parquet" and self.keep_columns is None

    def part(self, name: str) -> str:
        """Return where one part of the table is, in words for a person: the file, or the place and its date."""
        if self.path and not self._suffix:
            return f"{self.path}/{name}.{self.file_format}"
        return f"{self.where} of {name}" if self.dated else self.where

    def describe(self) -> dict[str, Any]:
        """Return the place and what is cut from it as JSON for a manifest; defaults are left out."""
        body = self.model_dump(mode="json", include=set(Feed.model_fields), exclude_defaults=True)
        return {"kind": next(k for k in ("path", "sql", "delta") if k in body), **body}

    @property
    def _suffix(self) -> str:
        return SUFFIXES.get(PurePosixPath(self.path or "").suffix, "")
