"""Snapshots of a real PostgreSQL server: one moment for all queries, read-only, streamed, and no password anywhere."""

import datetime as dt
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow.parquet as pq
import pytest

from plimsoll.archive import Archive
from plimsoll.errors import ConfigError, DataError, ServerError
from plimsoll.feed_config import Feed, Sql
from plimsoll.seal import seal_of
from plimsoll.snapshot import FileRef
from plimsoll.store import get_object
from tasks.keeping import Keeper
from tasks.object_store import FolderStore
from tasks.processes import free_port
from tasks.sql_source import Databases, SqlSource

BINARIES = Path("/usr/lib/postgresql/15/bin")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not BINARIES.is_dir(), reason="needs Debian's postgresql-15"),
]
PASSWORD = "hunter2 planted@and:to/be?found nowhere"
QUOTED = "hunter2%20planted%40and%3Ato%2Fbe%3Ffound%20nowhere"
DAY = "2013-03-02"
Read = Callable[..., Any]


def as_postgres(*words: str | Path) -> list[str]:
    """Return a command that runs as the user postgres when this is root, whom PostgreSQL refuses."""
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return [*drop, *map(str, words)]


@pytest.fixture(scope="module")
def server(postgres_folder: Path) -> Iterator[str]:
    """A PostgreSQL server that asks for a password; the address of its database postgres."""
    folder, port = postgres_folder, free_port()
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        shutil.chown(folder / "password", "postgres", "postgres")
    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": "/"}
    init = [BINARIES / "initdb", "-D", data, "-A", "scram-sha-256", "-U", "postgres", "--locale=C.UTF-8"]
    subprocess.check_call(as_postgres(*init, f"--pwfile={folder / 'password'}"), **quiet)
    control = [BINARIES / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"]
    subprocess.check_call(as_postgres(*control), **quiet)
    yield f"127.0.0.1:{port}/postgres"
    subprocess.check_call(as_postgres(BINARIES / "pg_ctl", "-D", data, "-m", "immediate", "stop"), **quiet)


@pytest.fixture
def writer(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection that commits each statement, on two tables that must agree; the URL is in WAREHOUSE_URL."""
    monkeypatch.setenv("WAREHOUSE_URL", f"postgresql+psycopg2://postgres:{QUOTED}@{server}")
    host, _, rest = server.partition(":")
    connection = psycopg2.connect(host=host, port=rest.partition("/")[0], user="postgres", password=PASSWORD)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS flights, outcomes")
        cursor.execute("CREATE TABLE flights (id text, day date, x numeric(9,2), n bigint, t timestamptz, ok boolean)")
        cursor.execute("CREATE TABLE outcomes (id text, day date, late double precision)")
        cursor.execute(
            "INSERT INTO flights SELECT 'ä' || n, date '2013-03-01' + n % 3, n / 4.0, nullif(n, 7), "
            "timestamptz '2013-03-01 00:00+02' + n * interval '1 s', n % 2 = 0 FROM generate_series(1, 30000) n"
        )
        cursor.execute("INSERT INTO outcomes SELECT id, day, n FROM flights")
        yield cursor
    connection.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A store in a folder, and a key."""
    return Archive(FolderStore(tmp_path / "store"), seal_of(b"k" * 32))


def source(archive: Archive, databases: Databases, table: str, **fields: Any) -> SqlSource:
    """Return the source of a table, by date."""
    select = f"SELECT * FROM {table} WHERE day = :date"  # noqa: S608
    body = {"connection": "WAREHOUSE_URL", "select": select, "dates": f"SELECT DISTINCT day FROM {table}", **fields}  # noqa: S608
    feed = Feed(sql=Sql(**body))
    assert feed.sql
    return SqlSource(databases, Keeper(archive, feed, {}), feed.sql, ("id",))


def read(archive: Archive, table: str, *days: str, **fields: Any) -> tuple[FileRef, ...]:
    """Keep parts of a table in a snapshot of their own."""
    with ExitStack() as closing:
        return source(archive, Databases(closing), table, **fields).keep(days)


def rows_of(archive: Archive, ref: FileRef) -> list[dict[str, Any]]:
    """Return the rows of a kept part."""
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(get_object(archive.store, ref.digest))).to_pylist()
    return rows


def test_a_writer_between_two_tables_is_not_seen_by_half(archive: Archive, writer: Any) -> None:
    before = read(archive, "flights", DAY), read(archive, "outcomes", DAY)
    with ExitStack() as closing:
        databases = Databases(closing)
        flights = source(archive, databases, "flights").keep([DAY])
        writer.execute("BEGIN; DELETE FROM flights; DELETE FROM outcomes; COMMIT")
        outcomes = source(archive, databases, "outcomes").keep([DAY])
        again = source(archive, databases, "flights").keep([DAY])
        dates = source(archive, databases, "outcomes").dates()
    assert (flights, outcomes) == before, "both tables as they were when the snapshot began"
    assert again == flights
    assert dates == ["2013-03-01", "2013-03-02", "2013-03-03"]
    assert read(archive, "flights", DAY) == read(archive, "outcomes", DAY) == ()


def test_types_are_those_of_the_database_and_rows_are_in_order(archive: Archive, writer: Any) -> None:
    [ref] = read(archive, "flights", DAY)
    assert dict(ref.columns) == {
        "id": "string", "day": "date32[day]", "x": "double", "n": "int64", "t": "timestamp[us, tz=UTC]", "ok": "bool",
    }  # fmt: skip
    rows = rows_of(archive, ref)
    assert [row["id"] for row in rows] == sorted(f"ä{n}" for n in range(1, 30001) if n % 3 == 1)
    seven = next(row for row in rows if row["id"] == "ä7")
    assert seven["n"] is None
    assert seven["x"] == float(Decimal("1.75"))
    assert seven["t"] == dt.datetime(2013, 2, 28, 22, 0, 7, tzinfo=dt.UTC)
    assert not list(archive.store.keys("types/")), "the database says its types, nothing is settled"


def test_the_physical_order_of_a_table_changes_no_byte(archive: Archive, writer: Any) -> None:
    before = read(archive, "flights", DAY)
    writer.execute("UPDATE flights SET x = x WHERE n % 5 = 0; CREATE INDEX i ON flights (n); CLUSTER flights USING i")
    assert read(archive, "flights", DAY) == before


def test_a_null_first_batch_changes_no_type(archive: Archive, writer: Any) -> None:
    writer.execute("UPDATE flights SET n = NULL, t = NULL WHERE day = date '2013-03-02'")
    [ref] = read(archive, "flights", DAY)
    assert dict(ref.columns)["n"] == "int64"
    assert dict(ref.columns)["t"] == "timestamp[us, tz=UTC]"


def test_nothing_can_be_written(archive: Archive, writer: Any) -> None:
    writer.execute("CREATE OR REPLACE FUNCTION wipe() RETURNS int AS 'DELETE FROM outcomes; SELECT 1' LANGUAGE sql")
    with pytest.raises(DataError, match="read-only transaction"):
        read(archive, "flights", DAY, select="SELECT wipe() AS id, date '2013-03-02' AS day WHERE :date IS NOT NULL")
    writer.execute("SELECT count(*) FROM outcomes")
    assert writer.fetchone()[0] == 30000


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"select": "SELECT * FROM flihgts WHERE day = :date"}, 'relation "flihgts" does not exist'),
        ({"select": "SELECT id, to_json(n) AS j FROM flights WHERE day = :date"}, "Column j is of a type (oid 114)"),
        ({"select": "SELECT id, id FROM flights WHERE day = :date"}, "column id is there twice"),
        ({"select": "SELECT n FROM flights WHERE day = :date"}, "column id is missing, and rows are ordered by it"),
        ({"select": "SELECT id, 1/(n-4) AS x FROM flights WHERE day = :date"}, "division by zero"),
    ],
)
def test_a_query_that_fails_is_one_sentence(archive: Archive, writer: Any, fields: dict[str, str], words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(archive, "flights", DAY, **fields)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (("@127", "x@127"), ServerError),
        (("/postgres", "/nobody"), ServerError),
        (("psycopg2", "psycopg9"), ConfigError),
    ],
)
def test_no_password_in_what_a_person_sees(
    archive: Archive, writer: Any, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], kind: type[Exception]
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", os.environ["WAREHOUSE_URL"].replace(*change))
    with pytest.raises(kind) as caught:
        read(archive, "flights", DAY)
    assert "WAREHOUSE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_password_in_the_store(archive: Archive, writer: Any) -> None:
    with ExitStack() as closing:
        flights = source(archive, Databases(closing), "flights")
        assert "hunter2" not in str(flights.describe())
        flights.keep([DAY])
    assert isinstance(archive.store, FolderStore)
    assert not [p for p in archive.store.root.rglob("*") if p.is_file() and b"hunter2" in p.read_bytes()]


def test_the_transaction_ends_with_the_snapshot(archive: Archive, writer: Any) -> None:
    read(archive, "flights", DAY)
    writer.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    assert writer.fetchone()[0] == 0
