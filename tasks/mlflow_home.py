"""MLflow's database holds absolute paths of artifacts; this lets them follow a home folder that was moved or copied."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from plimsoll.errors import IntegrityError, ServerError

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
BUSY_SECONDS = 30.0


def follow_home(database: Path, artifacts: Path) -> bool:
    """Point every path of an SQLite database at the artifacts folder, when the folder it names is another one.

    Returns whether it was.

    Only where the model's artifacts lie in the new folder: a folder that was merely configured anew is left alone.
    Raises IntegrityError when the file is no database any more, ServerError when it cannot be used now.
    """
    if not database.is_file():
        return False
    with _opened(database) as connection:
        former = _former_roots(connection, artifacts)
        for old in former:
            for table, column in COLUMNS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608  # names are those above
                    (artifacts.as_uri(), len(old) + 1, len(old) + 1, f"{old}/"),
                )
    return bool(former)


def check_pages(database: Path) -> None:
    """Raise IntegrityError when the pages of an SQLite database do not fit together."""
    with _opened(database) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)").fetchall()]
    if found != ["ok"]:
        raise _damaged(database, found[0])


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as connection, connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise ServerError(f"MLflow's database {database} cannot be used: {error}.") from None
    except sqlite3.DatabaseError as error:
        raise _damaged(database, str(error)) from None


def _damaged(database: Path, said: str) -> IntegrityError:
    return IntegrityError(f"MLflow's database {database} was changed: {said}. Restore it from a backup.")


def _former_roots(connection: sqlite3.Connection, artifacts: Path) -> set[str]:
    """Return the roots that experiments name, as URIs, whose models lie below `artifacts` now."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchall():
        return set()
    named = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    roots = {
        str(location).removesuffix(f"/{name}")
        for name, location in named
        if str(location).startswith("file://") and str(location).endswith(f"/{name}") and (artifacts / name).is_dir()
    }
    return roots - {artifacts.as_uri()}
