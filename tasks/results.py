"""Results of batches: what each version predicted for a date, and which result is the current one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plimsoll.errors import DataError, FolderError, UserError
from plimsoll.ledger import Entry
from plimsoll.score_sketch import sketch_from_json
from plimsoll.standing import Standing
from plimsoll.store import get_json
from plimsoll.validation import quarantined_rows
from tasks.champion import standing_of
from tasks.prediction_files import batch_parts, live_files, rows_of_runs
from tasks.workspace import Workspace

LAST = 14  # batches shown when no date is asked for


@dataclass(frozen=True)
class Result:
    """What one version made of one date."""

    date: str
    version: int
    role: str
    current: bool  # whether it is the one that counts for its date
    rows: int
    set_aside: int
    quantiles: tuple[float, ...]  # of the scores at 5, 50 and 95 %; none for results of earlier code
    run: str
    recorded_at: str
    cleared_by: tuple[str, ...] = ()  # runs that added rows which had been set aside

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return asdict(self)

    def row(self) -> list[Any]:
        """Return the result as a row of a table."""
        middle = f"{self.quantiles[1]:.3g}" if self.quantiles else ""
        told = ["yes" if self.current else "", f"{self.rows:,}", f"{self.set_aside:,}", middle]
        return [self.date, f"v{self.version}", self.role, *told]


def list_results(workspace: Workspace, model: str, date: str | None, version: int | None) -> list[Result]:
    """Return the results of a date, or of the last batches, the current one of each date first.

    Raises DataError when there is none.
    """
    standing = standing_of(workspace, model)
    entries = standing.of_kind("batch_committed")
    dates = [date] if date else sorted({str(entry.facts["date"]) for entry in entries})[-LAST:]
    found = []
    for day in dates:
        current = standing.batch(day)
        about = [entry for entry in entries if entry.facts["date"] == day]
        mine = [one for entry in about for one in _results(workspace, standing, entry, entry is current)]
        found += sorted(mine, key=lambda one: (not one.current, -one.version))
    found = [one for one in found if version in (None, one.version)]
    if not found:
        of = f" by v{version}" if version else ""
        raise DataError(
            f"{model} has no committed result{of}{f' for {date}' if date else ''}. Score it: plimsoll score {model}"
        )
    return found


def write_results(
    workspace: Workspace, model: str, results: Sequence[Result], path: Path, version: int | None = None
) -> int:
    """Write date, version, role, key and score of results to a file, whole or not at all; return how many rows.

    Without a version asked for, only the current result of each date is written. Raises UserError for another ending
    than .parquet or .csv.
    """
    import pyarrow as pa

    wanted = [one for one in results if one.current or one.version == version]
    kinds = [("date", pa.string()), ("version", pa.int32()), ("role", pa.string()), ("key", pa.string())]
    schema = pa.schema([*kinds, ("score", pa.float64())])
    return _write(path, schema, _tables(workspace, model, wanted, schema))


def write_table(table: Any, path: Path) -> int:
    """Write an Arrow table to a file, whole or not at all; return how many rows. Raises UserError for other endings."""
    return _write(path, table.schema, [table])


def _write(path: Path, schema: Any, tables: Iterable[Any]) -> int:
    import pyarrow.csv
    import pyarrow.parquet as pq

    if path.suffix not in (".parquet", ".csv"):
        raise UserError(f"--out: expected a file that ends in .parquet or .csv, found {path}.")
    draft, rows = path.with_name(f".{path.name}.partial"), 0
    try:
        kind = pq.ParquetWriter if path.suffix == ".parquet" else pyarrow.csv.CSVWriter
        with kind(draft, schema) as sink:
            for table in tables:
                sink.write_table(table)
                rows += len(table)
        draft.replace(path)
    except OSError as error:
        raise FolderError(f"Cannot write {path}: {error.strerror or error}. Free or unlock it.") from None
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _results(workspace: Workspace, standing: Standing, entry: Entry, current: bool) -> Iterator[Result]:
    facts = entry.facts
    for version, role in facts["versions"].items():
        clears = standing.cleared(entry, int(version))
        body = get_json(workspace.store, facts["profiles"][version]).get("scores")
        quantiles = tuple(sketch_from_json(body).quantile(share) for share in (0.05, 0.5, 0.95)) if body else ()
        leads = current and version == next(iter(_champions(entry)), next(iter(facts["versions"])))
        yield Result(
            str(facts["date"]),
            int(version),
            str(role),
            leads,
            sum(int(one.facts["rows"]) for one in (entry, *clears)),
            quarantined_rows((entry, *clears)[-1].facts),
            quantiles,
            str(facts["scored_by"]),
            entry.recorded_at,
            tuple(str(one.facts["scored_by"]) for one in clears),
        )


def _champions(entry: Entry) -> list[str]:
    return [version for version, role in entry.facts["versions"].items() if role == "champion"]


def _tables(workspace: Workspace, model: str, results: Sequence[Result], schema: Any) -> Iterator[Any]:
    import pyarrow as pa

    if (live := live_files(workspace)) is None:
        return
    wanted = {(one.date, one.version): {one.run, *one.cleared_by} for one in results}
    for date in sorted({one.date for one in results}):
        for version, path in batch_parts(live, model, date):
            if (date, version) not in wanted:
                continue
            for found in rows_of_runs(live, path, ["role", "key", "score"], wanted[date, version]):
                rows = found
                for name, value in {"date": date, "version": version}.items():
                    rows = rows.append_column(name, pa.repeat(pa.scalar(value, schema.field(name).type), len(rows)))
                yield rows.select(schema.names).cast(schema)
