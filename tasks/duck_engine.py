"""Great Expectations on DuckDB: the suites' checks run on Arrow and parquet where they lie, in bounded memory.

DuckDB drops a result when its connection goes back to the pool, and Great Expectations fetches after that, so the
connection is held for as long as a batch is judged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

VIEW = "batch"  # what the suites' queries read
TABLE, ARROW = "few_rows", "arrow_rows"  # a batch in memory is copied: DuckDB answers from its own tables faster
ONE_AT_A_TIME = Lock()
_SPILL: list[Path] = []
PASS_ROWS = 8_000_000  # whose values are grouped at once to find those that are there twice; more do not fit
MEMORY = "256MB"  # of DuckDB's own buffers; what does not fit is sorted and counted on disk
DATABASE = "duckdb:///:memory:plimsoll"  # named, so that all connections of this process see one view


@contextmanager
def held_batch(rows: Any, scratch: Path) -> Iterator[Any]:
    """Yield a Great Expectations batch over an Arrow table, or over a parquet file named by its path.

    One at a time in a process: there is one view.
    """
    with ONE_AT_A_TIME, _connected(_spill_folder(scratch)) as (connection, definition):
        connection.rollback()  # whatever went before: a failed query leaves its transaction open
        database = connection.connection.dbapi_connection
        if isinstance(rows, Path):
            database.execute(f"CREATE OR REPLACE VIEW {VIEW} AS SELECT * FROM read_parquet('{_quoted(rows)}')")  # noqa: S608
        else:
            database.register(ARROW, rows)
            database.execute(f"CREATE OR REPLACE TABLE {TABLE} AS SELECT * FROM {ARROW}")  # noqa: S608
            database.execute(f"CREATE OR REPLACE VIEW {VIEW} AS SELECT * FROM {TABLE}")  # noqa: S608
            database.unregister(ARROW)
        try:
            yield definition.get_batch()
        finally:
            connection.rollback()  # a table that is dropped within a transaction keeps its memory
            for table in (TABLE, *_engine().repeated_tables.values()):
                database.execute(f"DROP TABLE IF EXISTS {table}")
            _engine().repeated_tables.clear()


@contextmanager
def _connected(spill: Path) -> Iterator[tuple[Any, Any]]:
    source, definition = _source(spill)
    engine = source.get_execution_engine()
    engine.forget()
    with engine.get_connection() as connection:
        yield connection, definition


def _spill_folder(scratch: Path) -> Path:
    """Return where DuckDB spills for as long as this process lives: it cannot change its mind after the first time."""
    if not _SPILL:
        _SPILL.append(scratch.parent / f"{scratch.name.rpartition('-')[0]}-duckdb")
    return _SPILL[0]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


@cache
def _source(spill: Path) -> tuple[Any, Any]:
    """Return the data source and the definition of its one batch; made once, since both take long to make."""
    import great_expectations as gx
    from great_expectations.datasource.fluent import SQLDatasource

    engine = _engine()
    _register_conditions(engine)

    class DuckSource(SQLDatasource):  # type: ignore[misc]
        """A data source whose engine is ours."""

        type: Literal["plimsoll_duckdb"] = "plimsoll_duckdb"

        @property
        def execution_engine_type(self) -> Any:
            """The class of its engine."""
            return engine

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    source = DuckSource(name="duckdb", connection_string=DATABASE)
    source._data_context = context
    with source.get_execution_engine().get_connection() as connection:
        database = connection.connection.dbapi_connection
        database.execute(f"SET memory_limit = '{MEMORY}'")
        database.execute("SET enable_progress_bar = false")
        database.execute("SET TimeZone = 'UTC'")  # else times without a zone mean what the machine's clock says
        database.execute(f"SET temp_directory = '{_quoted(spill)}'")
        database.execute(f"CREATE OR REPLACE VIEW {VIEW} AS SELECT 1 AS nothing")
    return source, source.add_table_asset("batch", table_name=VIEW).add_batch_definition_whole_table("whole")


@cache
def _engine() -> Any:
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine

    class DuckEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
        """An engine that keeps its connection."""

        _held: list[Any] = []  # noqa: RUF012 - one in a process, as there is one view
        repeated_tables: dict[str, str] = {}  # noqa: RUF012

        def __init__(self, *given: Any, **named: Any) -> None:
            self._seen: Any = None
            super().__init__(*given, **named)

        @contextmanager
        def get_connection(self) -> Iterator[Any]:
            """Yield the one connection, open until the process ends."""
            if not self._held:
                self._held.append(self.engine.connect())
            yield self._held[0]

        def execute_query(self, query: Any) -> Any:
            """Run a query; one that fails ends its transaction, so that the next one says what is wrong with itself."""
            try:
                return super().execute_query(query)
            except Exception:
                self._held[0].rollback()
                raise

        def get_inspector(self) -> Any:
            """Return what tells the columns: of the one connection, since others may still see the view before.

            Great Expectations forgets it at each run over a batch, and asks at each for the columns.
            """
            import sqlalchemy as sa

            if self._seen is None:
                self._seen = sa.inspect(self._held[0])
                self._seen.get_columns = cache(self._seen.get_columns)
                self._seen.get_pk_constraint = cache(self._seen.get_pk_constraint)
            return self._seen

        @classmethod
        def repeated(cls, column: str) -> str | None:
            """Return a table of a column's values that are there more than once; None where one query can say so.

            Of a hundred million values a part at a time, by their hash: together they fit into no bounded memory.
            """
            database = cls._held[0].connection.dbapi_connection
            passes = -(-database.execute(f"SELECT count(*) FROM {VIEW}").fetchone()[0] // PASS_ROWS)  # noqa: S608
            if passes < 2:
                return None
            if column not in cls.repeated_tables:
                table, name = f"repeated_{len(cls.repeated_tables)}", '"' + column.replace('"', '""') + '"'
                grouped = f"SELECT {name} AS value FROM {VIEW} WHERE hash({name}) % {passes} = ?"  # noqa: S608
                grouped += f" GROUP BY {name} HAVING count({name}) > 1"
                database.execute(f"CREATE TABLE {table} AS {grouped}", [0])
                for part in range(1, passes):
                    database.execute(f"INSERT INTO {table} {grouped}", [part])
                cls.repeated_tables[column] = table
            return cls.repeated_tables[column]

        def forget(self) -> None:
            """Forget the columns of the batch before; the next one lies under the same name."""
            self._seen = None

    return DuckEngine


def _register_conditions(engine: Any) -> None:
    """Tell Great Expectations how DuckDB spells a regular expression (RE2's syntax), and counts keys fast."""
    import sqlalchemy as sa
    from great_expectations.expectations.metrics.map_metric_provider import (
        ColumnMapMetricProvider,
        column_condition_partial,
    )

    class Matches(ColumnMapMetricProvider):  # type: ignore[misc]
        condition_metric_name = "column_values.match_regex"
        condition_value_keys = ("regex",)

        @column_condition_partial(engine=engine)  # type: ignore[untyped-decorator]
        def _duckdb(cls, column: Any, regex: str, **_: Any) -> Any:  # noqa: N805
            return sa.func.regexp_matches(column, sa.literal(regex))

    class MatchesNot(ColumnMapMetricProvider):  # type: ignore[misc]
        condition_metric_name = "column_values.not_match_regex"
        condition_value_keys = ("regex",)

        @column_condition_partial(engine=engine)  # type: ignore[untyped-decorator]
        def _duckdb(cls, column: Any, regex: str, **_: Any) -> Any:  # noqa: N805
            return sa.not_(sa.func.regexp_matches(column, sa.literal(regex)))

    class Unique(ColumnMapMetricProvider):  # type: ignore[misc]
        condition_metric_name = "column_values.unique"

        @column_condition_partial(engine=engine)  # type: ignore[untyped-decorator]
        def _duckdb(cls, column: Any, _table: Any, **_: Any) -> Any:  # noqa: N805
            # Great Expectations' own numbers every row within its value, which takes four times as long
            if table := engine.repeated(column.name):
                return column.notin_(sa.select(sa.column("value")).select_from(sa.table(table)))
            return column.notin_(
                sa.select(column).select_from(_table).group_by(column).having(sa.func.count(column) > 1)
            )

    # under its own name Great Expectations takes the condition for one that brings its table along
    Unique.condition_metric_name = "plimsoll.unique"
