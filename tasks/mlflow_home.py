"""MLflow's database holds absolute paths of artifacts; this lets them follow a home folder that was moved or copied."""

import sqlite3
from contextlib import closing
from pathlib import Path

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
BUSY_SECONDS = 30.0


def follow_home(database: Path, artifacts: Path) -> None:
    """Point every path of an SQLite database at the artifacts folder, when the folder it names is another one.

    Only where the model's artifacts lie in the new folder: a folder that was merely configured anew is left alone.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as connection, connection:
        for old in _former_roots(connection, artifacts):
            for table, column in COLUMNS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608  # names are those above
                    (artifacts.as_uri(), len(old) + 1, len(old) + 1, f"{old}/"),
                )


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
