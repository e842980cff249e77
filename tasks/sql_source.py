"""A table from a query: every query of a snapshot in one read-only transaction per database, so all see one moment.

PostgreSQL reads at REPEATABLE READ, SQLite inside one BEGIN; another database is refused until its way is known.
"""

import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from plimsoll.column_types import check_stated
from plimsoll.errors import ConfigError, DataError, ServerError
from plimsoll.feed_config import Sql
from plimsoll.snapshot import FileRef
from tasks.keeping import Keeper
from tasks.sql_rows import BATCH_ROWS, SqlColumn, read_columns, rows_to_batches, settle_columns

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SUPPORTED = ("postgresql", "sqlite")


@dataclass(frozen=True)
class Databases:
    """The read transactions of one snapshot, one per connection variable; they end with `closing`."""

    closing: ExitStack
    _open: dict[str, "Connection"] = field(default_factory=dict)

    def of(self, variable: str) -> "Connection":
        """Return the transaction on the database that an environment variable names, begun at the first call."""
        if variable not in self._open:
            self._open[variable] = _begin(self.closing, variable)
        return self._open[variable]


@dataclass(frozen=True)
class SqlSource:
    """What a query returns, per date or undivided, in an order that is part of the contract."""

    databases: Databases
    keeper: Keeper
    sql: Sql
    order_by: tuple[str, ...]  # then all other columns, so that the order is total

    def dates(self) -> list[str]:
        """Return what the dates query lists, in order."""
        with _asking(self.sql.connection, f"sql.dates on {self.sql.connection}"):
            found = self._connection.execute(_text(str(self.sql.dates))).scalars().all()
        return sorted({str(date)[:10] for date in found if date is not None})

    def keep(self, names: Sequence[str]) -> tuple[FileRef, ...]:
        """Read and store the parts of these names that have rows; a database proves nothing, so all are read."""
        columns = self._columns() if names else []
        refs = (self._keep(name, columns) for name in names)
        return tuple(ref for ref in refs if ref is not None)

    def describe(self) -> dict[str, Any]:
        """Return the query for the manifest: its text, its parameters, its order, the variable's name, never a URL."""
        parameters = ["date"] if self.keeper.feed.dated else []
        return {**self.keeper.feed.describe(), "order_by": list(self.order_by), "parameters": parameters}

    @property
    def _connection(self) -> "Connection":
        return self.databases.of(self.sql.connection)

    def _keep(self, name: str, columns: list[SqlColumn]) -> FileRef | None:
        import pyarrow as pa

        where = self.keeper.feed.part(name)
        with _asking(self.sql.connection, where):
            types = settle_columns(self.keeper, columns, lambda: self._stream(name, columns))
            schema = pa.schema([(column.name, types[column.name]) for column in columns])
            with closing(self._stream(name, columns)) as rows:  # before its connection is
                return self.keeper.keep_rows(name, schema, rows_to_batches(rows, schema, where))

    def _stream(self, name: str, columns: list[SqlColumn]) -> Generator[Sequence[Any], None, None]:
        """Yield chunks of rows through a cursor of the server, sorted by order_by and then by all other columns."""
        quoted = self._connection.dialect.identifier_preparer.quote
        first = [next(c for c in columns if c.name == name) for name in self.order_by]
        order = [f"{quoted(c.name)}{c.collation}" for c in dict.fromkeys([*first, *columns])]
        picked = ", ".join(quoted(c.name) for c in columns)
        query = f"SELECT {picked} FROM ({self._select}\n) AS rows_of_the_query ORDER BY {', '.join(order)}"  # noqa: S608
        options = {"stream_results": True, "max_row_buffer": BATCH_ROWS}
        result = self._connection.execute(_text(query), self._binds(name), execution_options=options)
        try:
            yield from result.partitions(BATCH_ROWS)
        finally:
            result.close()

    def _columns(self) -> list[SqlColumn]:
        """Return the columns that are kept, with the types the database says; DataError when one is missing."""
        where, feed = self.keeper.feed.where, self.keeper.feed
        with _asking(self.sql.connection, where):
            probe = _text(f"SELECT * FROM ({self._select}\n) AS rows_of_the_query WHERE 1 = 0")  # noqa: S608
            result = self._connection.execute(probe, self._binds("0001-01-01"))
            described = list(result.cursor.description) if result.cursor else []
            result.close()
        found = read_columns(described, self._connection.dialect.name)
        names = [column.name for column in found]
        check_stated(feed.types, names, where)
        wanted = _select(names, feed.keep_columns, self.order_by, where)
        return [next(c for c in found if c.name == name) for name in wanted]

    @property
    def _select(self) -> str:
        return self.sql.select.strip().rstrip(";")

    def _binds(self, name: str) -> dict[str, str]:
        return {"date": name} if self.keeper.feed.dated else {}


def _select(names: list[str], keep: list[str] | None, order_by: tuple[str, ...], where: str) -> list[str]:
    from plimsoll.canonical import select_names
    from plimsoll.config_loading import nearest

    wanted = select_names(names, keep, where)
    for name in order_by:
        if name not in wanted:
            raise DataError(f"{where}: column {name} is missing, and rows are ordered by it.{nearest(name, wanted)}")
    return wanted


def _text(query: str) -> Any:
    from sqlalchemy import text

    return text(query)


def _begin(closing: ExitStack, variable: str) -> "Connection":
    """Return a connection whose read-only transaction has begun; it ends, with its engine, when closing does."""
    engine = _engine(variable)
    closing.callback(engine.dispose)
    with _asking(variable, f"the database of {variable}", ServerError):
        connection = closing.enter_context(engine.connect())
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            connection.execute(_text("SET LOCAL timezone TO 'UTC'"))
        connection.execute(_text("SELECT count(*) FROM (SELECT 1) AS one"))
    return connection


def _engine(variable: str) -> "Engine":
    import sqlalchemy

    if not (url := os.environ.get(variable)):
        raise ConfigError(f"sql.connection names {variable}, and no such environment variable is set. Set it to a URL.")
    try:
        address = sqlalchemy.make_url(url)
        if (dialect := address.get_backend_name()) not in SUPPORTED:
            raise ConfigError(f"{variable} names a {dialect} database; expected one of {', '.join(SUPPORTED)}.")
        if dialect == "sqlite":
            return _sqlite_engine(address.database or "", variable)
        return sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        said = without_secrets(str(error), variable)
        raise ConfigError(f"{variable} is not the URL of a database that can be read: {said}.") from None


def _sqlite_engine(database: str, variable: str) -> "Engine":
    """Return an engine on a SQLite file that may only be read, and whose transactions begin when they are told to."""
    import sqlalchemy

    if not Path(database).is_file():
        raise DataError(f"{variable} names a SQLite file that is not there: {database or 'none'}.")
    uri = f"file:{quote(str(Path(database).resolve()))}?mode=ro&uri=true"
    engine = sqlalchemy.create_engine(f"sqlite:///{uri}", poolclass=sqlalchemy.NullPool)

    @sqlalchemy.event.listens_for(engine, "connect")
    def _by_hand(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # else Python's driver begins no transaction for a SELECT

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin_read(connection: "Connection") -> None:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")  # the snapshot is of this moment

    return engine


@contextmanager
def _asking(variable: str, where: str, kind: type[ServerError] | type[DataError] = DataError) -> Iterator[None]:
    """Turn a database's complaint into one sentence without the URL, its password, or the rows."""
    from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        said = without_secrets(str(getattr(error, "orig", None) or error), variable)
        lost = isinstance(error, InterfaceError) or (
            isinstance(error, OperationalError) and error.connection_invalidated
        )
        raise (ServerError if lost else kind)(f"{where}: {said}.") from None


def without_secrets(said: str, variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the first line of what a driver said, without the URL or any password that a variable holds."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    url = environ.get(variable, "")
    try:
        password = str(make_url(url).password or "")
    except (ArgumentError, ValueError):
        password = (re.findall(r":([^:@/]+)@", url) or [""])[0]
    line = " ".join(said.splitlines()[:1]).strip().rstrip(".")
    for secret in (url, password, quote(password)):
        line = line.replace(secret, "…") if secret else line
    return line
